//! What is old, and its removal in small portions: SQLite has one connection that writes, and webhooks wait for it.

use std::collections::BTreeSet;

use serde::Deserialize;
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, row, rows};
use crate::{
    builds::BuildState,
    ids::{BuildId, EnvironmentId, JobId, ReleaseId, RepositoryId, StepId},
    releases::{ReleaseKind, ReleaseState},
    retention::{BuildFacts, ReleaseFacts},
};

/// How many releases are read at once: each brings its content along.
const RELEASES_AT_ONCE: i64 = 200;

#[derive(FromRow)]
struct ReleaseRow {
    id: ReleaseId,
    environment_id: EnvironmentId,
    number: i64,
    kind: ReleaseKind,
    state: ReleaseState,
    source_release_id: Option<ReleaseId>,
    build_id: BuildId,
    build_number: i64,
    content: JsonText<Vec<HeldApp>>,
    created_at: i64,
}

/// The part of a released app that says whose it is.
#[derive(Deserialize)]
struct HeldApp {
    #[serde(default)]
    build: Option<i64>,
}

impl From<ReleaseRow> for ReleaseFacts {
    fn from(row: ReleaseRow) -> Self {
        ReleaseFacts {
            holds: row.content.0.iter().map(|app| app.build.unwrap_or(row.build_number)).collect::<BTreeSet<_>>(),
            id: row.id,
            environment: row.environment_id,
            number: row.number,
            kind: row.kind,
            state: row.state,
            source: row.source_release_id,
            build: row.build_id,
            created_at: row.created_at,
        }
    }
}

/// Every release of a repository.
pub(crate) async fn releases(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<Vec<ReleaseFacts>, StoreError> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page: Vec<ReleaseRow> = rows!(
            conn,
            "SELECT r.id, r.environment_id, r.number, r.kind, r.state, r.source_release_id, r.build_id,
                    b.number AS build_number, r.content, r.created_at
             FROM environment e JOIN release r ON r.environment_id = e.id JOIN build b ON b.id = r.build_id
             WHERE e.repository_id = $1 AND r.id > $2 ORDER BY r.id LIMIT $3",
            repository,
            &after,
            RELEASES_AT_ONCE
        )?;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.id.to_string();
        all.extend(page.into_iter().map(ReleaseFacts::from));
    }
}

#[derive(FromRow)]
struct BuildRow {
    id: BuildId,
    number: i64,
    state: BuildState,
    created_at: i64,
    newer: i64,
    is_newest_success: i64,
    has_newest_of_an_app: i64,
    ref_deleted_at: Option<i64>,
}

impl From<BuildRow> for BuildFacts {
    fn from(row: BuildRow) -> Self {
        BuildFacts {
            id: row.id,
            number: row.number,
            state: row.state,
            created_at: row.created_at,
            newer: row.newer,
            is_newest_success: row.is_newest_success != 0,
            has_newest_of_an_app: row.has_newest_of_an_app != 0,
            ref_deleted_at: row.ref_deleted_at,
        }
    }
}

/// Builds of a repository, those behind number `after`, oldest first. Newer builds of the same ref are counted up to
/// `count`.
///
/// A build that is under way looks for what lies below it: so the newest success is needed below each of those, too.
pub(crate) async fn builds(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    after: i64,
    count: i64,
    limit: i64,
) -> Result<Vec<BuildFacts>, StoreError> {
    let found: Vec<BuildRow> = rows!(
        conn,
        "SELECT b.id, b.number, b.state, b.created_at, h.deleted_at AS ref_deleted_at,
                (SELECT COUNT(*) FROM (
                    SELECT 1 AS one FROM build n
                    WHERE n.repository_id = b.repository_id AND n.git_ref = b.git_ref AND n.number > b.number
                    LIMIT $3) AS counted) AS newer,
                CAST(CASE WHEN b.state = 'succeeded' AND NOT EXISTS (
                    SELECT 1 FROM build n
                    WHERE n.repository_id = b.repository_id AND n.git_ref = b.git_ref AND n.number > b.number
                      AND n.state = 'succeeded' AND NOT EXISTS (
                          SELECT 1 FROM build u
                          WHERE u.repository_id = b.repository_id AND u.git_ref = b.git_ref
                            AND u.number > b.number AND u.number <= n.number AND u.state IN ('queued', 'awaiting', 'running')))
                     THEN 1 ELSE 0 END AS BIGINT) AS is_newest_success,
                CAST(CASE WHEN b.state = 'succeeded' AND EXISTS (
                    SELECT 1 FROM artifact a WHERE a.build_id = b.id AND NOT EXISTS (
                        SELECT 1 FROM build n JOIN artifact later ON later.build_id = n.id AND later.app = a.app
                        WHERE n.repository_id = b.repository_id AND n.git_ref = b.git_ref AND n.number > b.number
                          AND n.state = 'succeeded' AND NOT EXISTS (
                              SELECT 1 FROM build u
                              WHERE u.repository_id = b.repository_id AND u.git_ref = b.git_ref
                                AND u.number > b.number AND u.number <= n.number AND u.state IN ('queued', 'awaiting', 'running'))))
                     THEN 1 ELSE 0 END AS BIGINT) AS has_newest_of_an_app
         FROM build b LEFT JOIN ref_head h ON h.repository_id = b.repository_id AND h.git_ref = b.git_ref
         WHERE b.repository_id = $1 AND b.number > $2
         ORDER BY b.number LIMIT $4",
        repository,
        after,
        count,
        limit
    )?;
    Ok(found.into_iter().map(BuildFacts::from).collect())
}

/// Something of which only the number and the bytes are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub(crate) struct Amount {
    pub(crate) count: i64,
    pub(crate) bytes: i64,
}

/// What is stored of the logs of a build's job.
pub(crate) async fn logs_of_build(conn: &mut Conn<'_>, build: &BuildId) -> Result<Amount, StoreError> {
    let found: Option<Amount> = row!(
        conn,
        "SELECT COUNT(*) AS count, CAST(COALESCE(SUM(LENGTH(c.data) + COALESCE(c.object_bytes, 0)), 0) AS BIGINT) AS bytes
         FROM job j JOIN step s ON s.job_id = j.id JOIN log_chunk c ON c.step_id = s.id WHERE j.build_id = $1",
        build
    )?;
    Ok(found.unwrap_or_default())
}

/// What is stored of the logs of a rollout's job.
pub(crate) async fn logs_of_release(conn: &mut Conn<'_>, release: &ReleaseId) -> Result<Amount, StoreError> {
    let found: Option<Amount> = row!(
        conn,
        "SELECT COUNT(*) AS count, CAST(COALESCE(SUM(LENGTH(c.data) + COALESCE(c.object_bytes, 0)), 0) AS BIGINT) AS bytes
         FROM job j JOIN step s ON s.job_id = j.id JOIN log_chunk c ON c.step_id = s.id WHERE j.release_id = $1",
        release
    )?;
    Ok(found.unwrap_or_default())
}

/// The logs of steps that ended before `before`: how many steps, and their bytes.
pub(crate) async fn old_logs(conn: &mut Conn<'_>, before: i64) -> Result<Amount, StoreError> {
    let found: Option<Amount> = row!(
        conn,
        "SELECT COUNT(*) AS count, CAST(COALESCE(SUM(
                    (SELECT SUM(LENGTH(c.data) + COALESCE(c.object_bytes, 0)) FROM log_chunk c WHERE c.step_id = s.id)), 0) AS BIGINT) AS bytes
         FROM step s WHERE s.log_state <> 'removed' AND s.finished_at < $1",
        before
    )?;
    Ok(found.unwrap_or_default())
}

/// Steps that ended before `before` and whose log is not removed, oldest first.
pub(crate) async fn steps_with_old_logs(
    conn: &mut Conn<'_>,
    before: i64,
    limit: i64,
) -> Result<Vec<StepId>, StoreError> {
    let found: Vec<(StepId,)> = rows!(
        conn,
        "SELECT id FROM step WHERE log_state <> 'removed' AND finished_at < $1 ORDER BY finished_at LIMIT $2",
        before,
        limit
    )?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Steps of every attempt of a build's job that still have a log.
pub(crate) async fn steps_of_build(conn: &mut Conn<'_>, build: &BuildId) -> Result<Vec<StepId>, StoreError> {
    let found: Vec<(StepId,)> = rows!(
        conn,
        "SELECT s.id FROM job j JOIN step s ON s.job_id = j.id WHERE j.build_id = $1 AND s.log_state <> 'removed'",
        build
    )?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// The same of a job.
pub(crate) async fn steps_of_job(conn: &mut Conn<'_>, job: &JobId) -> Result<Vec<StepId>, StoreError> {
    let found: Vec<(StepId,)> = rows!(conn, "SELECT id FROM step WHERE job_id = $1 AND log_state <> 'removed'", job)?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// The same of a rollout's job.
pub(crate) async fn steps_of_release(conn: &mut Conn<'_>, release: &ReleaseId) -> Result<Vec<StepId>, StoreError> {
    let found: Vec<(StepId,)> = rows!(
        conn,
        "SELECT s.id FROM job j JOIN step s ON s.job_id = j.id WHERE j.release_id = $1 AND s.log_state <> 'removed'",
        release
    )?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Removes some chunks of a step's log, and tells how many.
pub(crate) async fn remove_chunks(tx: &mut Tx, step: &StepId, limit: i64) -> Result<u64, StoreError> {
    Ok(execute!(
        &mut tx.conn(),
        "DELETE FROM log_chunk WHERE step_id = $1
           AND seq IN (SELECT seq FROM log_chunk WHERE step_id = $1 ORDER BY seq LIMIT $2)",
        step,
        limit
    )?)
}

/// Notes that a step's log is gone. It is said before the first chunk goes, so that no page shows half of a log.
pub(crate) async fn say_log_is_removed(tx: &mut Tx, step: &StepId) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(&mut tx.conn(), "UPDATE step SET log_removed_at = COALESCE(log_removed_at, $2) WHERE id = $1", step, now)?;
    Ok(())
}

/// Notes that nothing of a step's log is left, so that it is not looked for again.
pub(crate) async fn log_is_removed(tx: &mut Tx, step: &StepId) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE step SET log_state = 'removed' WHERE id = $1", step)?;
    Ok(())
}

/// Removes a build that no release is of, with its job, steps and artifacts; false when one is by now.
pub(crate) async fn remove_build(tx: &mut Tx, build: &BuildId) -> Result<bool, StoreError> {
    Ok(execute!(
        &mut tx.conn(),
        "DELETE FROM build WHERE id = $1 AND state IN ('succeeded', 'failed', 'cancelled')
           AND NOT EXISTS (SELECT 1 FROM release r WHERE r.build_id = build.id)",
        build
    )? == 1)
}

/// Removes a release that is over and that none was made from, with its job and steps; false when that changed.
pub(crate) async fn remove_release(tx: &mut Tx, release: &ReleaseId) -> Result<bool, StoreError> {
    Ok(execute!(
        &mut tx.conn(),
        "DELETE FROM release WHERE id = $1 AND state IN ('retired', 'failed', 'superseded', 'rejected')
           AND NOT EXISTS (SELECT 1 FROM release later WHERE later.source_release_id = release.id)",
        release
    )? == 1)
}

/// Deliveries received before `before` whose bytes are kept.
pub(crate) async fn old_payloads(conn: &mut Conn<'_>, before: i64) -> Result<Amount, StoreError> {
    let found: Option<Amount> = row!(
        conn,
        "SELECT COUNT(*) AS count, CAST(COALESCE(SUM(LENGTH(payload)), 0) AS BIGINT) AS bytes
         FROM delivery WHERE payload_removed_at IS NULL AND received_at < $1",
        before
    )?;
    Ok(found.unwrap_or_default())
}

/// Removes the bytes of some of them, and tells of how many.
pub(crate) async fn remove_payloads(tx: &mut Tx, before: i64, limit: i64) -> Result<u64, StoreError> {
    let now = tx.now();
    Ok(execute!(
        &mut tx.conn(),
        "UPDATE delivery SET payload = $4, payload_removed_at = $3 WHERE id IN (
             SELECT id FROM delivery WHERE payload_removed_at IS NULL AND received_at < $1
             ORDER BY received_at LIMIT $2)",
        before,
        limit,
        now,
        &b""[..]
    )?)
}

/// Deliveries from before `before`, whether their bytes are kept or not.
pub(crate) async fn old_deliveries(conn: &mut Conn<'_>, before: i64) -> Result<Amount, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT (SELECT COUNT(*) FROM delivery WHERE payload_removed_at IS NULL AND received_at < $1)
              + (SELECT COUNT(*) FROM delivery WHERE payload_removed_at IS NOT NULL AND received_at < $1)",
        before
    )?;
    Ok(Amount { count: found.map_or(0, |(count,)| count), bytes: 0 })
}

/// Removes some deliveries whose bytes are gone already.
pub(crate) async fn remove_deliveries(tx: &mut Tx, before: i64, limit: i64) -> Result<u64, StoreError> {
    Ok(execute!(
        &mut tx.conn(),
        "DELETE FROM delivery WHERE id IN (
             SELECT id FROM delivery WHERE payload_removed_at IS NOT NULL AND received_at < $1
             ORDER BY received_at LIMIT $2)",
        before,
        limit
    )?)
}

/// Pull requests that were closed before `before` by their forge's clock. No delivery that is known speaks of them.
pub(crate) async fn old_pull_requests(conn: &mut Conn<'_>, before: i64) -> Result<Amount, StoreError> {
    let found: Option<(i64,)> =
        row!(conn, "SELECT COUNT(*) FROM pull_request WHERE is_closed = 1 AND said_at < $1", before)?;
    Ok(Amount { count: found.map_or(0, |(count,)| count), bytes: 0 })
}

/// Forgets them.
pub(crate) async fn remove_pull_requests(tx: &mut Tx, before: i64) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM pull_request WHERE is_closed = 1 AND said_at < $1", before)?;
    Ok(())
}

/// Tokens that were revoked before `before`.
pub(crate) async fn old_tokens(conn: &mut Conn<'_>, before: i64) -> Result<Amount, StoreError> {
    let found: Option<(i64,)> = row!(conn, "SELECT COUNT(*) FROM access_token WHERE revoked_at < $1", before)?;
    Ok(Amount { count: found.map_or(0, |(count,)| count), bytes: 0 })
}

/// Forgets them.
pub(crate) async fn remove_tokens(tx: &mut Tx, before: i64) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM access_token WHERE revoked_at < $1", before)?;
    Ok(())
}

/// Sessions opened, or last used, before these times.
pub(crate) async fn old_sessions(
    conn: &mut Conn<'_>,
    created_before: i64,
    seen_before: i64,
) -> Result<Amount, StoreError> {
    let found: Option<Amount> = row!(
        conn,
        "SELECT COUNT(*) AS count, CAST(0 AS BIGINT) AS bytes FROM session WHERE created_at < $1 OR last_seen_at < $2",
        created_before,
        seen_before
    )?;
    Ok(found.unwrap_or_default())
}
