//! Bells across servers: what one of several servers on a PostgreSQL database commits, the others hear of.

use std::{convert::Infallible, sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio_util::sync::CancellationToken;

use super::{Conn, StoreError};
use crate::{events::Bells, ids::StepId};

const CHANNEL: &str = "slipway";
/// How long the listener waits before it connects again. Until then the slow sweeps of those who wait do its work.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// What a transaction rings when it commits.
#[derive(Debug, Default)]
pub(super) struct Rung {
    pub(super) events: bool,
    pub(super) queue: bool,
    pub(super) schedules: bool,
    pub(super) gates: bool,
    pub(super) keys: bool,
    pub(super) logs: Vec<StepId>,
}

impl Rung {
    /// Rings this process's bells.
    pub(super) fn ring(&self, bells: &Bells) {
        if self.events {
            bells.ring_events();
        }
        if self.queue {
            bells.ring_queue();
        }
        if self.schedules {
            bells.ring_schedules();
        }
        if self.gates {
            bells.ring_gates();
        }
        if self.keys {
            bells.ring_keys();
        }
        for step in &self.logs {
            bells.ring_log(step);
        }
    }

    /// Tells the other servers, at the moment of the commit; says the topics alone.
    pub(super) async fn notify(&self, conn: &mut Conn<'_>, sender: &str) -> Result<(), StoreError> {
        let Conn::Postgres(connection) = conn else { return Ok(()) };
        let logs = self.logs.iter().map(|step| format!("{sender} log {step}"));
        let topics = [
            (self.events, "events"),
            (self.queue, "queue"),
            (self.schedules, "schedules"),
            (self.gates, "gates"),
            (self.keys, "keys"),
        ];
        let topics = topics.into_iter().filter(|(rung, _)| *rung).map(|(_, topic)| format!("{sender} {topic}"));
        for message in topics.chain(logs) {
            sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(message).execute(&mut **connection).await?;
        }
        Ok(())
    }
}

/// Rings this process's bells for what others commit, until the pool is closed or it is told to stop.
///
/// A listening connection can die without a word, and what was said meanwhile is lost: after every connect all bells
/// ring once, and whoever waits looks again now and then anyway.
pub(super) async fn listen(pool: PgPool, own: String, bells: Arc<Bells>, stop: CancellationToken) {
    while !pool.is_closed() {
        tokio::select! {
            () = stop.cancelled() => return,
            ended = hear(&pool, &own, &bells) => match ended {
                Err(sqlx::Error::PoolClosed) => return,
                Err(error) => tracing::warn!(%error, "the connection that listens for other servers broke"),
                Ok(never) => match never {},
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RECONNECT_PAUSE) => {}
        }
    }
}

async fn hear(pool: &PgPool, own: &str, bells: &Bells) -> Result<Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    bells.ring_all();
    loop {
        let Some(message) = listener.try_recv().await? else {
            // The connection was lost and made again.
            bells.ring_all();
            continue;
        };
        let mut words = message.payload().split(' ');
        if words.next() == Some(own) {
            continue;
        }
        match (words.next(), words.next().map(str::parse)) {
            (Some("events"), _) => bells.ring_events(),
            (Some("queue"), _) => bells.ring_queue(),
            (Some("schedules"), _) => bells.ring_schedules(),
            (Some("gates"), _) => bells.ring_gates(),
            (Some("keys"), _) => bells.ring_keys(),
            (Some("log"), Some(Ok(step))) => bells.ring_log(&step),
            _ => tracing::debug!(payload = message.payload(), "another server said something unknown"),
        }
    }
}
