//! The pull requests that builds are of, and what a forge said last of each.

use slipway_pipelines::plan::PullRequest;

use super::{Conn, StoreError, Tx, execute, row};
use crate::{
    deliveries::{Account, Proposer, Stands, Word},
    ids::{BuildId, RepositoryId},
};

/// The pull request that a build is of; none for one of a branch or tag.
///
/// # Errors
/// When the database fails.
pub async fn of_build(conn: &mut Conn<'_>, build: &BuildId) -> Result<Option<PullRequest>, StoreError> {
    let found: Option<(i64, String, String)> =
        row!(conn, "SELECT number, head_branch, base_branch FROM build_pull_request WHERE build_id = $1", build)?;
    Ok(found.map(|(number, head, base)| PullRequest { number, head, base }))
}

/// By whose doing a build's pull request is there. Who sent the delivery is not kept.
///
/// # Errors
/// When the database fails.
pub async fn proposer(conn: &mut Conn<'_>, build: &BuildId) -> Result<Proposer, StoreError> {
    let found: Option<(Option<i64>, String, Option<String>)> =
        row!(conn, "SELECT author_id, author, fork FROM build_pull_request WHERE build_id = $1", build)?;
    let Some((id, login, fork)) = found else { return Ok(Proposer::default()) };
    Ok(Proposer { opener: id.map(|id| Account { id, login }), sender: None, fork })
}

/// Keeps what a build is of, and by whose doing that is there.
pub(crate) async fn insert(
    tx: &mut Tx,
    build: &BuildId,
    pull: &PullRequest,
    proposer: &Proposer,
) -> Result<(), StoreError> {
    let opener = proposer.opener.as_ref();
    execute!(
        &mut tx.conn(),
        "INSERT INTO build_pull_request (build_id, number, head_branch, base_branch, author_id, author, fork)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        build,
        pull.number,
        &pull.head,
        &pull.base,
        opener.map(|opener| opener.id),
        opener.map_or("", |opener| opener.login.as_str()),
        proposer.fork.as_deref()
    )?;
    Ok(())
}

/// Keeps a word about a pull request as the newest; false when a newer one is known. A forge's clock may stand still
/// between two words: then one that was closed is open again only where that is said.
pub(crate) async fn note(tx: &mut Tx, repository: &RepositoryId, word: Word) -> Result<bool, StoreError> {
    let Some(said_at) = word.said_at else { return Ok(true) };
    let noted = execute!(
        &mut tx.conn(),
        "INSERT INTO pull_request (repository_id, number, said_at, is_closed) VALUES ($1, $2, $3, $4)
         ON CONFLICT (repository_id, number) DO UPDATE SET said_at = excluded.said_at, is_closed = excluded.is_closed
         WHERE pull_request.said_at < excluded.said_at
            OR (pull_request.said_at = excluded.said_at AND (pull_request.is_closed = 0 OR $5 = 1))",
        repository,
        word.number,
        said_at,
        i64::from(word.stands == Stands::Closed),
        i64::from(word.stands != Stands::Open)
    )?;
    Ok(noted == 1)
}
