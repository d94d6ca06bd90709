//! Secrets of the whole instance, sealed, each for the repositories that its patterns name.

use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, row, rows};
use crate::secrets::{GivenTo, LoginScope};

/// A secret of the instance; its value is sealed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct InstanceSecret {
    /// Its name.
    pub name: String,
    /// How often it was set.
    pub version: i64,
    /// Its sealed value.
    pub value: Vec<u8>,
    /// The patterns of the repositories that it is for; none for every one.
    pub repositories: Option<JsonText<Vec<String>>>,
    /// The builds that it is for.
    pub given_to: JsonText<GivenTo>,
    /// When it was set, in unix milliseconds.
    pub updated_at: i64,
}

impl InstanceSecret {
    /// The repositories that it is for.
    #[must_use]
    pub fn scope(&self) -> LoginScope {
        self.repositories.as_ref().map_or(LoginScope::Every, |patterns| LoginScope::Named(patterns.0.clone()))
    }
}

/// Sets a secret of the instance. For which builds it is stays as it was, unless that is said.
pub(crate) async fn set(
    tx: &mut Tx,
    name: &str,
    sealed: &[u8],
    scope: &LoginScope,
    given_to: Option<&GivenTo>,
) -> Result<(), StoreError> {
    let now = tx.now();
    let (repositories, every) = (scope.patterns().map(JsonText), JsonText(GivenTo::default()));
    execute!(
        &mut tx.conn(),
        "INSERT INTO instance_secret (name, version, value, repositories, given_to, updated_at)
         VALUES ($1, 1, $2, $3, COALESCE($4, $5), $6)
         ON CONFLICT (name) DO UPDATE
         SET version = instance_secret.version + 1, value = excluded.value, repositories = excluded.repositories,
             given_to = COALESCE($4, instance_secret.given_to), updated_at = excluded.updated_at",
        name,
        sealed,
        repositories,
        given_to.map(JsonText),
        every,
        now
    )?;
    Ok(())
}

/// Forgets a secret of the instance; tells whether there was one.
pub(crate) async fn remove(tx: &mut Tx, name: &str) -> Result<bool, StoreError> {
    Ok(execute!(&mut tx.conn(), "DELETE FROM instance_secret WHERE name = $1", name)? > 0)
}

/// Every secret of the instance, by name; their number is limited.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<InstanceSecret>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT name, version, value, repositories, given_to, updated_at FROM instance_secret ORDER BY name"
    )?)
}

/// How many there are besides this one.
pub(crate) async fn count_others(conn: &mut Conn<'_>, name: &str) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(conn, "SELECT count(*) FROM instance_secret WHERE name <> $1", name)?;
    Ok(found.map_or(0, |(count,)| count))
}
