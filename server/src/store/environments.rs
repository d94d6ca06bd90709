//! Environments.

use slipway_pipelines::config::{self, Source};
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, row, rows};
use crate::{
    environments::{Freeze, Protection, Settings},
    ids::{EnvironmentId, RepositoryId},
};

/// A named place to release to.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Environment {
    /// Its id.
    pub id: EnvironmentId,
    /// The repository that it belongs to.
    pub repository_id: RepositoryId,
    /// Its name, such as `production`.
    pub name: String,
    /// Its place in captain.yml.
    pub position: i64,
    /// Where its releases come from.
    pub source: JsonText<Source>,
    /// How it wants its releases.
    pub settings: JsonText<Settings>,
    /// What an administrator asks for beyond that.
    pub protection: JsonText<Protection>,
    /// That nothing is released to it; it may be over by now.
    pub frozen: Option<JsonText<Freeze>>,
    /// The number of its newest release; 0 before the first.
    pub last_release_number: i64,
    /// When captain.yml of the default branch stopped naming it.
    pub removed_at: Option<i64>,
    /// When it was first defined, in unix milliseconds.
    pub created_at: i64,
}

/// The environments of a repository in file order; those that captain.yml no longer names come last.
///
/// # Errors
/// When the database fails.
pub async fn of_repository(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<Vec<Environment>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, repository_id, name, position, source, settings, protection, frozen, last_release_number,
                removed_at, created_at
         FROM environment WHERE repository_id = $1
         ORDER BY CASE WHEN removed_at IS NULL THEN 0 ELSE 1 END, position, name",
        repository
    )?)
}

/// The environment of a repository with this name.
///
/// # Errors
/// When the database fails.
pub async fn by_name(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    name: &str,
) -> Result<Option<Environment>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, repository_id, name, position, source, settings, protection, frozen, last_release_number,
                removed_at, created_at
         FROM environment WHERE repository_id = $1 AND name = $2",
        repository,
        name
    )?)
}

/// The environment with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, id: &EnvironmentId) -> Result<Option<Environment>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, repository_id, name, position, source, settings, protection, frozen, last_release_number,
                removed_at, created_at
         FROM environment WHERE id = $1",
        id
    )?)
}

pub(crate) async fn upsert(
    tx: &mut Tx,
    repository: &RepositoryId,
    position: i64,
    environment: &config::Environment,
) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO environment (id, repository_id, name, position, source, settings, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (repository_id, name) DO UPDATE
         SET position = excluded.position, source = excluded.source, settings = excluded.settings, removed_at = NULL",
        EnvironmentId::new(),
        repository,
        &environment.name,
        position,
        JsonText(&environment.from),
        JsonText(Settings::from(environment)),
        now
    )?;
    Ok(())
}

/// The environments that may want what is live in their source promoted by itself.
pub(crate) async fn automatic(conn: &mut Conn<'_>) -> Result<Vec<Environment>, StoreError> {
    let found: Vec<Environment> = rows!(
        conn,
        "SELECT id, repository_id, name, position, source, settings, protection, frozen, last_release_number,
                removed_at, created_at
         FROM environment WHERE removed_at IS NULL AND settings LIKE '%auto_:true%' ORDER BY id"
    )?;
    Ok(found.into_iter().filter(|environment| environment.settings.auto).collect())
}

pub(crate) async fn set_protection(tx: &mut Tx, id: &EnvironmentId, protection: &Protection) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE environment SET protection = $2 WHERE id = $1", id, JsonText(protection))?;
    Ok(())
}

pub(crate) async fn set_freeze(tx: &mut Tx, id: &EnvironmentId, freeze: Option<&Freeze>) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE environment SET frozen = $2 WHERE id = $1", id, freeze.map(JsonText))?;
    Ok(())
}

pub(crate) async fn mark_removed(tx: &mut Tx, id: &EnvironmentId) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(&mut tx.conn(), "UPDATE environment SET removed_at = $2 WHERE id = $1", id, now)?;
    Ok(())
}

/// Locks the environment's row until the transaction ends, so that its releases are made one after the other, and
/// returns it as it stands then.
///
/// # Errors
/// When there is no such environment, or the database fails.
pub async fn lock(tx: &mut Tx, id: &EnvironmentId) -> Result<Environment, StoreError> {
    let found: Option<Environment> = row!(
        &mut tx.conn(),
        "UPDATE environment SET position = position WHERE id = $1
         RETURNING id, repository_id, name, position, source, settings, protection, frozen, last_release_number,
                   removed_at, created_at",
        id
    )?;
    found.ok_or_else(|| StoreError::missing("environment", id))
}

pub(crate) async fn next_release_number(tx: &mut Tx, id: &EnvironmentId) -> Result<i64, StoreError> {
    let number: Option<(i64,)> = row!(
        &mut tx.conn(),
        "UPDATE environment SET last_release_number = last_release_number + 1 WHERE id = $1
         RETURNING last_release_number",
        id
    )?;
    number.map(|(number,)| number).ok_or_else(|| StoreError::missing("environment", id))
}
