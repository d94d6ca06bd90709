//! What stands against letting a repository go, and letting it go with all that hangs on it.

use super::{Conn, StoreError, Tx, execute, row, rows};
use crate::ids::{RepositoryId, StepId};

/// How many jobs of a repository wait or run.
///
/// # Errors
/// When the database fails.
pub async fn under_way(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT (SELECT COUNT(*) FROM job WHERE repository_id = $1 AND state = 'queued')
              + (SELECT COUNT(*) FROM job WHERE repository_id = $1 AND state = 'leased')",
        repository
    )?;
    Ok(found.map_or(0, |(count,)| count))
}

/// How many releases of a repository are held.
///
/// # Errors
/// When the database fails.
pub async fn held(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT COUNT(*) FROM environment e JOIN release r ON r.environment_id = e.id AND r.state = 'held'
         WHERE e.repository_id = $1",
        repository
    )?;
    Ok(found.map_or(0, |(count,)| count))
}

/// How many alerts of a repository are open.
///
/// # Errors
/// When the database fails.
pub async fn open_alerts(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<i64, StoreError> {
    let found: Option<(i64,)> =
        row!(conn, "SELECT COUNT(*) FROM alert WHERE closed_at IS NULL AND repository_id = $1", repository)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// The environments of a repository in which something is live, by name.
///
/// # Errors
/// When the database fails.
pub async fn live_in(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<Vec<String>, StoreError> {
    let found: Vec<(String,)> = rows!(
        conn,
        "SELECT e.name FROM environment e JOIN release r ON r.environment_id = e.id AND r.state = 'live'
         WHERE e.repository_id = $1 ORDER BY e.name",
        repository
    )?;
    Ok(found.into_iter().map(|(name,)| name).collect())
}

/// The steps of a repository whose logs may be in the archive.
pub(crate) async fn archived_steps(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<Vec<StepId>, StoreError> {
    let found: Vec<(StepId,)> = rows!(
        conn,
        "SELECT s.id FROM job j JOIN step s ON s.job_id = j.id
         WHERE j.repository_id = $1 AND s.log_state IN ('leaving', 'archived')",
        repository
    )?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Removes a repository with its builds, environments, releases, secrets, schedules and deliveries. A runner that works on
/// one of its jobs finds that out as it would find any job that is its no more.
///
/// # Errors
/// When the database fails.
pub async fn remove(tx: &mut Tx, repository: &RepositoryId) -> Result<(), StoreError> {
    // Releases go first: they are made of builds, and of each other.
    execute!(
        &mut tx.conn(),
        "DELETE FROM release WHERE environment_id IN (SELECT id FROM environment WHERE repository_id = $1)",
        repository
    )?;
    execute!(&mut tx.conn(), "DELETE FROM build WHERE repository_id = $1", repository)?;
    execute!(&mut tx.conn(), "DELETE FROM repository WHERE id = $1", repository)?;
    Ok(())
}
