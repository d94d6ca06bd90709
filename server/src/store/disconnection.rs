//! What stands against letting a repository go, and letting it go with all that hangs on it, in portions.

use super::{Conn, StoreError, Tx, execute, row, rows};
use crate::ids::{JobId, ReleaseId, RepositoryId};

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

/// Takes a repository out of sight: from then on only its id leads to it. Its secrets and schedules are gone, its alerts end
/// unsaid, and no runner is told to look after what is live of it.
pub(crate) async fn let_go(tx: &mut Tx, repository: &RepositoryId) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "UPDATE repository SET let_go_at = COALESCE(let_go_at, $2) WHERE id = $1",
        repository,
        now
    )?;
    execute!(&mut tx.conn(), "DELETE FROM secret WHERE repository_id = $1", repository)?;
    execute!(&mut tx.conn(), "DELETE FROM schedule WHERE repository_id = $1", repository)?;
    execute!(&mut tx.conn(), "DELETE FROM alert WHERE repository_id = $1 AND closed_at IS NULL", repository)?;
    execute!(
        &mut tx.conn(),
        "UPDATE environment SET removed_at = COALESCE(removed_at, $2), runner_id = NULL WHERE repository_id = $1",
        repository,
        now
    )?;
    Ok(())
}

/// The repositories that were let go and of which something is left, each with when that was (unix milliseconds).
pub(crate) async fn departed(conn: &mut Conn<'_>) -> Result<Vec<(RepositoryId, i64)>, StoreError> {
    Ok(rows!(conn, "SELECT id, let_go_at FROM repository WHERE let_go_at IS NOT NULL ORDER BY let_go_at")?)
}

/// Jobs of a repository that wait or run, at most `limit`.
pub(crate) async fn open_jobs(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    limit: i64,
) -> Result<Vec<JobId>, StoreError> {
    let found: Vec<(JobId,)> = rows!(
        conn,
        // One for each index: together they would be looked for among all jobs that the repository ever had.
        "SELECT id FROM (SELECT id FROM job WHERE repository_id = $1 AND state = 'queued'
                         UNION ALL SELECT id FROM job WHERE repository_id = $1 AND state = 'leased'
                         UNION ALL SELECT id FROM job WHERE repository_id = $1 AND state = 'held') AS open
         LIMIT $2",
        repository,
        limit
    )?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Releases of a repository that are held, at most `limit`.
pub(crate) async fn held_releases(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    limit: i64,
) -> Result<Vec<ReleaseId>, StoreError> {
    let found: Vec<(ReleaseId,)> = rows!(
        conn,
        "SELECT r.id FROM environment e JOIN release r ON r.environment_id = e.id AND r.state = 'held'
         WHERE e.repository_id = $1 LIMIT $2",
        repository,
        limit
    )?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Whether a forge is yet to be told something of a repository.
pub(crate) async fn is_to_be_told(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<bool, StoreError> {
    let found: Option<(i64,)> =
        row!(conn, "SELECT 1 FROM forge_report WHERE state = 'waiting' AND repository_id = $1 LIMIT 1", repository)?;
    Ok(found.is_some())
}

/// Jobs of a repository, at most `limit`.
pub(crate) async fn jobs(conn: &mut Conn<'_>, repository: &RepositoryId, limit: i64) -> Result<Vec<JobId>, StoreError> {
    let found: Vec<(JobId,)> =
        rows!(conn, "SELECT id FROM job WHERE repository_id = $1 ORDER BY turn LIMIT $2", repository, limit)?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Removes a job with its steps, whose logs are gone.
pub(crate) async fn remove_job(tx: &mut Tx, job: &JobId) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM job WHERE id = $1", job)?;
    Ok(())
}

/// What a repository has many of, in the order in which it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    Releases,
    Builds,
    Deliveries,
    PullRequests,
}

impl Rest {
    pub(crate) const ALL: &[Rest] = &[Rest::Releases, Rest::Builds, Rest::Deliveries, Rest::PullRequests];
}

/// Removes some of them, and tells how many.
pub(crate) async fn remove_some(
    tx: &mut Tx,
    repository: &RepositoryId,
    rest: Rest,
    limit: i64,
) -> Result<u64, StoreError> {
    let conn = &mut tx.conn();
    Ok(match rest {
        // The newest first: they are made of each other.
        Rest::Releases => execute!(
            conn,
            "DELETE FROM release WHERE id IN (SELECT r.id FROM environment e JOIN release r ON r.environment_id = e.id
                                              WHERE e.repository_id = $1 ORDER BY r.id DESC LIMIT $2)",
            repository,
            limit
        )?,
        Rest::Builds => execute!(
            conn,
            "DELETE FROM build WHERE id IN (SELECT id FROM build WHERE repository_id = $1 ORDER BY number LIMIT $2)",
            repository,
            limit
        )?,
        Rest::Deliveries => execute!(
            conn,
            "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE repository_id = $1 ORDER BY id DESC LIMIT $2)",
            repository,
            limit
        )?,
        Rest::PullRequests => execute!(
            conn,
            "DELETE FROM pull_request WHERE repository_id = $1
               AND number IN (SELECT number FROM pull_request WHERE repository_id = $1 ORDER BY number LIMIT $2)",
            repository,
            limit
        )?,
    })
}

/// Removes a repository that nothing of size hangs on any more.
pub(crate) async fn remove(tx: &mut Tx, repository: &RepositoryId) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM repository WHERE id = $1", repository)?;
    Ok(())
}
