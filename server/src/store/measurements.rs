//! What was measured of environments and hosts.

use serde::{Serialize, de::DeserializeOwned};
use slipway_runner::coordinator::{ReleasedApp, ReplicaReport};
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, retention::Amount, row, rows};
use crate::{ids::EnvironmentId, measurements::MOMENT_MS};

/// What was measured of something, at one moment or over a span.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Measured<F> {
    /// When that began, in unix milliseconds.
    pub at: i64,
    /// What.
    pub figures: JsonText<F>,
}

/// An environment on a runner's engine, with what is live there and how it stands.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct Lived {
    pub(crate) id: EnvironmentId,
    pub(crate) content: JsonText<Vec<ReleasedApp>>,
    pub(crate) replicas: Option<JsonText<Vec<ReplicaReport>>>,
}

/// Which rows of a subject are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    /// How much time each sums up, in milliseconds.
    pub(crate) span_ms: i64,
    /// From then on, in unix milliseconds.
    pub(crate) since: i64,
    /// Until then, inclusive.
    pub(crate) until: i64,
    /// The most rows.
    pub(crate) limit: i64,
}

/// What was measured of an environment or a runner's host, the oldest first.
pub(crate) async fn between<F>(conn: &mut Conn<'_>, subject: &str, slice: Slice) -> Result<Vec<Measured<F>>, StoreError>
where
    F: DeserializeOwned + Send + Unpin + 'static,
{
    Ok(rows!(
        conn,
        "SELECT at, figures FROM measurement
         WHERE subject = $1 AND span_ms = $2 AND at >= $3 AND at <= $4 ORDER BY at LIMIT $5",
        subject,
        slice.span_ms,
        slice.since,
        slice.until,
        slice.limit
    )?)
}

/// What was measured last of an environment or a runner's host, if that was not before `since`.
///
/// # Errors
/// When the database fails.
pub async fn latest<F>(conn: &mut Conn<'_>, subject: &str, since: i64) -> Result<Option<F>, StoreError>
where
    F: DeserializeOwned + Send + Unpin + 'static,
{
    let found: Option<Measured<F>> = row!(
        conn,
        "SELECT at, figures FROM measurement WHERE subject = $1 AND span_ms = $2 AND at >= $3 ORDER BY at DESC LIMIT 1",
        subject,
        MOMENT_MS,
        since
    )?;
    Ok(found.map(|found| found.figures.0))
}

/// The environments on a runner's engine in which something is live and that captain.yml still names.
pub(crate) async fn lived(conn: &mut Conn<'_>, runner: &str) -> Result<Vec<Lived>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT e.id, r.content, s.replicas
         FROM environment e
         JOIN release r ON r.environment_id = e.id AND r.state = 'live'
         LEFT JOIN standing s ON s.environment_id = e.id AND s.release_id = r.id AND s.runner_id = e.runner_id
         WHERE e.runner_id = $1 AND e.removed_at IS NULL ORDER BY e.id",
        runner
    )?)
}

/// The sum that is kept of the span that began at `at`.
pub(crate) async fn sum<F>(conn: &mut Conn<'_>, subject: &str, span_ms: i64, at: i64) -> Result<Option<F>, StoreError>
where
    F: DeserializeOwned + Send + Unpin + 'static,
{
    let found: Option<Measured<F>> = row!(
        conn,
        "SELECT at, figures FROM measurement WHERE subject = $1 AND span_ms = $2 AND at = $3",
        subject,
        span_ms,
        at
    )?;
    Ok(found.map(|found| found.figures.0))
}

/// Keeps what was measured at a moment; false where something is kept of it already.
pub(crate) async fn insert<F>(
    tx: &mut Tx,
    subject: &str,
    span_ms: i64,
    at: i64,
    figures: &F,
) -> Result<bool, StoreError>
where
    F: Serialize + Sync,
{
    Ok(execute!(
        &mut tx.conn(),
        "INSERT INTO measurement (subject, span_ms, at, figures) VALUES ($1, $2, $3, $4)
         ON CONFLICT (subject, span_ms, at) DO NOTHING",
        subject,
        span_ms,
        at,
        JsonText(figures)
    )? == 1)
}

/// Writes a sum as it is now.
pub(crate) async fn put<F>(tx: &mut Tx, subject: &str, span_ms: i64, at: i64, figures: &F) -> Result<(), StoreError>
where
    F: Serialize + Sync,
{
    execute!(
        &mut tx.conn(),
        "INSERT INTO measurement (subject, span_ms, at, figures) VALUES ($1, $2, $3, $4)
         ON CONFLICT (subject, span_ms, at) DO UPDATE SET figures = excluded.figures",
        subject,
        span_ms,
        at,
        JsonText(figures)
    )?;
    Ok(())
}

/// What is kept of spans of this length that began before `before`.
pub(crate) async fn old(conn: &mut Conn<'_>, span_ms: i64, before: i64) -> Result<Amount, StoreError> {
    let found: Option<Amount> = row!(
        conn,
        "SELECT COUNT(*) AS count, CAST(COALESCE(SUM(LENGTH(figures)), 0) AS BIGINT) AS bytes
         FROM measurement WHERE span_ms = $1 AND at < $2",
        span_ms,
        before
    )?;
    Ok(found.unwrap_or_default())
}

/// Removes about `limit` of them from the old end.
pub(crate) async fn remove(tx: &mut Tx, span_ms: i64, before: i64, limit: i64) -> Result<u64, StoreError> {
    let found: Vec<(i64,)> = rows!(
        &mut tx.conn(),
        "SELECT at FROM measurement WHERE span_ms = $1 AND at < $2 ORDER BY at LIMIT $3",
        span_ms,
        before,
        limit
    )?;
    let Some(&(last,)) = found.last() else { return Ok(0) };
    Ok(execute!(&mut tx.conn(), "DELETE FROM measurement WHERE span_ms = $1 AND at <= $2", span_ms, last)?)
}
