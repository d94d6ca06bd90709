//! Builds that run only once a person has approved them, and whose pull requests need no such approval.

use slipway_pipelines::plan::PullRequest;
use slipway_runner::coordinator::Look;
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, builds::Build, execute, row, rows};
use crate::{
    builds::{ApprovalRule, ApprovalState},
    deliveries::Account,
    ids::{BuildId, RepositoryId},
};

/// The approval that a build needs.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Approval {
    /// The commit that is approved or not, and no other.
    pub commit_sha: String,
    /// Where it stands.
    pub state: ApprovalState,
    /// What would run, once that is known.
    pub look: Option<JsonText<Look>>,
    /// Since when it is wanted, in unix milliseconds.
    pub asked_at: i64,
    /// When somebody decided.
    pub decided_at: Option<i64>,
    /// Who.
    pub decided_by: Option<String>,
}

/// An account of the forge whose pull requests need no approval.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct TrustedAccount {
    /// The forge's id of it.
    pub account_id: i64,
    /// Its name when it was added, for people.
    pub login: String,
    /// When that was, in unix milliseconds.
    pub added_at: i64,
    /// Who added it.
    pub added_by: String,
}

/// The approval that a build needs; none where it needs none.
///
/// # Errors
/// When the database fails.
pub async fn of_build(conn: &mut Conn<'_>, build: &BuildId) -> Result<Option<Approval>, StoreError> {
    Ok(row!(
        conn,
        "SELECT commit_sha, state, look, asked_at, decided_at, decided_by FROM build_approval WHERE build_id = $1",
        build
    )?)
}

/// What became of the last approval that was asked for a pull request; none where none was.
pub(crate) async fn last_of(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    pull_request: i64,
) -> Result<Option<ApprovalState>, StoreError> {
    let found: Option<(ApprovalState,)> = row!(
        conn,
        "SELECT state FROM build_approval WHERE repository_id = $1 AND number = $2 ORDER BY asked_at DESC LIMIT 1",
        repository,
        pull_request
    )?;
    Ok(found.map(|(state,)| state))
}

/// Notes that a build needs an approval.
pub(crate) async fn ask(tx: &mut Tx, build: &Build, pull: &PullRequest) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO build_approval (build_id, repository_id, number, base_branch, commit_sha, state, asked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &build.id,
        &build.repository_id,
        pull.number,
        &pull.base,
        &build.commit_sha,
        ApprovalState::Wanted,
        now
    )?;
    Ok(())
}

/// Keeps what would run of a build whose approval is wanted; false where none is.
pub(crate) async fn note_look(tx: &mut Tx, build: &BuildId, look: &Look) -> Result<bool, StoreError> {
    Ok(execute!(
        &mut tx.conn(),
        "UPDATE build_approval SET look = $2 WHERE build_id = $1 AND state = 'wanted'",
        build,
        JsonText(look)
    )? == 1)
}

/// Notes what somebody decided; false where nothing was to be decided.
pub(crate) async fn decide(tx: &mut Tx, build: &BuildId, to: ApprovalState, by: &str) -> Result<bool, StoreError> {
    let now = tx.now();
    Ok(execute!(
        &mut tx.conn(),
        "UPDATE build_approval SET state = $2, decided_at = $3, decided_by = $4 WHERE build_id = $1 AND state = 'wanted'",
        build,
        to,
        now,
        by
    )? == 1)
}

/// Wants no approval any more of a build that is over.
pub(crate) async fn close(tx: &mut Tx, build: &BuildId) -> Result<(), StoreError> {
    let sql = "UPDATE build_approval SET state = 'closed' WHERE build_id = $1 AND state = 'wanted'";
    execute!(&mut tx.conn(), sql, build)?;
    Ok(())
}

/// Wants one again of a build that is tried again and had none.
pub(crate) async fn reopen(tx: &mut Tx, build: &BuildId) -> Result<(), StoreError> {
    let sql = "UPDATE build_approval SET state = 'wanted' WHERE build_id = $1 AND state = 'closed'";
    execute!(&mut tx.conn(), sql, build)?;
    Ok(())
}

/// How many builds of a repository wait for an approval.
///
/// # Errors
/// When the database fails.
pub async fn wanted(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<i64, StoreError> {
    let found: Option<(i64,)> =
        row!(conn, "SELECT COUNT(*) FROM build_approval WHERE repository_id = $1 AND state = 'wanted'", repository)?;
    Ok(found.map_or(0, |(count,)| count))
}

/// The builds whose approval was asked for before this time (unix milliseconds), oldest first, at most `limit`.
pub(crate) async fn asked_before(conn: &mut Conn<'_>, time: i64, limit: i64) -> Result<Vec<BuildId>, StoreError> {
    let found: Vec<(BuildId,)> = rows!(
        conn,
        "SELECT build_id FROM build_approval WHERE state = 'wanted' AND asked_at < $1 ORDER BY asked_at LIMIT $2",
        time,
        limit
    )?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Whether this very commit was approved to be merged into this branch.
pub(crate) async fn is_given(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    pull: &PullRequest,
    commit: &str,
) -> Result<bool, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT 1 FROM build_approval
         WHERE repository_id = $1 AND number = $2 AND commit_sha = $3 AND base_branch = $4 AND state = 'given' LIMIT 1",
        repository,
        pull.number,
        commit,
        &pull.base
    )?;
    Ok(found.is_some())
}

/// Whose pull requests of a repository need an approval.
///
/// # Errors
/// When the database fails.
pub async fn rule(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<ApprovalRule, StoreError> {
    let found: Option<(ApprovalRule,)> = row!(conn, "SELECT approvals FROM repository WHERE id = $1", repository)?;
    Ok(found.map_or(ApprovalRule::PullRequests, |(rule,)| rule))
}

/// Sets that.
pub(crate) async fn set_rule(tx: &mut Tx, repository: &RepositoryId, rule: ApprovalRule) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE repository SET approvals = $2 WHERE id = $1", repository, rule)?;
    Ok(())
}

/// The accounts whose pull requests need none, by their names.
///
/// # Errors
/// When the database fails.
pub async fn trusted(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<Vec<TrustedAccount>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT account_id, login, added_at, added_by FROM trusted_account WHERE repository_id = $1
         ORDER BY login, account_id",
        repository
    )?)
}

/// Whether this account is one of them.
pub(crate) async fn is_trusted(conn: &mut Conn<'_>, repository: &RepositoryId, id: i64) -> Result<bool, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT account_id FROM trusted_account WHERE repository_id = $1 AND account_id = $2",
        repository,
        id
    )?;
    Ok(found.is_some())
}

/// Adds an account to them, or gives it another name.
pub(crate) async fn trust(
    tx: &mut Tx,
    repository: &RepositoryId,
    account: &Account,
    by: &str,
) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO trusted_account (repository_id, account_id, login, added_at, added_by) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (repository_id, account_id) DO UPDATE SET login = excluded.login",
        repository,
        account.id,
        &account.login,
        now,
        by
    )?;
    Ok(())
}

/// Takes an account from them; false where it was none of them.
pub(crate) async fn distrust(tx: &mut Tx, repository: &RepositoryId, id: i64) -> Result<bool, StoreError> {
    Ok(execute!(
        &mut tx.conn(),
        "DELETE FROM trusted_account WHERE repository_id = $1 AND account_id = $2",
        repository,
        id
    )? == 1)
}
