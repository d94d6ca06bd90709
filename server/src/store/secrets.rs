//! Secrets of repositories, sealed.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, row, rows};
use crate::ids::RepositoryId;

/// What a secret is called and where it holds; all that is ever told of it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SecretName {
    /// The name of the one environment that it is for; empty for the whole repository.
    pub environment: String,
    /// Its name.
    pub name: String,
    /// When it was set, in unix milliseconds.
    pub updated_at: i64,
}

/// A secret with its value, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct SealedSecret {
    pub(crate) environment: String,
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

/// Sets a secret, in place of its earlier value.
pub(crate) async fn set(
    tx: &mut Tx,
    repository: &RepositoryId,
    environment: &str,
    name: &str,
    sealed: &[u8],
) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO secret (repository_id, environment, name, value, updated_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (repository_id, environment, name) DO UPDATE
         SET value = excluded.value, updated_at = excluded.updated_at",
        repository,
        environment,
        name,
        sealed,
        now
    )?;
    Ok(())
}

/// Forgets a secret; tells whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn remove(tx: &mut Tx, repository: &RepositoryId, environment: &str, name: &str) -> Result<bool, StoreError> {
    let removed = execute!(
        &mut tx.conn(),
        "DELETE FROM secret WHERE repository_id = $1 AND environment = $2 AND name = $3",
        repository,
        environment,
        name
    )?;
    Ok(removed > 0)
}

/// The secrets of a repository and of all of its environments, in the order of environments and names; the
/// repository's own come first.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<Vec<SecretName>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT environment, name, updated_at FROM secret WHERE repository_id = $1 ORDER BY environment, name",
        repository
    )?)
}

/// How many secrets a repository and its environments have besides this one.
pub(crate) async fn count_others(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    environment: &str,
    name: &str,
) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT count(*) FROM secret WHERE repository_id = $1 AND NOT (environment = $2 AND name = $3)",
        repository,
        environment,
        name
    )?;
    Ok(found.map_or(0, |(count,)| count))
}

/// The repository's own secrets, and those of the environment over them, where one is named.
pub(crate) async fn values(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    environment: &str,
) -> Result<Vec<SealedSecret>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT environment, name, value FROM secret
         WHERE repository_id = $1 AND environment IN ('', $2) ORDER BY environment, name",
        repository,
        environment
    )?)
}
