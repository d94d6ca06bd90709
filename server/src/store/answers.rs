//! Answers that are kept for requests which may be sent again, by the keys of those who sent them.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, row};

/// An answer as it was given.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct KeptAnswer {
    /// The SHA-256 of the request that it was given to.
    pub(crate) request_hash: Vec<u8>,
    /// Its status.
    pub(crate) status: i64,
    /// Its body, sealed: it may hold a token.
    pub(crate) sealed: Vec<u8>,
}

/// The answer to the request of this key, unless it is older than `since`.
pub(crate) async fn find(conn: &mut Conn<'_>, key: &[u8], since: i64) -> Result<Option<KeptAnswer>, StoreError> {
    Ok(row!(
        conn,
        "SELECT request_hash, status, sealed FROM kept_answer WHERE key_hash = $1 AND created_at >= $2",
        key,
        since
    )?)
}

/// Keeps an answer in the transaction of its change; false where the key has one, which another server gave meanwhile.
pub(crate) async fn keep(tx: &mut Tx, key: &[u8], answer: &KeptAnswer, since: i64) -> Result<bool, StoreError> {
    let now = tx.now();
    execute!(&mut tx.conn(), "DELETE FROM kept_answer WHERE key_hash = $1 AND created_at < $2", key, since)?;
    let kept = execute!(
        &mut tx.conn(),
        "INSERT INTO kept_answer (key_hash, request_hash, status, sealed, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (key_hash) DO NOTHING",
        key,
        answer.request_hash.as_slice(),
        answer.status,
        answer.sealed.as_slice(),
        now
    )?;
    Ok(kept == 1)
}

/// The hash of a key as text, which the answer is sealed for.
pub(crate) fn named(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How many are older than `since`.
pub(crate) async fn old(conn: &mut Conn<'_>, since: i64) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(conn, "SELECT COUNT(*) FROM kept_answer WHERE created_at < $1", since)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// Forgets them.
pub(crate) async fn forget(tx: &mut Tx, since: i64) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM kept_answer WHERE created_at < $1", since)?;
    Ok(())
}
