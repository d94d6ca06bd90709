//! Sessions of the dashboard: only the SHA-256 of each cookie is known here.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, access_tokens::AccessToken, execute, row};
use crate::ids::TokenId;

/// A session with the token that it was opened by.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Session {
    /// The token that it was opened by.
    #[sqlx(flatten)]
    pub token: AccessToken,
    /// When it was opened, in unix milliseconds.
    pub opened_at: i64,
    /// When it was last used, in unix milliseconds.
    pub last_seen_at: i64,
}

/// Opens a session.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, id_hash: &[u8], token: &TokenId) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO session (id_hash, token_id, created_at, last_seen_at) VALUES ($1, $2, $3, $3)",
        id_hash,
        token,
        now
    )?;
    Ok(())
}

/// The session whose cookie has this SHA-256, if its token was not revoked. Whether it is too old is the caller's to
/// judge.
///
/// # Errors
/// When the database fails.
pub async fn by_hash(conn: &mut Conn<'_>, id_hash: &[u8]) -> Result<Option<Session>, StoreError> {
    Ok(row!(
        conn,
        "SELECT t.id, t.name, t.role, t.created_at, t.revoked_at, t.runner_id, t.last_used_at, t.repository, t.environment,
                t.expires_at, t.user_id, t.made_by, s.created_at AS opened_at, s.last_seen_at
         FROM session s JOIN access_token t ON t.id = s.token_id
         WHERE s.id_hash = $1 AND t.revoked_at IS NULL",
        id_hash
    )?)
}

/// Notes that the session was used.
///
/// # Errors
/// When the database fails.
pub async fn touch(tx: &mut Tx, id_hash: &[u8]) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(&mut tx.conn(), "UPDATE session SET last_seen_at = $2 WHERE id_hash = $1", id_hash, now)?;
    Ok(())
}

/// Ends a session.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id_hash: &[u8]) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM session WHERE id_hash = $1", id_hash)?;
    Ok(())
}

/// Ends every session opened before, or last used before, the times given (unix milliseconds); tells how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_expired(tx: &mut Tx, created_before: i64, seen_before: i64) -> Result<u64, StoreError> {
    Ok(execute!(
        &mut tx.conn(),
        "DELETE FROM session WHERE created_at < $1 OR last_seen_at < $2",
        created_before,
        seen_before
    )?)
}
