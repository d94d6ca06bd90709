//! Logins to registries, sealed.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, rows};

/// A login to a registry; the password is sealed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SealedCredential {
    /// The registry's host and port as it stands in image names.
    pub host: String,
    /// The user name.
    pub username: String,
    /// The sealed password.
    pub password: Vec<u8>,
    /// When it was set, in unix milliseconds.
    pub updated_at: i64,
}

/// Sets the login for a registry.
///
/// # Errors
/// When the database fails.
pub async fn set(tx: &mut Tx, host: &str, username: &str, sealed: &[u8]) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO registry_credential (host, username, password, updated_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (host) DO UPDATE
         SET username = excluded.username, password = excluded.password, updated_at = excluded.updated_at",
        host,
        username,
        sealed,
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
    Ok(rows!(conn, "SELECT host, username, password, updated_at FROM registry_credential ORDER BY host")?)
}
