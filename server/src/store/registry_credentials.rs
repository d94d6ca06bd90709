//! Logins to registries, sealed.

use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, rows};
use crate::secrets::LoginScope;

/// A login to a registry; the password is sealed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SealedCredential {
    /// The registry's host and port as it stands in image names.
    pub host: String,
    /// The user name.
    pub username: String,
    /// The sealed password.
    pub password: Vec<u8>,
    /// The patterns of the repositories that it is for; none for every one.
    pub repositories: Option<JsonText<Vec<String>>>,
    /// When it was set, in unix milliseconds.
    pub updated_at: i64,
}

impl SealedCredential {
    /// The repositories that it is for.
    #[must_use]
    pub fn scope(&self) -> LoginScope {
        self.repositories.as_ref().map_or(LoginScope::Every, |patterns| LoginScope::Named(patterns.0.clone()))
    }
}

/// Sets the login for a registry.
///
/// # Errors
/// When the database fails.
pub async fn set(tx: &mut Tx, host: &str, username: &str, sealed: &[u8], scope: &LoginScope) -> Result<(), StoreError> {
    let now = tx.now();
    let repositories = scope.patterns().map(JsonText);
    execute!(
        &mut tx.conn(),
        "INSERT INTO registry_credential (host, username, password, repositories, updated_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (host) DO UPDATE
         SET username = excluded.username, password = excluded.password, repositories = excluded.repositories,
             updated_at = excluded.updated_at",
        host,
        username,
        sealed,
        repositories,
        now
    )?;
    Ok(())
}

/// Forgets the login for a registry; tells whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn remove(tx: &mut Tx, host: &str) -> Result<bool, StoreError> {
    Ok(execute!(&mut tx.conn(), "DELETE FROM registry_credential WHERE host = $1", host)? > 0)
}

/// Every login, in the order of hosts.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<SealedCredential>, StoreError> {
    Ok(rows!(conn, "SELECT host, username, password, repositories, updated_at FROM registry_credential ORDER BY host")?)
}
