//! Schedules, and the times at which they were kept.

use slipway_pipelines::config;
use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, row, rows};
use crate::ids::{BuildId, RepositoryId, ScheduleId};

/// Builds of a branch at set times.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// The repository that it belongs to.
    pub repository_id: RepositoryId,
    /// Its name in captain.yml.
    pub name: String,
    /// Its place in captain.yml.
    pub position: i64,
    /// When, as cron has it.
    pub cron: String,
    /// The time zone that `cron` is read in.
    pub timezone: String,
    /// The branch that is built.
    pub branch: String,
    /// When it is due, in unix milliseconds; none when it never comes again, or is paused.
    pub next_at: Option<i64>,
    /// Since when it is paused.
    pub paused_at: Option<i64>,
}

/// One time at which a schedule was kept.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Fire {
    /// When it was due.
    pub slot: i64,
    /// When its build was queued.
    pub fired_at: i64,
    /// How many times before it passed unkept.
    pub missed: i64,
    /// The build's number, as long as the build is kept.
    pub build: Option<i64>,
}

/// The schedules of a repository, in the order of captain.yml.
///
/// # Errors
/// When the database fails.
pub async fn of_repository(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<Vec<Schedule>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, repository_id, name, position, cron, timezone, branch, next_at, paused_at
         FROM schedule WHERE repository_id = $1 ORDER BY position, name",
        repository
    )?)
}

/// The schedules of all repositories, those that come next first, and then those that do not come; at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn all(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<Schedule>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, repository_id, name, position, cron, timezone, branch, next_at, paused_at
         FROM schedule ORDER BY next_at IS NULL, next_at, id LIMIT $1",
        limit
    )?)
}

/// The schedule of this name.
///
/// # Errors
/// When the database fails.
pub async fn by_name(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    name: &str,
) -> Result<Option<Schedule>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, repository_id, name, position, cron, timezone, branch, next_at, paused_at
         FROM schedule WHERE repository_id = $1 AND name = $2",
        repository,
        name
    )?)
}

/// The newest time at which a schedule was kept.
///
/// # Errors
/// When the database fails.
pub async fn last_fire(conn: &mut Conn<'_>, id: &ScheduleId) -> Result<Option<Fire>, StoreError> {
    Ok(row!(
        conn,
        "SELECT f.slot, f.fired_at, f.missed, b.number AS build
         FROM schedule_fire f LEFT JOIN build b ON b.id = f.build_id
         WHERE f.schedule_id = $1 ORDER BY f.slot DESC LIMIT 1",
        id
    )?)
}

/// The schedules that are due, those that wait longest first.
pub(crate) async fn due(conn: &mut Conn<'_>, now: i64) -> Result<Vec<Schedule>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, repository_id, name, position, cron, timezone, branch, next_at, paused_at
         FROM schedule WHERE next_at IS NOT NULL AND next_at <= $1 ORDER BY next_at LIMIT 1000",
        now
    )?)
}

/// The schedules that are not due yet.
pub(crate) async fn waiting(conn: &mut Conn<'_>, now: i64) -> Result<Vec<Schedule>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, repository_id, name, position, cron, timezone, branch, next_at, paused_at
         FROM schedule WHERE next_at > $1 ORDER BY next_at LIMIT 10000",
        now
    )?)
}

/// When the next schedule is due.
pub(crate) async fn next_due(conn: &mut Conn<'_>) -> Result<Option<i64>, StoreError> {
    let found: Option<(i64,)> =
        row!(conn, "SELECT next_at FROM schedule WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1")?;
    Ok(found.map(|(next_at,)| next_at))
}

/// Adds a schedule, or changes the one of its name; a paused one stays so.
pub(crate) async fn upsert(
    tx: &mut Tx,
    repository: &RepositoryId,
    position: i64,
    schedule: &config::Schedule,
    branch: &str,
    next_at: Option<i64>,
) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO schedule (id, repository_id, name, position, cron, timezone, branch, next_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (repository_id, name) DO UPDATE
         SET position = excluded.position, cron = excluded.cron, timezone = excluded.timezone,
             branch = excluded.branch,
             next_at = CASE WHEN schedule.paused_at IS NULL THEN excluded.next_at ELSE NULL END",
        ScheduleId::new(),
        repository,
        &schedule.name,
        position,
        &schedule.cron,
        &schedule.timezone,
        branch,
        next_at,
        now
    )?;
    Ok(())
}

pub(crate) async fn remove(tx: &mut Tx, id: &ScheduleId) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM schedule WHERE id = $1", id)?;
    Ok(())
}

/// Moves a schedule on from the time that it was due at; false when someone was faster.
pub(crate) async fn move_on(tx: &mut Tx, due: &Schedule, next_at: Option<i64>) -> Result<bool, StoreError> {
    let moved = execute!(
        &mut tx.conn(),
        "UPDATE schedule SET next_at = $3 WHERE id = $1 AND next_at = $2",
        &due.id,
        due.next_at,
        next_at
    )?;
    Ok(moved == 1)
}

/// Whether a time was kept before.
pub(crate) async fn was_kept(conn: &mut Conn<'_>, id: &ScheduleId, slot: i64) -> Result<bool, StoreError> {
    let found: Option<(i64,)> =
        row!(conn, "SELECT slot FROM schedule_fire WHERE schedule_id = $1 AND slot = $2", id, slot)?;
    Ok(found.is_some())
}

/// Notes that a time was kept.
pub(crate) async fn note_fire(
    tx: &mut Tx,
    id: &ScheduleId,
    slot: i64,
    missed: i64,
    build: &BuildId,
) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO schedule_fire (schedule_id, slot, fired_at, missed, build_id) VALUES ($1, $2, $3, $4, $5)",
        id,
        slot,
        now,
        missed,
        build
    )?;
    Ok(())
}

/// Forgets the oldest times that were kept, all but the newest `kept`.
pub(crate) async fn forget_fires(tx: &mut Tx, id: &ScheduleId, kept: i64) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "DELETE FROM schedule_fire WHERE schedule_id = $1 AND slot <= (
             SELECT slot FROM schedule_fire WHERE schedule_id = $1 ORDER BY slot DESC LIMIT 1 OFFSET $2)",
        id,
        kept
    )?;
    Ok(())
}

/// Pauses a schedule, or lets it go on from `next_at`.
pub(crate) async fn set_paused(
    tx: &mut Tx,
    id: &ScheduleId,
    paused_at: Option<i64>,
    next_at: Option<i64>,
) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE schedule SET paused_at = $2, next_at = $3 WHERE id = $1", id, paused_at, next_at)?;
    Ok(())
}
