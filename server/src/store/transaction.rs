//! One transaction: its statements, its time, the events it will have made happen, and whom to wake after it.

use std::sync::Arc;

use super::{
    Conn, StoreError,
    engine::{Open, time_of},
    events, execute,
    listen::Rung,
    parking::Parking,
};
use crate::{
    events::{Bells, NewEvent},
    ids::StepId,
};

/// A transaction that may write. Dropped without [`Tx::commit`], it never happened.
pub struct Tx {
    open: Open,
    clock: TxClock,
    events: Vec<NewEvent>,
    rung: Rung,
    bells: Arc<Bells>,
    server: Arc<str>,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("now", &self.clock.now).field("events", &self.events.len()).finish_non_exhaustive()
    }
}

/// The time of a transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct TxClock {
    pub(super) now: i64,
    /// Whether leases go by the clock of a database that is shared.
    pub(super) gives_way: bool,
    /// What that clock showed when it was looked at.
    pub(super) shared: Option<i64>,
}

/// A point within a transaction to return to.
#[derive(Debug)]
pub(crate) struct Savepoint {
    events: usize,
    queue: bool,
    schedules: bool,
    gates: bool,
    logs: usize,
}

impl Tx {
    pub(super) fn new(open: Open, clock: TxClock, bells: Arc<Bells>, server: Arc<str>) -> Self {
        Tx { open, clock, events: Vec::new(), rung: Rung::default(), bells, server }
    }

    /// The connection, as the functions of the nouns want it.
    pub fn conn(&mut self) -> Conn<'_> {
        self.open.conn()
    }

    /// The time that everything of this transaction bears, in unix milliseconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.clock.now
    }

    /// The time by which leases end, in unix milliseconds: that of the database where several servers may share it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lease_time(&mut self) -> Result<i64, StoreError> {
        if self.clock.shared.is_none()
            && self.clock.gives_way
            && let Conn::Postgres(connection) = self.open.conn()
        {
            self.clock.shared = Some(time_of(connection).await?);
        }
        Ok(self.clock.shared.unwrap_or(self.clock.now))
    }

    /// Notes what this transaction makes happen; stored when it commits.
    pub fn emit(&mut self, event: NewEvent) {
        self.events.push(event);
    }

    /// Wakes whoever waits for jobs or orders, once this is committed.
    pub(crate) fn ring_queue(&mut self) {
        self.rung.queue = true;
    }

    /// Wakes whoever waits for the next schedule, once this is committed.
    pub(crate) fn ring_schedules(&mut self) {
        self.rung.schedules = true;
    }

    /// Wakes whoever lets releases into environments, once this is committed.
    pub(crate) fn ring_gates(&mut self) {
        self.rung.gates = true;
    }

    /// Wakes whoever keeps the keys of the secrets, once this is committed.
    pub(crate) fn ring_keys(&mut self) {
        self.rung.keys = true;
    }

    /// The name of this server among those of one database.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Wakes whoever follows the step's log, once this is committed.
    pub(crate) fn ring_log(&mut self, step: StepId) {
        self.rung.logs.push(step);
    }

    /// Makes everything true at once, and rings the bells; within a request whose answer is stored with it, once that is.
    ///
    /// The events are written last and, on PostgreSQL, under one lock: so their ids become visible in their order,
    /// and a follower that has seen number 7 will never miss number 6.
    ///
    /// # Errors
    /// When the database fails; then nothing of the transaction happened (or, if the connection broke while
    /// committing, that is unknown, as always).
    pub async fn commit(self) -> Result<(), StoreError> {
        match Parking::park(self) {
            Some(tx) => tx.settle().await,
            None => Ok(()),
        }
    }

    async fn settle(mut self) -> Result<(), StoreError> {
        if !self.events.is_empty() {
            self.rung.events = true;
            events::append(&mut self.open.conn(), self.clock.now, &self.events).await?;
        }
        self.rung.notify(&mut self.open.conn(), &self.server).await?;
        self.open.commit().await?;
        self.rung.ring(&self.bells);
        Ok(())
    }

    /// Undoes everything, and gives back what it has locked before this returns.
    ///
    /// # Errors
    /// When the database fails; then it is undone a little later.
    pub(crate) async fn roll_back(self) -> Result<(), StoreError> {
        Ok(self.open.roll_back().await?)
    }

    /// Marks a point to return to; one at a time.
    pub(crate) async fn savepoint(&mut self) -> Result<Savepoint, StoreError> {
        execute!(&mut self.conn(), "SAVEPOINT one")?;
        Ok(Savepoint {
            events: self.events.len(),
            queue: self.rung.queue,
            schedules: self.rung.schedules,
            gates: self.rung.gates,
            logs: self.rung.logs.len(),
        })
    }

    /// Keeps what was done since the savepoint.
    pub(crate) async fn release(&mut self, _kept: Savepoint) -> Result<(), StoreError> {
        execute!(&mut self.conn(), "RELEASE SAVEPOINT one")?;
        Ok(())
    }

    /// Undoes what was done since the savepoint.
    pub(crate) async fn undo(&mut self, savepoint: Savepoint) -> Result<(), StoreError> {
        execute!(&mut self.conn(), "ROLLBACK TO SAVEPOINT one")?;
        execute!(&mut self.conn(), "RELEASE SAVEPOINT one")?;
        self.events.truncate(savepoint.events);
        self.rung.logs.truncate(savepoint.logs);
        self.rung.queue = savepoint.queue;
        self.rung.schedules = savepoint.schedules;
        self.rung.gates = savepoint.gates;
        Ok(())
    }
}
