//! The two database engines behind one face: connections, transactions, and how a statement reaches either.

use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt as _, path::Path, str::FromStr, time::Duration};

use sqlx::{
    Connection, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::StoreError;

static SQLITE_SCHEMA: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/sqlite");
static POSTGRES_SCHEMA: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/postgres");

/// How long a statement waits for another process's lock before it fails as busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a caller waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// More than the number of statements there are, so that none is prepared twice on a connection.
const STATEMENT_CACHE: usize = 512;
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;

/// A database of either kind.
#[derive(Clone)]
pub enum Db {
    /// One file: a single write connection, and readers that never wait for it.
    Sqlite {
        /// Connections that can only read.
        read: SqlitePool,
        /// The one connection that writes.
        write: SqlitePool,
    },
    /// A PostgreSQL server.
    Postgres(PgPool),
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Db::Sqlite { .. } => "Db::Sqlite",
            Db::Postgres(_) => "Db::Postgres",
        })
    }
}

/// Makes the file, if there is none, so that its owner alone can read it; SQLite gives the files beside it the same mode
/// (<https://www.sqlite.org/src/file/src/os_unix.c>, `findCreateFileMode`).
fn keep_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

impl Db {
    /// Opens the database that the address names and brings its schema up to date.
    ///
    /// # Errors
    /// When the address is of no known kind, or the engine cannot be reached or migrated.
    pub async fn open(url: &str) -> Result<Db, StoreError> {
        if url.starts_with("sqlite:") {
            Self::open_sqlite(url).await
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Self::open_postgres(url).await
        } else {
            Err(StoreError::UnknownUrl { url: redacted(url) })
        }
    }

    async fn open_sqlite(url: &str) -> Result<Db, StoreError> {
        let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
        keep_private(Path::new(path)).map_err(|source| StoreError::open(url, source.into()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            // What is deleted is overwritten, unless that costs further writes.
            .pragma("secure_delete", "FAST")
            .statement_cache_capacity(STATEMENT_CACHE);
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        let write = pool()
            .max_connections(1)
            // SQLite ends a transaction by itself when the disk is full. The driver counts it as open for ever and refuses
            // every further one, so such a connection is closed and another one is opened.
            .before_acquire(|connection, _| {
                Box::pin(async move {
                    if connection.is_in_transaction() {
                        // Behind what is still to be rolled back.
                        connection.ping().await?;
                    }
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(options.clone())
            .await
            .map_err(|source| StoreError::open(url, source))?;
        SQLITE_SCHEMA.run(&write).await.map_err(|source| StoreError::migrate(url, source))?;
        let read = pool()
            .max_connections(SQLITE_READERS)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(|source| StoreError::open(url, source))?;
        Ok(Db::Sqlite { read, write })
    }

    async fn open_postgres(url: &str) -> Result<Db, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|source| StoreError::open(url, source))?
            .application_name("slipway")
            .statement_cache_capacity(STATEMENT_CACHE);
        // One connection beside the pool: the pool would go on trying a server that refuses, and then say only that it
        // took too long.
        let first = PgConnection::connect_with(&options).await.map_err(|source| StoreError::open(url, source))?;
        first.close().await.map_err(|source| StoreError::open(url, source))?;
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await
            .map_err(|source| StoreError::open(url, source))?;
        POSTGRES_SCHEMA.run(&pool).await.map_err(|source| StoreError::migrate(url, source))?;
        Ok(Db::Postgres(pool))
    }

    pub(super) async fn read(&self) -> Result<Reader, StoreError> {
        Ok(match self {
            Db::Sqlite { read, .. } => Reader::Sqlite(read.acquire().await?),
            Db::Postgres(pool) => Reader::Postgres(pool.acquire().await?),
        })
    }

    /// Begins a transaction that may write. SQLite's takes the write lock at once: a deferred one would fail as busy
    /// when it turns from reading to writing.
    pub(super) async fn begin(&self) -> Result<Open, StoreError> {
        Ok(match self {
            Db::Sqlite { write, .. } => Open::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Db::Postgres(pool) => Open::Postgres(pool.begin().await?),
        })
    }

    /// Closes every connection, once those in use are given back.
    pub async fn close(&self) {
        match self {
            Db::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Db::Postgres(pool) => pool.close().await,
        }
    }
}

/// A connection to read with; give it back soon.
#[derive(Debug)]
pub enum Reader {
    /// Of SQLite's readers.
    Sqlite(PoolConnection<Sqlite>),
    /// Of PostgreSQL's pool.
    Postgres(PoolConnection<Postgres>),
}

impl Reader {
    /// The connection, as the functions of the nouns want it.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Reader::Sqlite(connection) => Conn::Sqlite(connection),
            Reader::Postgres(connection) => Conn::Postgres(connection),
        }
    }
}

/// An open transaction of either engine; rolled back when dropped.
#[derive(Debug)]
pub(super) enum Open {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Open {
    pub(super) fn conn(&mut self) -> Conn<'_> {
        match self {
            Open::Sqlite(transaction) => Conn::Sqlite(transaction),
            Open::Postgres(transaction) => Conn::Postgres(transaction),
        }
    }

    pub(super) async fn roll_back(self) -> Result<(), sqlx::Error> {
        match self {
            Open::Sqlite(transaction) => transaction.rollback().await,
            Open::Postgres(transaction) => transaction.rollback().await,
        }
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Open::Sqlite(transaction) => transaction.commit().await,
            Open::Postgres(transaction) => transaction.commit().await,
        }
    }
}

/// A connection borrowed for some statements.
#[derive(Debug)]
pub enum Conn<'c> {
    /// SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// PostgreSQL.
    Postgres(&'c mut PgConnection),
}

/// An address without its password, for errors and logs.
#[must_use]
pub fn redacted(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.has_host() => {
            if parsed.password().is_some() && parsed.set_password(Some("…")).is_err() {
                return format!("{}://…", parsed.scheme());
            }
            if parsed.query().is_some() {
                parsed.set_query(None);
            }
            parsed.to_string().replace("%E2%80%A6", "…")
        }
        _ if url.starts_with("sqlite:") => url.to_owned(),
        _ => url.split(':').next().map_or_else(String::new, |scheme| format!("{scheme}:…")),
    }
}

/// Runs one statement on whichever engine the connection is of: the text is the same for both, or the two texts
/// stand side by side as `sqlite: "…", postgres: "…"`.
macro_rules! dispatch {
    ($conn:expr, $query:ident $(::<$row:ty>)?, $fetch:ident, sqlite: $sqlite:expr, postgres: $postgres:expr $(, $bind:expr)*) => {
        match $conn {
            $crate::store::Conn::Sqlite(connection) => {
                sqlx::$query::<sqlx::Sqlite $(, $row)?>($sqlite)$(.bind($bind))*.$fetch(&mut **connection).await
            }
            $crate::store::Conn::Postgres(connection) => {
                sqlx::$query::<sqlx::Postgres $(, $row)?>($postgres)$(.bind($bind))*.$fetch(&mut **connection).await
            }
        }
    };
}

/// Rows of a [`sqlx::FromRow`] type.
macro_rules! rows {
    ($conn:expr, sqlite: $sqlite:expr, postgres: $postgres:expr $(, $bind:expr)* $(,)?) => {
        $crate::store::engine::dispatch!($conn, query_as::<_>, fetch_all, sqlite: $sqlite, postgres: $postgres $(, $bind)*)
    };
    ($conn:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::store::engine::dispatch!($conn, query_as::<_>, fetch_all, sqlite: $sql, postgres: $sql $(, $bind)*)
    };
}

/// One row of a [`sqlx::FromRow`] type, or none.
macro_rules! row {
    ($conn:expr, sqlite: $sqlite:expr, postgres: $postgres:expr $(, $bind:expr)* $(,)?) => {
        $crate::store::engine::dispatch!($conn, query_as::<_>, fetch_optional, sqlite: $sqlite, postgres: $postgres $(, $bind)*)
    };
    ($conn:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::store::engine::dispatch!($conn, query_as::<_>, fetch_optional, sqlite: $sql, postgres: $sql $(, $bind)*)
    };
}

/// Runs a statement and tells how many rows it changed.
macro_rules! execute {
    ($conn:expr, sqlite: $sqlite:expr, postgres: $postgres:expr $(, $bind:expr)* $(,)?) => {
        match $conn {
            $crate::store::Conn::Sqlite(connection) => sqlx::query::<sqlx::Sqlite>($sqlite)$(.bind($bind))*
                .execute(&mut **connection).await.map(|done| done.rows_affected()),
            $crate::store::Conn::Postgres(connection) => sqlx::query::<sqlx::Postgres>($postgres)$(.bind($bind))*
                .execute(&mut **connection).await.map(|done| done.rows_affected()),
        }
    };
    ($conn:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::store::engine::execute!($conn, sqlite: $sql, postgres: $sql $(, $bind)*)
    };
}

pub(crate) use {dispatch, execute, row, rows};

/// What a PostgreSQL server's clock shows, in unix milliseconds.
pub(super) async fn time_of(connection: &mut PgConnection) -> Result<i64, StoreError> {
    let time = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
    Ok(sqlx::query_scalar(time).fetch_one(connection).await?)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Db, redacted};

    #[test]
    fn no_password_reaches_a_message() {
        assert_eq!(redacted("postgres://slipway:geheim@db:5432/slipway"), "postgres://slipway:…@db:5432/slipway");
        assert!(!redacted("postgres:///x?host=/tmp&password=geheim").contains("geheim"));
        assert!(!redacted("postgres://slipway:geheim@[broken").contains("geheim"));
        assert!(!redacted("mysql:geheim").contains("geheim"));
        assert_eq!(redacted("sqlite:/var/lib/slipway/slipway.db"), "sqlite:/var/lib/slipway/slipway.db");
    }

    #[tokio::test]
    async fn nobody_else_reads_the_database() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slipway.db");
        let _db = Db::open(&format!("sqlite:{}", path.display())).await.unwrap();
        for file in ["slipway.db", "slipway.db-wal", "slipway.db-shm"] {
            let mode = dir.path().join(file).metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file}");
        }
    }
}
