//! Sessions of people with an account: only the SHA-256 of each cookie is known here.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, row, rows};
use crate::ids::{SessionId, UserId};

/// Somebody's session.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct UserSession {
    /// A name for it that opens nothing.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// Where it was opened from.
    pub address: String,
    /// What that called itself.
    pub browser: String,
    /// When it was opened, in unix milliseconds.
    pub created_at: i64,
    /// When it was last used, in unix milliseconds.
    pub last_seen_at: i64,
}

/// Opens a session from an address, in what calls itself `browser`.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    tx: &mut Tx,
    id_hash: &[u8],
    user: &UserId,
    (address, browser): (&str, &str),
) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO user_session (id_hash, id, user_id, address, browser, created_at, last_seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)",
        id_hash,
        SessionId::new(),
        user,
        address,
        browser,
        now
    )?;
    Ok(())
}

/// The session whose cookie has this SHA-256. Whether it is too old, and whose it is may still do anything, is the caller's
/// to judge.
///
/// # Errors
/// When the database fails.
pub async fn by_hash(conn: &mut Conn<'_>, id_hash: &[u8]) -> Result<Option<UserSession>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, user_id, address, browser, created_at, last_seen_at FROM user_session WHERE id_hash = $1",
        id_hash
    )?)
}

/// Somebody's sessions, the one that was used last first.
///
/// # Errors
/// When the database fails.
pub async fn of_user(conn: &mut Conn<'_>, user: &UserId, limit: i64) -> Result<Vec<UserSession>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, user_id, address, browser, created_at, last_seen_at
         FROM user_session WHERE user_id = $1 ORDER BY last_seen_at DESC LIMIT $2",
        user,
        limit
    )?)
}

/// When one of somebody's sessions was opened, in unix milliseconds.
pub(crate) async fn opened_at(conn: &mut Conn<'_>, user: &UserId, id: &SessionId) -> Result<Option<i64>, StoreError> {
    let found: Option<(i64,)> =
        row!(conn, "SELECT created_at FROM user_session WHERE id = $1 AND user_id = $2", id, user)?;
    Ok(found.map(|(at,)| at))
}

/// Notes that the session was used.
///
/// # Errors
/// When the database fails.
pub async fn touch(tx: &mut Tx, id: &SessionId) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(&mut tx.conn(), "UPDATE user_session SET last_seen_at = $2 WHERE id = $1", id, now)?;
    Ok(())
}

/// Ends one of somebody's sessions; tells whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn end(tx: &mut Tx, user: &UserId, id: &SessionId) -> Result<bool, StoreError> {
    Ok(execute!(&mut tx.conn(), "DELETE FROM user_session WHERE id = $1 AND user_id = $2", id, user)? == 1)
}

/// Ends all of somebody's sessions, but for one.
///
/// # Errors
/// When the database fails.
pub async fn end_others(tx: &mut Tx, user: &UserId, kept: Option<&SessionId>) -> Result<u64, StoreError> {
    let kept = kept.map_or("", SessionId::as_str);
    Ok(execute!(&mut tx.conn(), "DELETE FROM user_session WHERE user_id = $1 AND id <> $2", user, kept)?)
}

/// Ends those of somebody's sessions that were opened before, or last used before, the times given (unix milliseconds).
///
/// # Errors
/// When the database fails.
pub async fn end_expired(tx: &mut Tx, user: &UserId, created_before: i64, seen_before: i64) -> Result<u64, StoreError> {
    Ok(execute!(
        &mut tx.conn(),
        "DELETE FROM user_session WHERE user_id = $1 AND (created_at < $2 OR last_seen_at < $3)",
        user,
        created_before,
        seen_before
    )?)
}

/// Whether somebody has a session that was opened from this address.
pub(crate) async fn is_known_at(conn: &mut Conn<'_>, user: &UserId, address: &str) -> Result<bool, StoreError> {
    let found: Option<(SessionId,)> =
        row!(conn, "SELECT id FROM user_session WHERE user_id = $1 AND address = $2 LIMIT 1", user, address)?;
    Ok(found.is_some())
}
