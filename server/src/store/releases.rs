//! Releases.

use std::collections::HashMap;

use slipway_pipelines::config::Strategy;
use slipway_runner::coordinator::{ReleaseContent, ReleasedApp};
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, row, rows};
use crate::{
    ids::{BuildId, EnvironmentId, ReleaseId},
    releases::{ReleaseKind, ReleaseState},
};

/// A release.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Release {
    /// Its id.
    pub id: ReleaseId,
    /// The environment that it belongs to.
    pub environment_id: EnvironmentId,
    /// Its number within the environment, from 1.
    pub number: i64,
    /// What made it.
    pub kind: ReleaseKind,
    /// The build whose artifacts it holds.
    pub build_id: BuildId,
    /// That build's number.
    pub build_number: i64,
    /// That build's commit.
    pub commit_sha: String,
    /// The release that was promoted, or returned to.
    pub source_release_id: Option<ReleaseId>,
    /// Who asked for it.
    pub actor: String,
    /// Where it stands.
    pub state: ReleaseState,
    /// Why it failed, or waits again.
    pub reason: Option<String>,
    /// Its apps by digest, with how each runs; never changed.
    pub content: JsonText<Vec<ReleasedApp>>,
    /// How it takes the place of the one before.
    pub strategy: JsonText<Strategy>,
    /// When it was queued, in unix milliseconds.
    pub created_at: i64,
    /// When its rollout first began.
    pub started_at: Option<i64>,
    /// When its rollout ended; of one that is or was live, since when it was.
    pub finished_at: Option<i64>,
    /// When another took its place.
    pub retired_at: Option<i64>,
}

/// A release that is or was live, without what it held.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Passage {
    /// Its id.
    pub(crate) id: ReleaseId,
    /// Its number within the environment.
    pub(crate) number: i64,
    /// What made it.
    pub(crate) kind: ReleaseKind,
    /// The release that was promoted, or returned to.
    pub(crate) source_release_id: Option<ReleaseId>,
}

impl Release {
    /// What a runner needs of it.
    #[must_use]
    pub fn content(&self) -> ReleaseContent {
        ReleaseContent { release: self.id.to_string(), number: self.number, apps: self.content.0.clone() }
    }
}

/// The release with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, id: &ReleaseId) -> Result<Option<Release>, StoreError> {
    Ok(row!(
        conn,
        "SELECT r.id, r.environment_id, r.number, r.kind, r.build_id, b.number AS build_number, b.commit_sha,
                r.source_release_id, r.actor, r.state, r.reason, r.content, r.strategy, r.created_at, r.started_at,
                r.finished_at, r.retired_at
         FROM release r JOIN build b ON b.id = r.build_id WHERE r.id = $1",
        id
    )?)
}

/// The release of an environment with this number.
///
/// # Errors
/// When the database fails.
pub async fn by_number(
    conn: &mut Conn<'_>,
    environment: &EnvironmentId,
    number: i64,
) -> Result<Option<Release>, StoreError> {
    Ok(row!(
        conn,
        "SELECT r.id, r.environment_id, r.number, r.kind, r.build_id, b.number AS build_number, b.commit_sha,
                r.source_release_id, r.actor, r.state, r.reason, r.content, r.strategy, r.created_at, r.started_at,
                r.finished_at, r.retired_at
         FROM release r JOIN build b ON b.id = r.build_id WHERE r.environment_id = $1 AND r.number = $2",
        environment,
        number
    )?)
}

/// What an environment runs now.
///
/// # Errors
/// When the database fails.
pub async fn live(conn: &mut Conn<'_>, environment: &EnvironmentId) -> Result<Option<Release>, StoreError> {
    Ok(row!(
        conn,
        "SELECT r.id, r.environment_id, r.number, r.kind, r.build_id, b.number AS build_number, b.commit_sha,
                r.source_release_id, r.actor, r.state, r.reason, r.content, r.strategy, r.created_at, r.started_at,
                r.finished_at, r.retired_at
         FROM release r JOIN build b ON b.id = r.build_id WHERE r.environment_id = $1 AND r.state = 'live'",
        environment
    )?)
}

/// Releases of an environment below number `before`, newest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn list(
    conn: &mut Conn<'_>,
    environment: &EnvironmentId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Release>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT r.id, r.environment_id, r.number, r.kind, r.build_id, b.number AS build_number, b.commit_sha,
                r.source_release_id, r.actor, r.state, r.reason, r.content, r.strategy, r.created_at, r.started_at,
                r.finished_at, r.retired_at
         FROM release r JOIN build b ON b.id = r.build_id WHERE r.environment_id = $1 AND r.number < $2
         ORDER BY r.number DESC LIMIT $3",
        environment,
        before.unwrap_or(i64::MAX),
        limit
    )?)
}

/// The releases that hold a build's artifacts, newest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn of_build(conn: &mut Conn<'_>, build: &BuildId, limit: i64) -> Result<Vec<Release>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT r.id, r.environment_id, r.number, r.kind, r.build_id, b.number AS build_number, b.commit_sha,
                r.source_release_id, r.actor, r.state, r.reason, r.content, r.strategy, r.created_at, r.started_at,
                r.finished_at, r.retired_at
         FROM release r JOIN build b ON b.id = r.build_id WHERE r.build_id = $1 ORDER BY r.id DESC LIMIT $2",
        build,
        limit
    )?)
}

/// Of the releases that hold a build's artifacts and were live once, which release took their place.
pub(crate) async fn successors(
    conn: &mut Conn<'_>,
    build: &BuildId,
    limit: i64,
) -> Result<HashMap<ReleaseId, i64>, StoreError> {
    let found: Vec<(ReleaseId, Option<i64>)> = rows!(
        conn,
        "SELECT r.id, (SELECT n.number FROM release n
             WHERE n.environment_id = r.environment_id AND n.number > r.number AND n.state IN ('live', 'retired')
             ORDER BY n.number LIMIT 1) AS successor
         FROM release r WHERE r.build_id = $1 AND r.state = 'retired' ORDER BY r.id DESC LIMIT $2",
        build,
        limit
    )?;
    Ok(found.into_iter().filter_map(|(id, successor)| Some((id, successor?))).collect())
}

/// The release that holds this dedup key.
pub(crate) async fn by_dedup_key(conn: &mut Conn<'_>, key: &str) -> Result<Option<Release>, StoreError> {
    Ok(row!(
        conn,
        "SELECT r.id, r.environment_id, r.number, r.kind, r.build_id, b.number AS build_number, b.commit_sha,
                r.source_release_id, r.actor, r.state, r.reason, r.content, r.strategy, r.created_at, r.started_at,
                r.finished_at, r.retired_at
         FROM release r JOIN build b ON b.id = r.build_id WHERE r.dedup_key = $1",
        key
    )?)
}

/// Releases of an environment that are held, wait for their rollout or are in it, oldest first.
pub(crate) async fn unsettled(conn: &mut Conn<'_>, environment: &EnvironmentId) -> Result<Vec<Release>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT r.id, r.environment_id, r.number, r.kind, r.build_id, b.number AS build_number, b.commit_sha,
                r.source_release_id, r.actor, r.state, r.reason, r.content, r.strategy, r.created_at, r.started_at,
                r.finished_at, r.retired_at
         FROM release r JOIN build b ON b.id = r.build_id
         WHERE r.environment_id = $1 AND r.state IN ('held', 'queued', 'rolling') ORDER BY r.number",
        environment
    )?)
}

/// The newest releases of an environment that are or were live, newest first, at most `limit`.
pub(crate) async fn passages(
    conn: &mut Conn<'_>,
    environment: &EnvironmentId,
    limit: i64,
) -> Result<Vec<Passage>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, number, kind, source_release_id FROM release
         WHERE environment_id = $1 AND state IN ('live', 'retired') ORDER BY number DESC LIMIT $2",
        environment,
        limit
    )?)
}

/// When a release went live or failed, and when it was retired.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Moment {
    /// The release's number.
    pub number: i64,
    /// Where it stands.
    pub state: ReleaseState,
    /// When its rollout ended, in unix milliseconds.
    pub finished_at: Option<i64>,
    /// When something else took its place.
    pub retired_at: Option<i64>,
}

/// The newest releases of an environment with their times alone, newest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn lately(conn: &mut Conn<'_>, environment: &EnvironmentId, limit: i64) -> Result<Vec<Moment>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT number, state, finished_at, retired_at FROM release WHERE environment_id = $1
         ORDER BY number DESC LIMIT $2",
        environment,
        limit
    )?)
}

/// What was live in the environment when the release took its place.
pub(crate) async fn replaced_by(conn: &mut Conn<'_>, release: &Release) -> Result<Option<Release>, StoreError> {
    Ok(row!(
        conn,
        "SELECT r.id, r.environment_id, r.number, r.kind, r.build_id, b.number AS build_number, b.commit_sha,
                r.source_release_id, r.actor, r.state, r.reason, r.content, r.strategy, r.created_at, r.started_at,
                r.finished_at, r.retired_at
         FROM release r JOIN build b ON b.id = r.build_id
         WHERE r.environment_id = $1 AND r.number < $2 AND r.state = 'retired' ORDER BY r.number DESC LIMIT 1",
        &release.environment_id,
        release.number
    )?)
}

/// The restores of a release that went live, oldest first.
pub(crate) async fn restores_of(conn: &mut Conn<'_>, id: &ReleaseId) -> Result<Vec<Release>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT r.id, r.environment_id, r.number, r.kind, r.build_id, b.number AS build_number, b.commit_sha,
                r.source_release_id, r.actor, r.state, r.reason, r.content, r.strategy, r.created_at, r.started_at,
                r.finished_at, r.retired_at
         FROM release r JOIN build b ON b.id = r.build_id
         WHERE r.source_release_id = $1 AND r.kind = 'restore' AND r.state IN ('live', 'retired') ORDER BY r.number",
        id
    )?)
}

/// The next environment by its id, of whichever repository.
pub(crate) async fn environment_behind(
    conn: &mut Conn<'_>,
    after: Option<&EnvironmentId>,
) -> Result<Option<EnvironmentId>, StoreError> {
    let found: Option<(EnvironmentId,)> = row!(
        conn,
        "SELECT id FROM environment WHERE id > $1 ORDER BY id LIMIT 1",
        after.map_or("", EnvironmentId::as_str)
    )?;
    Ok(found.map(|(id,)| id))
}

/// What the releases of an environment hold that are live, wait or roll out, and the newest `offered` others that it can be
/// rolled back to, with all that are no older: a way out holds what it made live again, which may be older than any of those.
pub(crate) async fn held(
    conn: &mut Conn<'_>,
    environment: &EnvironmentId,
    offered: i64,
) -> Result<Vec<JsonText<Vec<ReleasedApp>>>, StoreError> {
    let found: Vec<(JsonText<Vec<ReleasedApp>>,)> = rows!(
        conn,
        "SELECT content FROM release WHERE environment_id = $1 AND state IN ('live', 'held', 'queued', 'rolling')
         UNION ALL
         SELECT content FROM release WHERE environment_id = $1 AND state = 'retired' AND number >= COALESCE(
             (SELECT number FROM release
              WHERE environment_id = $1 AND state = 'retired' AND kind NOT IN ('rollback', 'restore')
              ORDER BY number DESC LIMIT 1 OFFSET $2), 0)",
        environment,
        (offered - 1).max(0)
    )?;
    Ok(found.into_iter().map(|(content,)| content).collect())
}

pub(crate) async fn insert(tx: &mut Tx, release: &Release, dedup_key: &str) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO release (id, environment_id, number, dedup_key, kind, build_id, source_release_id, actor, state,
                              reason, content, strategy, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        &release.id,
        &release.environment_id,
        release.number,
        dedup_key,
        release.kind,
        &release.build_id,
        release.source_release_id.as_ref(),
        &release.actor,
        release.state,
        release.reason.as_deref(),
        JsonText(&release.content.0),
        JsonText(&release.strategy.0),
        release.created_at
    )?;
    Ok(())
}

/// Compare and set; the state machine of `crate::releases` is the only caller.
pub(crate) async fn set_state(
    tx: &mut Tx,
    release: &Release,
    to: ReleaseState,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let now = tx.now();
    let started = (to == ReleaseState::Rolling).then_some(now);
    // A rollout ends when the release goes live or fails; being retired later is no part of it.
    let finished = to.is_settled().then_some(now);
    let retired = (to == ReleaseState::Retired).then_some(now);
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE release SET state = $3, reason = $4, started_at = COALESCE(started_at, $5),
                finished_at = COALESCE(finished_at, $6), retired_at = COALESCE(retired_at, $7)
         WHERE id = $1 AND state = $2",
        &release.id,
        release.state,
        to,
        reason,
        started,
        finished,
        retired
    )?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict { what: "release", which: release.id.to_string() }) }
}

/// Writes anew what a held release waits for; false when it is held no more.
pub(crate) async fn set_held_reason(tx: &mut Tx, id: &ReleaseId, reason: &str) -> Result<bool, StoreError> {
    let changed =
        execute!(&mut tx.conn(), "UPDATE release SET reason = $2 WHERE id = $1 AND state = 'held'", id, reason)?;
    Ok(changed == 1)
}

/// The releases that are held, of whichever environment, oldest first.
pub(crate) async fn held_anywhere(conn: &mut Conn<'_>) -> Result<Vec<ReleaseId>, StoreError> {
    let found: Vec<(ReleaseId,)> = rows!(conn, "SELECT id FROM release WHERE state = 'held' ORDER BY id")?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// The release that an environment holds back, if it does: the newest one.
///
/// # Errors
/// When the database fails.
pub async fn held_in(conn: &mut Conn<'_>, environment: &EnvironmentId) -> Result<Option<Release>, StoreError> {
    let unsettled = unsettled(conn, environment).await?;
    Ok(unsettled.into_iter().rfind(|release| release.state == ReleaseState::Held))
}

/// The release that is being rolled out to an environment; where none is, the one that waits for that.
///
/// # Errors
/// When the database fails.
pub async fn rolling_in(conn: &mut Conn<'_>, environment: &EnvironmentId) -> Result<Option<Release>, StoreError> {
    let (rolling, others): (Vec<_>, Vec<_>) =
        unsettled(conn, environment).await?.into_iter().partition(|release| release.state == ReleaseState::Rolling);
    let queued = others.into_iter().rfind(|release| release.state == ReleaseState::Queued);
    Ok(rolling.into_iter().next().or(queued))
}

/// Whether this very release was promoted to the environment, whatever became of it there.
pub(crate) async fn was_promoted(
    conn: &mut Conn<'_>,
    environment: &EnvironmentId,
    source: &ReleaseId,
) -> Result<bool, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT number FROM release WHERE source_release_id = $2 AND environment_id = $1 LIMIT 1",
        environment,
        source
    )?;
    Ok(found.is_some())
}

/// Fails a release that waits, in whatever state the rest of it is; only for one that cannot be read.
pub(crate) async fn condemn(tx: &mut Tx, id: &ReleaseId, reason: &str) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "UPDATE release SET state = 'failed', reason = $2, finished_at = $3
         WHERE id = $1 AND state NOT IN ('live', 'retired')",
        id,
        reason,
        now
    )?;
    Ok(())
}

/// The release's number and the name of its environment, without what it holds.
pub(crate) async fn named(conn: &mut Conn<'_>, id: &ReleaseId) -> Result<Option<(i64, String)>, StoreError> {
    Ok(row!(
        conn,
        "SELECT r.number, e.name FROM release r JOIN environment e ON e.id = r.environment_id WHERE r.id = $1",
        id
    )?)
}
