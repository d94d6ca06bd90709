//! Builds.

use serde::{Deserialize, Serialize};
use slipway_pipelines::plan::{CommitLine, ReleasePlan};
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, row, rows};
use crate::{
    builds::BuildState,
    ids::{BuildId, RepositoryId},
};

/// A build.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Build {
    /// Its id.
    pub id: BuildId,
    /// The repository that it belongs to.
    pub repository_id: RepositoryId,
    /// Its number within the repository, from 1.
    pub number: i64,
    /// What caused it: `push`, `tag`, `pull_request`, `manual`.
    pub event: String,
    /// The full ref, such as `refs/heads/main`.
    pub git_ref: String,
    /// The exact commit, 40 hexadecimal digits; empty as long as only its checkout can tell.
    pub commit_sha: String,
    /// Where the ref stood before, as far as the forge said.
    pub before_sha: Option<String>,
    /// The commit's message.
    pub message: String,
    /// The commit's author, for people only.
    pub author: String,
    /// Where it stands.
    pub state: BuildState,
    /// Why it failed, was cancelled, waits again, or was not released though it succeeded.
    pub reason: Option<String>,
    /// When it was queued, in unix milliseconds.
    pub created_at: i64,
    /// When a runner first took it.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
}

/// What a build brought to its ref.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Brought {
    /// The build's number.
    pub(crate) number: i64,
    /// Its commit.
    pub(crate) commit_sha: String,
    /// The commit's message.
    pub(crate) message: String,
    /// The commit's author.
    pub(crate) author: String,
    /// Who pushed it, by the name at the forge; empty where nobody did.
    pub(crate) pusher: String,
    /// Where it stands.
    pub(crate) state: BuildState,
    /// The commits since the last build of the ref that succeeded; none where this one did not.
    pub(crate) release_plan: Option<JsonText<Lines>>,
}

/// What a build's release plan says of its commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lines {
    /// The newest of them, newest first.
    #[serde(default)]
    pub(crate) commits: Vec<CommitLine>,
    /// Who wrote the others.
    #[serde(default)]
    pub(crate) more_authors: Vec<String>,
}

impl Build {
    /// The ref without `refs/heads/` or `refs/tags/`; of a pull request, `pull/7`.
    #[must_use]
    pub fn ref_name(&self) -> &str {
        slipway_web::parts::reference(&self.git_ref)
    }

    /// The branch, unless it is the build of a tag or a pull request.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.git_ref.strip_prefix("refs/heads/")
    }
}

/// The build with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, id: &BuildId) -> Result<Option<Build>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, repository_id, number, event, git_ref, commit_sha, before_sha, message, author, state, reason,
                created_at, started_at, finished_at
         FROM build WHERE id = $1",
        id
    )?)
}

/// The build of a repository with this number.
///
/// # Errors
/// When the database fails.
pub async fn by_number(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    number: i64,
) -> Result<Option<Build>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, repository_id, number, event, git_ref, commit_sha, before_sha, message, author, state, reason,
                created_at, started_at, finished_at
         FROM build WHERE repository_id = $1 AND number = $2",
        repository,
        number
    )?)
}

/// Builds of a repository below number `before`, newest first, at most `limit`; of one full ref where it is given.
///
/// # Errors
/// When the database fails.
pub async fn list(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    git_ref: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Build>, StoreError> {
    let before = before.unwrap_or(i64::MAX);
    Ok(match git_ref {
        None => rows!(
            conn,
            "SELECT id, repository_id, number, event, git_ref, commit_sha, before_sha, message, author, state, reason,
                    created_at, started_at, finished_at
             FROM build WHERE repository_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
            repository,
            before,
            limit
        )?,
        Some(git_ref) => rows!(
            conn,
            "SELECT id, repository_id, number, event, git_ref, commit_sha, before_sha, message, author, state, reason,
                    created_at, started_at, finished_at
             FROM build WHERE repository_id = $1 AND git_ref = $2 AND number < $3 ORDER BY number DESC LIMIT $4",
            repository,
            git_ref,
            before,
            limit
        )?,
    })
}

/// What captain.yml said of releases at the build's commit; none before it succeeded.
///
/// # Errors
/// When the database fails, or what it holds cannot be read.
pub async fn release_plan(conn: &mut Conn<'_>, id: &BuildId) -> Result<Option<ReleasePlan>, StoreError> {
    let found: Option<(Option<JsonText<ReleasePlan>>,)> =
        row!(conn, "SELECT release_plan FROM build WHERE id = $1", id)?;
    Ok(found.and_then(|(plan,)| plan).map(|plan| plan.0))
}

/// Who pushed the commit of a build, by the name at the forge; empty where nobody did.
pub(crate) async fn pusher(conn: &mut Conn<'_>, id: &BuildId) -> Result<String, StoreError> {
    let found: Option<(String,)> = row!(conn, "SELECT pusher FROM build WHERE id = $1", id)?;
    Ok(found.map(|(pusher,)| pusher).unwrap_or_default())
}

/// What the builds of a ref brought whose numbers lie between `above` and `below`, the newest first, at most `limit`.
pub(crate) async fn brought(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    git_ref: &str,
    (above, below): (i64, i64),
    limit: i64,
) -> Result<Vec<Brought>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT number, commit_sha, message, author, pusher, state, release_plan FROM build
         WHERE repository_id = $1 AND git_ref = $2 AND number > $3 AND number < $4 ORDER BY number DESC LIMIT $5",
        repository,
        git_ref,
        above,
        below,
        limit
    )?)
}

/// The build that holds this dedup key.
pub(crate) async fn by_dedup_key(conn: &mut Conn<'_>, key: &str) -> Result<Option<Build>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, repository_id, number, event, git_ref, commit_sha, before_sha, message, author, state, reason,
                created_at, started_at, finished_at
         FROM build WHERE dedup_key = $1",
        key
    )?)
}

/// Lets another build of the same commit take the key.
pub(crate) async fn free_dedup_key(tx: &mut Tx, id: &BuildId) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE build SET dedup_key = dedup_key || ' #' || id WHERE id = $1", id)?;
    Ok(())
}

/// The newest build of a push that moved the ref on from this commit.
pub(crate) async fn moved_on_from(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    git_ref: &str,
    commit: &str,
) -> Result<Option<Build>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, repository_id, number, event, git_ref, commit_sha, before_sha, message, author, state, reason,
                created_at, started_at, finished_at
         FROM build WHERE repository_id = $1 AND git_ref = $2 AND before_sha = $3 ORDER BY number DESC LIMIT 1",
        repository,
        git_ref,
        commit
    )?)
}

/// Inserts a build; false, and nothing is changed, when another holds its dedup key.
pub(crate) async fn insert(tx: &mut Tx, build: &Build, pusher: &str, dedup_key: &str) -> Result<bool, StoreError> {
    let inserted = execute!(
        &mut tx.conn(),
        "INSERT INTO build (id, repository_id, number, dedup_key, event, git_ref, commit_sha, message, author, state,
                            created_at, before_sha, pusher)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (dedup_key) DO NOTHING",
        &build.id,
        &build.repository_id,
        build.number,
        dedup_key,
        &build.event,
        &build.git_ref,
        &build.commit_sha,
        &build.message,
        &build.author,
        build.state,
        build.created_at,
        build.before_sha.as_deref(),
        pusher
    )?;
    Ok(inserted == 1)
}

/// Compare and set; the state machine of `crate::builds` is the only caller.
pub(crate) async fn set_state(
    tx: &mut Tx,
    build: &Build,
    to: BuildState,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let now = tx.now();
    let started = (to == BuildState::Running).then_some(now);
    let finished = to.is_final().then_some(now);
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE build SET state = $3, reason = $4, started_at = COALESCE(started_at, $5), finished_at = $6
         WHERE id = $1 AND state = $2",
        &build.id,
        build.state,
        to,
        reason,
        started,
        finished
    )?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict { what: "build", which: build.id.to_string() }) }
}

/// The numbers of a repository's builds that a runner holds, in order.
pub(crate) async fn leased(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<Vec<i64>, StoreError> {
    let found: Vec<(i64,)> = rows!(
        conn,
        "SELECT b.number FROM job j JOIN build b ON b.id = j.build_id
         WHERE j.state = 'leased' AND j.repository_id = $1 AND j.kind = 'build' ORDER BY b.number",
        repository
    )?;
    Ok(found.into_iter().map(|(number,)| number).collect())
}

/// Forgets when a build began: its next attempt counts from the start.
pub(crate) async fn begin_anew(tx: &mut Tx, id: &BuildId) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE build SET started_at = NULL WHERE id = $1 AND state = 'queued'", id)?;
    Ok(())
}

/// Fails a build whatever state it is in; only for one that cannot be read.
pub(crate) async fn condemn(tx: &mut Tx, id: &BuildId, reason: &str) -> Result<(), StoreError> {
    let now = tx.now();
    let sql = "UPDATE build SET state = 'failed', reason = $2, finished_at = $3 WHERE id = $1";
    execute!(&mut tx.conn(), sql, id, reason, now)?;
    Ok(())
}

/// Notes the commit of a build that was queued without one, and what the commit says where nothing else was said.
pub(crate) async fn set_commit(
    tx: &mut Tx,
    id: &BuildId,
    commit: &str,
    author: &str,
    message: &str,
) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "UPDATE build SET commit_sha = $2, author = CASE WHEN author = '' THEN $3 ELSE author END,
                          message = CASE WHEN message = '' THEN $4 ELSE message END
         WHERE id = $1 AND commit_sha = ''",
        id,
        commit,
        author,
        message
    )?;
    Ok(())
}

/// Notes why the build will end, while its runner is still stopping it; or, once it succeeded, why it is not released.
pub(crate) async fn set_reason(tx: &mut Tx, id: &BuildId, reason: &str) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE build SET reason = $2 WHERE id = $1", id, reason)?;
    Ok(())
}

pub(crate) async fn set_release_plan(tx: &mut Tx, id: &BuildId, plan: &ReleasePlan) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE build SET release_plan = $2 WHERE id = $1", id, JsonText(plan))?;
    Ok(())
}

/// Builds of a ref that are not over, oldest first.
pub(crate) async fn unfinished(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    git_ref: &str,
) -> Result<Vec<Build>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, repository_id, number, event, git_ref, commit_sha, before_sha, message, author, state, reason,
                created_at, started_at, finished_at
         FROM build WHERE repository_id = $1 AND git_ref = $2 AND state IN ('queued', 'awaiting', 'running') ORDER BY number",
        repository,
        git_ref
    )?)
}

/// The highest number among the ref's builds that succeeded.
pub(crate) async fn last_success(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    git_ref: &str,
) -> Result<Option<i64>, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT number FROM build WHERE repository_id = $1 AND git_ref = $2 AND state = 'succeeded'
         ORDER BY number DESC LIMIT 1",
        repository,
        git_ref
    )?;
    Ok(found.map(|(number,)| number))
}

/// The number of the newest build of the same ref before this one that succeeded.
pub(crate) async fn success_before(conn: &mut Conn<'_>, build: &Build) -> Result<Option<i64>, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT number FROM build WHERE repository_id = $1 AND git_ref = $2 AND number < $3 AND state = 'succeeded'
         ORDER BY number DESC LIMIT 1",
        &build.repository_id,
        &build.git_ref,
        build.number
    )?;
    Ok(found.map(|(number,)| number))
}

/// The commit from which it is measured what a build changed: the newest one before it that was built successfully, so
/// that what a failed or superseded build left undone is not forgotten. Where the ref has none, it is where the ref
/// stood before the first push that was heard of; none for a ref that was new then. None for the default branch too,
/// so that everything counts as changed: an environment's first release would lack what its first build leaves out.
pub(crate) async fn changed_since(
    conn: &mut Conn<'_>,
    build: &Build,
    default_branch: &str,
) -> Result<Option<String>, StoreError> {
    let succeeded: Option<(String,)> = row!(
        conn,
        "SELECT commit_sha FROM build
         WHERE repository_id = $1 AND git_ref = $2 AND number < $3 AND state = 'succeeded'
         ORDER BY number DESC LIMIT 1",
        &build.repository_id,
        &build.git_ref,
        build.number
    )?;
    if let Some((commit,)) = succeeded {
        return Ok(Some(commit));
    }
    if build.branch() == Some(default_branch) {
        return Ok(None);
    }
    let first: Option<(Option<String>,)> = row!(
        conn,
        "SELECT before_sha FROM build WHERE repository_id = $1 AND git_ref = $2 ORDER BY number LIMIT 1",
        &build.repository_id,
        &build.git_ref
    )?;
    Ok(first.and_then(|(before,)| before))
}
