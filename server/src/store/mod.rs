//! What Slipway knows: one file for each noun, one set of functions for SQLite and PostgreSQL.
//!
//! Functions that read take a [`Conn`]; functions that write take a [`Tx`], so that nothing is written outside a
//! transaction. Events are collected by the transaction and stored by its commit, which then rings the bells.

mod archive;
mod engine;
mod error;
mod listen;
mod parking;
pub(crate) mod text;
mod transaction;

pub mod access_tokens;
pub mod alerts;
pub(crate) mod answers;
pub mod approvals;
pub(crate) mod archived;
pub mod artifacts;
pub mod audit;
pub mod belonging;
pub mod build_search;
pub mod builds;
pub mod channels;
pub(crate) mod claims;
pub(crate) mod collection;
pub(crate) mod collection_orders;
pub(crate) mod compaction;
pub mod decisions;
pub mod deliveries;
pub mod disconnection;
pub mod environments;
pub mod events;
pub(crate) mod figures;
pub mod forge_credentials;
pub mod forge_reports;
pub(crate) mod grown;
pub mod instance_secrets;
pub mod jobs;
pub mod jump;
pub(crate) mod log_questions;
pub mod logs;
pub mod measurements;
pub mod notifications;
pub mod overview;
pub mod placement;
pub mod pull_requests;
pub(crate) mod readings;
pub mod registry_credentials;
pub mod releases;
pub mod repositories;
pub(crate) mod retention;
pub mod runners;
pub mod schedules;
pub mod sealing;
pub mod secrets;
mod seen;
pub mod sessions;
pub mod settings;
pub mod signing_keys;
pub mod standing;
pub mod steps;
pub(crate) mod takeovers;
pub mod user_identities;
pub mod user_sessions;
pub mod users;

use std::{path::Path, sync::Arc};

use slipway_runner::Space;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use archive::Archive;
pub use engine::{Conn, Db, Reader, redacted};
pub(crate) use engine::{execute, row, rows};
pub use error::StoreError;
pub(crate) use parking::Parking;
pub use seen::Seen;
pub use text::JsonText;
pub use transaction::Tx;
use transaction::TxClock;

use crate::{clock::Clock, events::Bells};

/// The database with its clock and its bells, and the archive beside it. Cloning it is cheap.
#[derive(Clone)]
pub struct Store {
    db: Db,
    clock: Arc<dyn Clock>,
    bells: Arc<Bells>,
    archive: Archive,
    /// Names this process among the servers of one database.
    server: Arc<str>,
    /// The disk under the database, where that is a file.
    space: Option<Arc<Space>>,
    /// Ends the task that listens for the others with the last clone of the store.
    _listening: Arc<DropGuard>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("db", &self.db).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database (`sqlite:PATH` or `postgres://…`) and brings its schema up to date.
    ///
    /// # Errors
    /// When it cannot be opened or migrated.
    pub async fn open(url: &str, clock: Arc<dyn Clock>) -> Result<Store, StoreError> {
        let db = Db::open(url).await?;
        let bells = Arc::new(Bells::default());
        let server: Arc<str> = ulid::Ulid::generate().to_string().into();
        let stop = CancellationToken::new();
        if let Db::Postgres(pool) = &db {
            tokio::spawn(listen::listen(pool.clone(), server.to_string(), Arc::clone(&bells), stop.clone()));
        }
        let file = url.strip_prefix("sqlite:").map(|path| Path::new(path.trim_start_matches("//")));
        let folder = file.map(|file| file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")));
        let space = folder.map(|folder| Arc::new(Space::new("the disk of the database", folder, LEAST_FREE)));
        Ok(Store {
            db,
            clock,
            bells,
            archive: Archive::default(),
            server,
            space,
            _listening: Arc::new(stop.drop_guard()),
        })
    }

    /// Why nothing new is accepted; none while there is room on the database's disk. What is left of it is for the work
    /// that was accepted already.
    #[must_use]
    pub fn shortage(&self) -> Option<String> {
        self.space.as_ref()?.shortage()
    }

    /// The same, whose finished logs are kept in an archive.
    #[must_use]
    pub fn with_archive(self, archive: Archive) -> Self {
        Store { archive, ..self }
    }

    /// Where finished logs are kept, if not in the database.
    #[must_use]
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// A connection to read with.
    ///
    /// # Errors
    /// When none becomes free in time.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        self.db.read().await
    }

    /// Begins a transaction. All that it writes bears one time. In a request whose commit is held back, it is that one's
    /// transaction that goes on.
    ///
    /// # Errors
    /// When no connection becomes free in time.
    pub async fn write(&self) -> Result<Tx, StoreError> {
        if let Some(resumed) = Parking::resumed() {
            return Ok(resumed);
        }
        let open = self.db.begin().await?;
        let clock = TxClock { now: self.clock.now(), gives_way: self.clock.gives_way(), shared: None };
        Ok(Tx::new(open, clock, Arc::clone(&self.bells), Arc::clone(&self.server)))
    }

    /// Whether other servers may work on the same database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.db, Db::Postgres(_))
    }

    /// The name of this server among those of one database.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The time by which leases end, in unix milliseconds: that of the database where several servers may share it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lease_time(&self) -> Result<i64, StoreError> {
        match &self.db {
            Db::Postgres(pool) if self.clock.gives_way() => {
                let mut connection = pool.acquire().await?;
                engine::time_of(&mut connection).await
            }
            _ => Ok(self.clock.now()),
        }
    }

    /// The bells that ring after commits.
    #[must_use]
    pub fn bells(&self) -> &Arc<Bells> {
        &self.bells
    }

    /// The clock that the rows are dated by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The database itself, for tests and maintenance.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

/// With less than this free on the database's disk, nothing new is accepted, in bytes.
const LEAST_FREE: u64 = 16 * 1_024 * 1_024;

/// Sorts behind every id: where a list by descending id begins.
const LAST_ID: &str = "ZZZZZZZZZZZZZZZZZZZZZZZZZZ";
