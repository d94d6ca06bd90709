//! The pull requests that builds are of.

use slipway_pipelines::plan::PullRequest;

use super::{Conn, StoreError, Tx, execute, row};
use crate::ids::BuildId;

/// The pull request that a build is of; none for one of a branch or tag.
///
/// # Errors
/// When the database fails.
pub async fn of_build(conn: &mut Conn<'_>, build: &BuildId) -> Result<Option<PullRequest>, StoreError> {
    let found: Option<(i64, String, String)> =
        row!(conn, "SELECT number, head_branch, base_branch FROM build_pull_request WHERE build_id = $1", build)?;
    Ok(found.map(|(number, head, base)| PullRequest { number, head, base }))
}

/// Keeps what a build is of.
pub(crate) async fn insert(tx: &mut Tx, build: &BuildId, pull: &PullRequest) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO build_pull_request (build_id, number, head_branch, base_branch) VALUES ($1, $2, $3, $4)",
        build,
        pull.number,
        &pull.head,
        &pull.base
    )?;
    Ok(())
}
