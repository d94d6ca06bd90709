//! Jobs: the rows of the queue. Who may change them is `crate::queue`'s business.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, row, rows};
use crate::{
    ids::{BuildId, JobId, ReleaseId, RepositoryId},
    queue::{JobKind, JobState},
};

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The build, where it builds.
    pub build_id: Option<BuildId>,
    /// The release, where it rolls out.
    pub release_id: Option<ReleaseId>,
    /// Where it stands.
    pub state: JobState,
    /// How often a runner took it.
    pub attempt: i64,
    /// Why there is more than one attempt.
    pub attempt_reason: Option<String>,
    /// How often its runner was lost since somebody last asked for it.
    pub losses: i64,
    /// The repository that it is of, whose turn it takes.
    pub repository_id: RepositoryId,
    /// Jobs that share it run one after the other.
    pub concurrency_key: Option<String>,
    /// The runner that holds it, or held it last.
    pub lease_owner: Option<String>,
    /// The life of that runner.
    pub lease_incarnation: Option<String>,
    /// The fencing token.
    pub lease_epoch: i64,
    /// When the lease ends without a heartbeat, in unix milliseconds.
    pub lease_until: Option<i64>,
    /// When someone asked to stop it.
    pub cancel_requested_at: Option<i64>,
    /// When it was queued, in unix milliseconds.
    pub created_at: i64,
    /// When it ended.
    pub finished_at: Option<i64>,
}

/// The job with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, id: &JobId) -> Result<Option<Job>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE id = $1",
        id
    )?)
}

/// The job of a build.
///
/// # Errors
/// When the database fails.
pub async fn of_build(conn: &mut Conn<'_>, build: &BuildId) -> Result<Option<Job>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE build_id = $1",
        build
    )?)
}

/// The job of a release.
///
/// # Errors
/// When the database fails.
pub async fn of_release(conn: &mut Conn<'_>, release: &ReleaseId) -> Result<Option<Job>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE release_id = $1",
        release
    )?)
}

/// The job that is leased under a concurrency key.
///
/// # Errors
/// When the database fails.
pub async fn leased_under(conn: &mut Conn<'_>, concurrency_key: &str) -> Result<Option<Job>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE concurrency_key = $1 AND state = 'leased'",
        concurrency_key
    )?)
}

/// Every leased job.
///
/// # Errors
/// When the database fails.
pub async fn leased(conn: &mut Conn<'_>) -> Result<Vec<Job>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE state = 'leased' ORDER BY lease_until"
    )?)
}

/// The jobs that wait, the most urgent first and of these the oldest, at most `limit`. In which order they are taken
/// depends on whose turn it will be.
///
/// # Errors
/// When the database fails.
pub async fn queued(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<Job>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE state = 'queued' ORDER BY priority DESC, not_before, id LIMIT $1",
        limit
    )?)
}

/// The builds that wait for an approval, the oldest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn held(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<Job>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE state = 'held' ORDER BY created_at LIMIT $1",
        limit
    )?)
}

/// The jobs of a repository that wait, those that may be taken first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn waiting_of(conn: &mut Conn<'_>, repository: &RepositoryId, limit: i64) -> Result<Vec<Job>, StoreError> {
    let mut waiting: Vec<Job> = rows!(
        conn,
        "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE state = 'queued' AND repository_id = $1 ORDER BY priority DESC, not_before, id LIMIT $2",
        repository,
        limit
    )?;
    let held: Vec<Job> = rows!(
        conn,
        "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE state = 'held' AND repository_id = $1 ORDER BY created_at LIMIT $2",
        repository,
        limit
    )?;
    waiting.extend(held);
    Ok(waiting)
}

/// How many jobs of a repository wait.
///
/// # Errors
/// When the database fails.
pub async fn waiting_count_of(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT (SELECT COUNT(*) FROM job WHERE state = 'queued' AND repository_id = $1)
              + (SELECT COUNT(*) FROM job WHERE state = 'held' AND repository_id = $1)",
        repository
    )?;
    Ok(found.map_or(0, |(count,)| count))
}

/// How many builds wait for an approval.
///
/// # Errors
/// When the database fails.
pub async fn held_count(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(conn, "SELECT COUNT(*) FROM job WHERE state = 'held'")?;
    Ok(found.map_or(0, |(count,)| count))
}

/// How many jobs wait.
///
/// # Errors
/// When the database fails.
pub async fn queued_count(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(conn, "SELECT COUNT(*) FROM job WHERE state = 'queued'")?;
    Ok(found.map_or(0, |(count,)| count))
}

/// The job, its row locked until the transaction ends. SQLite's transaction holds its one write lock anyway.
pub(crate) async fn lock(tx: &mut Tx, id: &JobId) -> Result<Option<Job>, StoreError> {
    Ok(row!(
        &mut tx.conn(),
        sqlite: "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE id = $1",
        postgres: "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE id = $1 FOR UPDATE",
        id
    )?)
}

/// As [`lock`], the job of a build.
pub(crate) async fn lock_of_build(tx: &mut Tx, build: &BuildId) -> Result<Option<Job>, StoreError> {
    Ok(row!(
        &mut tx.conn(),
        sqlite: "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE build_id = $1",
        postgres: "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE build_id = $1 FOR UPDATE",
        build
    )?)
}

/// A new job, for runners that speak at least this version of the protocol.
///
/// A job that may be taken at once has no `not_before` at all: one of now would lie in the future once the clock is set
/// back, or for another server whose clock is behind.
pub(crate) async fn insert(tx: &mut Tx, job: &Job, priority: i64, protocol: u32) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO job (id, kind, build_id, release_id, state, priority, not_before, concurrency_key, created_at,
                          repository_id, protocol)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $8, $7, $9, $10)",
        &job.id,
        job.kind,
        job.build_id.as_ref(),
        job.release_id.as_ref(),
        job.state,
        priority,
        job.created_at,
        job.concurrency_key.as_deref(),
        &job.repository_id,
        i64::from(protocol)
    )?;
    Ok(())
}

/// The oldest version of the protocol in which a runner can be told of the job.
pub(crate) async fn protocol(conn: &mut Conn<'_>, id: &JobId) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(conn, "SELECT protocol FROM job WHERE id = $1", id)?;
    Ok(found.map_or(0, |(protocol,)| protocol))
}

/// Compare and set of (state, epoch); the state machine of `crate::queue` is the only caller. A job that goes back to
/// the queue gets a new epoch, so that nothing its old runner still sends fits it.
pub(crate) async fn set_state(
    tx: &mut Tx,
    job: &Job,
    to: JobState,
    attempt_reason: Option<&str>,
) -> Result<(), StoreError> {
    let now = tx.now();
    let finished = to.is_final().then_some(now);
    let epoch = if to == JobState::Queued { job.lease_epoch + 1 } else { job.lease_epoch };
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE job SET state = $4, lease_epoch = $5, attempt_reason = COALESCE($6, attempt_reason), lease_until = NULL,
                hindrance = NULL, finished_at = $7
         WHERE id = $1 AND state = $2 AND lease_epoch = $3",
        &job.id,
        job.state,
        job.lease_epoch,
        to,
        epoch,
        attempt_reason,
        finished
    )?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict { what: "job", which: job.id.to_string() }) }
}

/// Notes what a leased job waits for, none when it goes on; false when that was known.
pub(crate) async fn hinder(tx: &mut Tx, id: &JobId, hindrance: Option<&str>) -> Result<bool, StoreError> {
    Ok(execute!(
        &mut tx.conn(),
        "UPDATE job SET hindrance = $2 WHERE id = $1 AND state = 'leased' AND hindrance IS DISTINCT FROM $2",
        id,
        hindrance
    )? == 1)
}

/// What a leased job waits for.
pub(crate) async fn hindrance(conn: &mut Conn<'_>, id: &JobId) -> Result<Option<String>, StoreError> {
    let found: Option<(Option<String>,)> =
        row!(conn, "SELECT hindrance FROM job WHERE id = $1 AND state = 'leased'", id)?;
    Ok(found.and_then(|(hindrance,)| hindrance))
}

/// Extends a lease; false when it is not this runner's any more.
pub(crate) async fn extend(
    tx: &mut Tx,
    id: &JobId,
    epoch: i64,
    runner: &str,
    incarnation: &str,
    until: i64,
) -> Result<bool, StoreError> {
    Ok(execute!(
        &mut tx.conn(),
        "UPDATE job SET lease_until = $5, lease_incarnation = $4
         WHERE id = $1 AND lease_epoch = $2 AND lease_owner = $3 AND state = 'leased'",
        id,
        epoch,
        runner,
        incarnation,
        until
    )? == 1)
}

/// Gives a job that waits again this priority, and forgets how often it lost its runner.
pub(crate) async fn renew(tx: &mut Tx, id: &JobId, priority: i64) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "UPDATE job SET priority = $2, losses = 0, cancel_requested_at = NULL WHERE id = $1 AND state = 'queued'",
        id,
        priority
    )?;
    Ok(())
}

/// Counts that the job's runner was lost; tells how often that is.
pub(crate) async fn count_loss(tx: &mut Tx, id: &JobId) -> Result<i64, StoreError> {
    let found: Option<(i64,)> =
        row!(&mut tx.conn(), "UPDATE job SET losses = losses + 1 WHERE id = $1 RETURNING losses", id)?;
    found.map(|(losses,)| losses).ok_or_else(|| StoreError::missing("job", id))
}

/// Asks the runner of a leased job to stop; false when it is not leased.
pub(crate) async fn request_cancel(tx: &mut Tx, id: &JobId) -> Result<bool, StoreError> {
    let now = tx.now();
    Ok(execute!(
        &mut tx.conn(),
        "UPDATE job SET cancel_requested_at = COALESCE(cancel_requested_at, $2) WHERE id = $1 AND state = 'leased'",
        id,
        now
    )? == 1)
}

/// Leased jobs whose lease ended before `now`, or ends later than any can that still holds (unix milliseconds).
pub(crate) async fn expired(conn: &mut Conn<'_>, now: i64, latest: i64) -> Result<Vec<JobId>, StoreError> {
    let found: Vec<(JobId,)> = rows!(
        conn,
        "SELECT id FROM job WHERE state = 'leased' AND (lease_until < $1 OR lease_until > $2) ORDER BY lease_until",
        now,
        latest
    )?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Leased jobs of which a step has begun, each with its attempt, and with its release where it rolls out.
pub(crate) async fn begun(conn: &mut Conn<'_>) -> Result<Vec<(JobId, i64, Option<ReleaseId>)>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT j.id, j.attempt, j.release_id FROM job j WHERE j.state = 'leased'
           AND EXISTS (SELECT 1 FROM step s
                       WHERE s.job_id = j.id AND s.attempt = j.attempt AND s.started_at IS NOT NULL)"
    )?)
}

/// Jobs that this runner holds, by id.
pub(crate) async fn held_by(conn: &mut Conn<'_>, runner: &str) -> Result<Vec<Job>, StoreError> {
    let mut held: Vec<Job> = rows!(
        conn,
        "SELECT id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                created_at, finished_at
         FROM job WHERE lease_owner = $1 AND state = 'leased' ORDER BY lease_until",
        runner
    )?;
    held.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(held)
}

/// How many jobs of the same repository and kind will be taken before this one.
///
/// # Errors
/// When the database fails.
pub async fn ahead_of(conn: &mut Conn<'_>, job: &JobId) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT COUNT(*) FROM job q JOIN job me ON me.id = $1
         WHERE q.state = 'queued' AND q.repository_id = me.repository_id AND q.kind = me.kind AND q.id <> me.id
           AND (q.priority > me.priority
                OR (q.priority = me.priority AND (q.not_before < me.not_before
                    OR (q.not_before = me.not_before AND q.id < me.id))))",
        job
    )?;
    Ok(found.map_or(0, |(count,)| count))
}

/// How many other repositories have jobs that wait.
///
/// # Errors
/// When the database fails.
pub async fn others_waiting(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT COUNT(DISTINCT repository_id) FROM job WHERE state = 'queued' AND repository_id <> $1",
        repository
    )?;
    Ok(found.map_or(0, |(count,)| count))
}

/// Removes the job of a release that did not begin.
pub(crate) async fn remove(tx: &mut Tx, id: &JobId) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM job WHERE id = $1", id)?;
    Ok(())
}
