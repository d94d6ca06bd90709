//! Credentials for forges, sealed.

use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, rows};
use crate::{forge::CredentialKind, secrets::LoginScope};

/// A credential; what is secret of it is sealed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SealedCredential {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: CredentialKind,
    /// Where the forge's API is, without a slash at the end.
    pub api: String,
    /// The client id of a GitHub App.
    pub app: Option<String>,
    /// The sealed token or key.
    pub secret: Vec<u8>,
    /// The patterns of the repositories that it is for; none for every one.
    pub repositories: Option<JsonText<Vec<String>>>,
    /// Nothing is sent with it before, in unix milliseconds: the forge asked for a rest.
    pub resting_until: i64,
    /// 1 where its repositories are fetched with it as well, else 0.
    pub fetches: i64,
    /// When it was set, in unix milliseconds.
    pub updated_at: i64,
}

impl SealedCredential {
    /// The repositories that it is for.
    #[must_use]
    pub fn scope(&self) -> LoginScope {
        self.repositories.as_ref().map_or(LoginScope::Every, |patterns| LoginScope::Named(patterns.0.clone()))
    }

    /// Whether its repositories are fetched with it as well.
    #[must_use]
    pub fn is_to_fetch(&self) -> bool {
        self.fetches != 0
    }
}

/// Makes a credential, or takes the place of the one of its name.
pub(crate) async fn put(tx: &mut Tx, credential: &SealedCredential) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO forge_credential (name, kind, api, app, secret, repositories, resting_until, fetches, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (name) DO UPDATE
         SET kind = excluded.kind, api = excluded.api, app = excluded.app, secret = excluded.secret,
             repositories = excluded.repositories, resting_until = excluded.resting_until,
             fetches = excluded.fetches, updated_at = excluded.updated_at",
        &credential.name,
        credential.kind,
        &credential.api,
        credential.app.as_deref(),
        &credential.secret[..],
        credential.repositories.as_ref(),
        credential.resting_until,
        credential.fetches,
        credential.updated_at
    )?;
    Ok(())
}

/// Removes a credential; tells whether there was one.
pub(crate) async fn remove(tx: &mut Tx, name: &str) -> Result<bool, StoreError> {
    Ok(execute!(&mut tx.conn(), "DELETE FROM forge_credential WHERE name = $1", name)? > 0)
}

/// Lets nothing be sent with a credential before `until` (unix milliseconds).
pub(crate) async fn rest(tx: &mut Tx, name: &str, until: i64) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE forge_credential SET resting_until = $2 WHERE name = $1", name, until)?;
    Ok(())
}

/// All credentials, by name.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<SealedCredential>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT name, kind, api, app, secret, repositories, resting_until, fetches, updated_at
         FROM forge_credential ORDER BY name"
    )?)
}
