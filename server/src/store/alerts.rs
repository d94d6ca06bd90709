//! Alerts: trouble, from its beginning to its end.

use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, row, rows};
use crate::{
    ids::{AlertId, RepositoryId},
    notifications::Message,
};

/// Trouble.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// What the trouble is of; at most one is open for each.
    pub subject: String,
    /// The repository that it belongs to; none where it is of a runner.
    pub repository_id: Option<RepositoryId>,
    /// Its newest news.
    pub message: JsonText<Message>,
    /// The number of the build or the release that failed last.
    pub number: i64,
    /// How often it was met.
    pub times: i64,
    /// When it began, in unix milliseconds.
    pub opened_at: i64,
    /// When it was last met.
    pub last_at: i64,
    /// When somebody said that they look after it.
    pub acknowledged_at: Option<i64>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// When it was over.
    pub closed_at: Option<i64>,
    /// Who said so; none where it turned out so.
    pub closed_by: Option<String>,
}

/// The trouble of a subject that is not over.
pub(crate) async fn open_of(conn: &mut Conn<'_>, subject: &str) -> Result<Option<Alert>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, subject, repository_id, message, number, times, opened_at, last_at, acknowledged_at,
                acknowledged_by, closed_at, closed_by
         FROM alert WHERE subject = $1 AND closed_at IS NULL",
        subject
    )?)
}

/// The troubles that are not over and whose subjects begin so.
pub(crate) async fn open_within(conn: &mut Conn<'_>, beginning: &str) -> Result<Vec<Alert>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, subject, repository_id, message, number, times, opened_at, last_at, acknowledged_at,
                acknowledged_by, closed_at, closed_by
         FROM alert WHERE closed_at IS NULL AND subject LIKE $1 || '%'",
        beginning
    )?)
}

/// The alert with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, id: &AlertId) -> Result<Option<Alert>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, subject, repository_id, message, number, times, opened_at, last_at, acknowledged_at,
                acknowledged_by, closed_at, closed_by
         FROM alert WHERE id = $1",
        id
    )?)
}

/// Where a page of alerts begins: behind the one that opened, or ended, then.
pub type Behind = (i64, AlertId);

/// What is wrong now, newest first, at most `limit`, behind `behind`.
///
/// # Errors
/// When the database fails.
pub async fn open(conn: &mut Conn<'_>, behind: Option<&Behind>, limit: i64) -> Result<Vec<Alert>, StoreError> {
    let (at, id) = place(behind);
    Ok(rows!(
        conn,
        "SELECT id, subject, repository_id, message, number, times, opened_at, last_at, acknowledged_at,
                acknowledged_by, closed_at, closed_by
         FROM alert WHERE closed_at IS NULL AND (opened_at < $1 OR (opened_at = $1 AND id < $2))
         ORDER BY opened_at DESC, id DESC LIMIT $3",
        at,
        id,
        limit
    )?)
}

/// What was wrong and is over, the newest end first, at most `limit`, behind `behind`.
///
/// # Errors
/// When the database fails.
pub async fn closed(conn: &mut Conn<'_>, behind: Option<&Behind>, limit: i64) -> Result<Vec<Alert>, StoreError> {
    let (at, id) = place(behind);
    Ok(rows!(
        conn,
        "SELECT id, subject, repository_id, message, number, times, opened_at, last_at, acknowledged_at,
                acknowledged_by, closed_at, closed_by
         FROM alert WHERE closed_at IS NOT NULL AND closed_at <= $1 AND (closed_at < $1 OR id < $2)
         ORDER BY closed_at DESC, id DESC LIMIT $3",
        at,
        id,
        limit
    )?)
}

fn place(behind: Option<&Behind>) -> (i64, &str) {
    behind.map_or((i64::MAX, super::LAST_ID), |(at, id)| (*at, id.as_str()))
}

/// Writes an alert as it is now.
pub(crate) async fn put(tx: &mut Tx, alert: &Alert) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO alert (id, subject, repository_id, message, number, times, opened_at, last_at, acknowledged_at,
                            acknowledged_by, closed_at, closed_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (id) DO UPDATE SET message = excluded.message, number = excluded.number, times = excluded.times,
             last_at = excluded.last_at, acknowledged_at = excluded.acknowledged_at,
             acknowledged_by = excluded.acknowledged_by, closed_at = excluded.closed_at,
             closed_by = excluded.closed_by",
        &alert.id,
        &alert.subject,
        alert.repository_id.as_ref(),
        &alert.message,
        alert.number,
        alert.times,
        alert.opened_at,
        alert.last_at,
        alert.acknowledged_at,
        alert.acknowledged_by.as_deref(),
        alert.closed_at,
        alert.closed_by.as_deref()
    )?;
    Ok(())
}

/// Forgets what was over before `before`.
pub(crate) async fn forget(tx: &mut Tx, before: i64) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM alert WHERE closed_at IS NOT NULL AND closed_at < $1", before)?;
    Ok(())
}
