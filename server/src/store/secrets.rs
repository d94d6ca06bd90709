//! Secrets of repositories, sealed, with their earlier values.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, row, rows};
use crate::{
    ids::{ReleaseId, RepositoryId},
    secrets::GivenTo,
};

/// How many releases are read at once: each brings its content along.
const RELEASES_AT_ONCE: i64 = 200;

/// What a secret is called and where it holds; all that is ever told of it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SecretName {
    /// The name of the one environment that it is for; empty for the whole repository.
    pub environment: String,
    /// Its name.
    pub name: String,
    /// Which of all values that were set for the repository it has.
    pub version: i64,
    /// When it was set, in unix milliseconds.
    pub updated_at: i64,
    /// The builds that it is for.
    pub given_to: JsonText<GivenTo>,
}

/// A secret with its value, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct SealedSecret {
    pub(crate) environment: String,
    pub(crate) name: String,
    pub(crate) version: i64,
    pub(crate) value: Vec<u8>,
    pub(crate) given_to: JsonText<GivenTo>,
}

/// The row's key in one text: what the sealed value is bound to. None of the parts can hold a slash.
pub(crate) fn bound_to(repository: &str, environment: &str, name: &str) -> String {
    format!("{repository}/{environment}/{name}")
}

/// Sets a secret. Its earlier values are kept for the releases that run with them. For which builds it is stays as it was,
/// unless that is said.
pub(crate) async fn set(
    tx: &mut Tx,
    repository: &RepositoryId,
    environment: &str,
    name: &str,
    sealed: &[u8],
    given_to: Option<&GivenTo>,
) -> Result<(), StoreError> {
    let (now, every) = (tx.now(), JsonText(GivenTo::default()));
    let version = next_version(tx, repository).await?;
    execute!(
        &mut tx.conn(),
        "INSERT INTO secret_version (repository_id, version, environment, name, value, made_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        repository,
        version,
        environment,
        name,
        sealed,
        now
    )?;
    execute!(
        &mut tx.conn(),
        "INSERT INTO secret (repository_id, environment, name, version, updated_at, given_to)
         VALUES ($1, $2, $3, $4, $5, COALESCE($6, $7))
         ON CONFLICT (repository_id, environment, name) DO UPDATE
         SET version = excluded.version, updated_at = excluded.updated_at, given_to = COALESCE($6, secret.given_to)",
        repository,
        environment,
        name,
        version,
        now,
        given_to.map(JsonText),
        every
    )?;
    Ok(())
}

/// Taking it locks the repository's row until the transaction ends.
async fn next_version(tx: &mut Tx, repository: &RepositoryId) -> Result<i64, StoreError> {
    let version: Option<(i64,)> = row!(
        &mut tx.conn(),
        "UPDATE repository SET last_secret_version = last_secret_version + 1 WHERE id = $1 RETURNING last_secret_version",
        repository
    )?;
    version.map(|(version,)| version).ok_or_else(|| StoreError::missing("repository", repository))
}

/// Forgets a secret with all of its values; tells whether there was one.
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
    forget_earlier(tx, repository, environment, name).await?;
    Ok(removed > 0)
}

/// Forgets all values of a secret but the one that it has now.
///
/// # Errors
/// When the database fails.
pub async fn forget_earlier(
    tx: &mut Tx,
    repository: &RepositoryId,
    environment: &str,
    name: &str,
) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "DELETE FROM secret_version WHERE repository_id = $1 AND environment = $2 AND name = $3 AND NOT EXISTS (
             SELECT 1 FROM secret s
             WHERE s.repository_id = $1 AND s.environment = $2 AND s.name = $3 AND s.version = secret_version.version)",
        repository,
        environment,
        name
    )?;
    Ok(())
}

/// The secrets of a repository and of all of its environments, in the order of environments and names; the
/// repository's own come first.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<Vec<SecretName>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT environment, name, version, updated_at, given_to FROM secret WHERE repository_id = $1 ORDER BY environment, name",
        repository
    )?)
}

/// A secret of any repository.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SecretOf {
    /// The repository's name.
    pub repository: String,
    /// The name of the one environment that it is for; empty for the whole repository.
    pub environment: String,
    /// Its name.
    pub name: String,
}

/// The secrets of the repositories whose names come after `after`, by repository, environment and name, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn of_all(conn: &mut Conn<'_>, after: &str, limit: i64) -> Result<Vec<SecretOf>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT r.name AS repository, s.environment, s.name FROM repository r CROSS JOIN secret s
         WHERE r.name > $1 AND s.repository_id = r.id ORDER BY r.name, s.environment, s.name LIMIT $2",
        after,
        limit
    )?)
}

/// How many values are kept of each secret of a repository: environment, name, number.
///
/// # Errors
/// When the database fails.
pub async fn kept_values(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
) -> Result<Vec<(String, String, i64)>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT environment, name, count(*) FROM secret_version WHERE repository_id = $1 GROUP BY environment, name",
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
        "SELECT s.environment, s.name, s.version, v.value, s.given_to
         FROM secret s JOIN secret_version v ON v.repository_id = s.repository_id AND v.version = s.version
         WHERE s.repository_id = $1 AND s.environment IN ('', $2) ORDER BY s.environment, s.name",
        repository,
        environment
    )?)
}

/// A value that a secret had, if it is still kept and holds for the environment.
pub(crate) async fn version(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    environment: &str,
    name: &str,
    version: i64,
) -> Result<Option<SealedSecret>, StoreError> {
    Ok(row!(
        conn,
        "SELECT v.environment, v.name, v.version, v.value, s.given_to FROM secret_version v JOIN secret s
         ON s.repository_id = v.repository_id AND s.environment = v.environment AND s.name = v.name
         WHERE v.repository_id = $1 AND v.version = $2 AND v.name = $3 AND v.environment IN ('', $4)",
        repository,
        version,
        name,
        environment
    )?)
}

/// The versions that were replaced before `before` and that no release of the repository runs with.
pub(crate) async fn unheld(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    before: i64,
) -> Result<Vec<i64>, StoreError> {
    let replaced: Vec<(i64,)> = rows!(
        conn,
        "SELECT v.version FROM secret_version v JOIN secret s
         ON s.repository_id = v.repository_id AND s.environment = v.environment AND s.name = v.name
         WHERE v.repository_id = $1 AND v.version <> s.version AND EXISTS (
             SELECT 1 FROM secret_version n
             WHERE n.repository_id = v.repository_id AND n.environment = v.environment AND n.name = v.name
               AND n.version > v.version AND n.made_at < $2)",
        repository,
        before
    )?;
    if replaced.is_empty() {
        return Ok(Vec::new());
    }
    let held = held(conn, repository).await?;
    Ok(replaced.into_iter().map(|(version,)| version).filter(|version| !held.contains(version)).collect())
}

#[derive(FromRow)]
struct Holder {
    id: ReleaseId,
    content: JsonText<Vec<HoldingApp>>,
}

/// The part of a released app that says which values it runs with.
#[derive(Deserialize)]
struct HoldingApp {
    #[serde(default)]
    secret_versions: BTreeMap<String, i64>,
}

/// The versions that the releases of a repository run with.
async fn held(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<BTreeSet<i64>, StoreError> {
    let mut held = BTreeSet::new();
    let mut after = String::new();
    loop {
        let page: Vec<Holder> = rows!(
            conn,
            "SELECT r.id, r.content FROM environment e JOIN release r ON r.environment_id = e.id
             WHERE e.repository_id = $1 AND r.id > $2 ORDER BY r.id LIMIT $3",
            repository,
            &after,
            RELEASES_AT_ONCE
        )?;
        let Some(last) = page.last() else { return Ok(held) };
        after = last.id.to_string();
        held.extend(page.iter().flat_map(|release| &release.content.0).flat_map(|app| app.secret_versions.values()));
    }
}

/// Forgets one value, unless a secret has it now.
pub(crate) async fn remove_version(tx: &mut Tx, repository: &RepositoryId, version: i64) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "DELETE FROM secret_version WHERE repository_id = $1 AND version = $2 AND NOT EXISTS (
             SELECT 1 FROM secret s WHERE s.repository_id = $1 AND s.version = $2)",
        repository,
        version
    )?;
    Ok(())
}
