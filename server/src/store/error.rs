//! What can go wrong in the store, in sentences.

use super::engine::redacted;

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address names no database that Slipway knows.
    #[error("“{url}” names no database: use sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME")]
    UnknownUrl {
        /// The address without its password.
        url: String,
    },
    /// The database could not be opened.
    #[error("cannot open the database {url}: {source}")]
    Open {
        /// The address without its password.
        url: String,
        /// What the engine said.
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("cannot bring the schema of {url} up to date: {source}")]
    Migrate {
        /// The address without its password.
        url: String,
        /// What went wrong.
        source: sqlx::migrate::MigrateError,
    },
    /// A statement failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A row that was expected is not there.
    #[error("there is no {what} {which}")]
    Missing {
        /// The noun, such as `build`.
        what: &'static str,
        /// How it was named.
        which: String,
    },
    /// A change that the state does not allow.
    #[error("{what} {which} is {state}: it cannot {event}")]
    Illegal {
        /// The noun, such as `build`.
        what: &'static str,
        /// Its id.
        which: String,
        /// The state it is in.
        state: &'static str,
        /// What was asked of it.
        event: &'static str,
    },
    /// A row was changed by someone else between reading and writing it.
    #[error("{what} {which} was changed by someone else at the same time; try again")]
    Conflict {
        /// The noun, such as `build`.
        what: &'static str,
        /// Its id.
        which: String,
    },
    /// A value of the database's that cannot be read.
    #[error("{what} {which} holds something unreadable: {problem}")]
    Corrupt {
        /// The noun and column, such as `release content`.
        what: &'static str,
        /// Its id.
        which: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A request that makes no sense now; the text is for people.
    #[error("{0}")]
    Refused(String),
    /// The archive of finished logs did not do its part; the same call may succeed later.
    #[error("the archive of logs cannot {doing}: {cause}")]
    Archive {
        /// What it was asked.
        doing: &'static str,
        /// What it met.
        cause: String,
    },
    /// The database cannot answer now; the same call may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// The server is shutting down.
    #[error("the server is shutting down; send it again")]
    Closed,
}

impl StoreError {
    pub(crate) fn open(url: &str, source: sqlx::Error) -> Self {
        StoreError::Open { url: redacted(url), source }
    }

    pub(crate) fn migrate(url: &str, source: sqlx::migrate::MigrateError) -> Self {
        StoreError::Migrate { url: redacted(url), source }
    }

    pub(crate) fn missing(what: &'static str, which: impl std::fmt::Display) -> Self {
        StoreError::Missing { what, which: which.to_string() }
    }

    pub(crate) fn corrupt(what: &'static str, which: impl std::fmt::Display, problem: impl std::fmt::Display) -> Self {
        StoreError::Corrupt { what, which: which.to_string(), problem: problem.to_string() }
    }

    /// Whether there was no room on the database's disk.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        let StoreError::Database(sqlx::Error::Database(error)) = self else { return false };
        // SQLite: the database or its disk, a file that cannot grow, the file that its connections share. PostgreSQL.
        matches!(error.code().as_deref(), Some("13" | "778" | "4874" | "53100"))
    }

    /// Whether the database undid a transaction in favour of another one: a deadlock, or two that could not be put in order.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        let StoreError::Database(sqlx::Error::Database(error)) = self else { return false };
        matches!(error.code().as_deref(), Some("40P01" | "40001"))
    }

    /// Whether something that is stored cannot be read: repeating the call is of no use, and the rest is not concerned.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(
            self,
            StoreError::Corrupt { .. }
                | StoreError::Database(sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
        )
    }

    /// Whether the same call may succeed when it is repeated (deadlock, lost connection, busy, no room).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            known if known.is_disk_full() || known.is_given_up() => true,
            StoreError::Conflict { .. }
            | StoreError::Archive { .. }
            | StoreError::Unavailable(_)
            | StoreError::Closed => true,
            StoreError::Database(sqlx::Error::Database(error)) => {
                matches!(error.code().as_deref(), Some("5" | "517" | "55P03" | "57P01"))
            }
            StoreError::Database(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => true,
            _ => false,
        }
    }
}
