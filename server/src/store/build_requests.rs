//! Requests to build, by the keys of those who sent them.

use super::{Conn, StoreError, Tx, execute, row};
use crate::ids::{BuildId, RepositoryId};

/// What the request of this key wanted, and the build that it led to.
pub(crate) async fn find(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    key: &str,
) -> Result<Option<(String, BuildId)>, StoreError> {
    Ok(row!(conn, "SELECT wanted, build_id FROM build_request WHERE repository_id = $1 AND key = $2", repository, key)?)
}

/// Keeps a request whose key is not taken.
pub(crate) async fn insert(
    tx: &mut Tx,
    repository: &RepositoryId,
    key: &str,
    wanted: &str,
    build: &BuildId,
) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO build_request (repository_id, key, wanted, build_id, created_at) VALUES ($1, $2, $3, $4, $5)",
        repository,
        key,
        wanted,
        build,
        now
    )?;
    Ok(())
}

pub(crate) async fn forget_before(tx: &mut Tx, moment: i64) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM build_request WHERE created_at < $1", moment)?;
    Ok(())
}
