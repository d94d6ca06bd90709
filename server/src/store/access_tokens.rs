//! Access tokens: only the SHA-256 of each is known here.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, row, rows, users};
use crate::{
    access::{Grant, Role},
    ids::{TokenId, UserId},
};

/// An access token, without its value.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AccessToken {
    /// Its id.
    pub id: TokenId,
    /// A name for people.
    pub name: String,
    /// What its bearer may do, such as `administrator`.
    pub role: String,
    /// When it was made, in unix milliseconds.
    pub created_at: i64,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
    /// The runner whose token it is.
    pub runner_id: Option<String>,
    /// When it was last used, to the minute, in unix milliseconds; none where that is not known.
    pub last_used_at: Option<i64>,
    /// The pattern of repositories that its role holds in; none for the server as a whole.
    pub repository: Option<String>,
    /// The pattern of environments there; none for the repositories as a whole.
    pub environment: Option<String>,
    /// When it expires, in unix milliseconds; none for never.
    pub expires_at: Option<i64>,
    /// The person who made it for themselves; it lets its bearer do no more than they may.
    pub user_id: Option<UserId>,
    /// The token of the same person that it was made with, and ends with.
    pub made_by: Option<TokenId>,
}

impl AccessToken {
    /// What it lets its bearer do; none of a role that this version does not know.
    #[must_use]
    pub fn grant(&self) -> Option<Grant> {
        Grant::stored(&self.role, self.repository.clone(), self.environment.clone())
    }

    /// Since when it has opened nothing any more, if it has expired by `now` (unix milliseconds).
    #[must_use]
    pub fn expired(&self, now: i64) -> Option<i64> {
        self.expires_at.filter(|at| *at <= now)
    }
}

/// A token to be stored, by the SHA-256 of its value.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    /// Its id.
    pub id: &'a TokenId,
    /// A name for people.
    pub name: &'a str,
    /// What its bearer may do.
    pub role: &'a str,
    /// The SHA-256 of its value.
    pub token_hash: &'a [u8],
    /// The runner whose token it is.
    pub runner: Option<&'a str>,
    /// The pattern of repositories that its role holds in.
    pub repository: Option<&'a str>,
    /// The pattern of environments there.
    pub environment: Option<&'a str>,
    /// When it expires, in unix milliseconds.
    pub expires_at: Option<i64>,
    /// The person who makes it for themselves.
    pub user: Option<&'a UserId>,
    /// The token of theirs that it is made with.
    pub made_by: Option<&'a TokenId>,
}

impl<'a> NewToken<'a> {
    /// A token that may do everything for ever.
    #[must_use]
    pub fn of_administrator(id: &'a TokenId, name: &'a str, token_hash: &'a [u8]) -> Self {
        let role = Role::Administrator.name();
        NewToken {
            id,
            name,
            role,
            token_hash,
            runner: None,
            repository: None,
            environment: None,
            expires_at: None,
            user: None,
            made_by: None,
        }
    }
}

/// Stores a token.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, token: NewToken<'_>) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO access_token
             (id, name, role, token_hash, created_at, runner_id, repository, environment, expires_at, user_id, made_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        token.id,
        token.name,
        token.role,
        token.token_hash,
        now,
        token.runner,
        token.repository,
        token.environment,
        token.expires_at,
        token.user,
        token.made_by
    )?;
    Ok(())
}

/// The tokens that somebody made for themselves and that were not revoked, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_user(conn: &mut Conn<'_>, user: &UserId) -> Result<Vec<AccessToken>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, name, role, created_at, revoked_at, runner_id, last_used_at, repository, environment, expires_at,
                user_id, made_by
         FROM access_token WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id",
        user
    )?)
}

/// The token with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, id: &TokenId) -> Result<Option<AccessToken>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, name, role, created_at, revoked_at, runner_id, last_used_at, repository, environment, expires_at,
                user_id, made_by
         FROM access_token WHERE id = $1",
        id
    )?)
}

/// The token whose value has this SHA-256, unless it was revoked.
///
/// # Errors
/// When the database fails.
pub async fn valid_by_hash(conn: &mut Conn<'_>, token_hash: &[u8]) -> Result<Option<AccessToken>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, name, role, created_at, revoked_at, runner_id, last_used_at, repository, environment, expires_at,
                user_id, made_by
         FROM access_token WHERE token_hash = $1 AND revoked_at IS NULL",
        token_hash
    )?)
}

/// Every token, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<AccessToken>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, name, role, created_at, revoked_at, runner_id, last_used_at, repository, environment, expires_at,
                user_id, made_by
         FROM access_token ORDER BY id"
    )?)
}

/// The runners that have a token which was not revoked.
pub(crate) async fn runners(conn: &mut Conn<'_>) -> Result<Vec<String>, StoreError> {
    let found: Vec<(String,)> =
        rows!(conn, "SELECT runner_id FROM access_token WHERE runner_id IS NOT NULL AND revoked_at IS NULL")?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// A token with the name of the person whose own it is.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct OwnedToken {
    /// The token.
    #[sqlx(flatten)]
    pub token: AccessToken,
    /// Whose own it is.
    pub owner: Option<String>,
}

/// Tokens behind `after`, oldest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn portion(conn: &mut Conn<'_>, after: Option<&TokenId>, limit: i64) -> Result<Vec<OwnedToken>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT t.id, t.name, t.role, t.created_at, t.revoked_at, t.runner_id, t.last_used_at, t.repository,
                t.environment, t.expires_at, t.user_id, t.made_by, u.name AS owner
         FROM access_token t LEFT JOIN user_account u ON u.id = t.user_id WHERE t.id > $1 ORDER BY t.id LIMIT $2",
        after.map_or("", TokenId::as_str),
        limit
    )?)
}

/// Tokens that were made before `before`, newest first, at most `limit`: those that hold, or those that were revoked.
///
/// # Errors
/// When the database fails.
pub async fn newest(
    conn: &mut Conn<'_>,
    is_revoked: bool,
    before: Option<&TokenId>,
    limit: i64,
) -> Result<Vec<OwnedToken>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT t.id, t.name, t.role, t.created_at, t.revoked_at, t.runner_id, t.last_used_at, t.repository,
                t.environment, t.expires_at, t.user_id, t.made_by, u.name AS owner
         FROM access_token t LEFT JOIN user_account u ON u.id = t.user_id
         WHERE t.id < $1 AND (t.revoked_at IS NOT NULL) = $2 ORDER BY t.id DESC LIMIT $3",
        before.map_or(super::LAST_ID, TokenId::as_str),
        is_revoked,
        limit
    )?)
}

/// The names of all people, and of the tokens of nobody else that were not revoked: a name is one bearer's. Where another transaction asks for them too, it waits until this one ends.
///
/// # Errors
/// When the database fails.
pub async fn living_names(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    // SQLite has one writer at a time anyway.
    if let Conn::Postgres(connection) = &mut tx.conn() {
        sqlx::query("LOCK TABLE access_token IN SHARE ROW EXCLUSIVE MODE").execute(&mut **connection).await?;
    }
    let found: Vec<(String,)> =
        rows!(&mut tx.conn(), "SELECT name FROM access_token WHERE revoked_at IS NULL AND user_id IS NULL")?;
    let mut names = users::locked_names(tx).await?;
    names.extend(found.into_iter().map(|(name,)| name));
    Ok(names)
}

/// Revokes a token, with those that its owner made with it, and ends its sessions.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such token, or it was revoked before.
pub async fn revoke(tx: &mut Tx, id: &TokenId) -> Result<(), StoreError> {
    let now = tx.now();
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE access_token SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        id,
        now
    )?;
    if changed != 1 {
        return Err(StoreError::missing("access token", id));
    }
    execute!(
        &mut tx.conn(),
        "UPDATE access_token SET revoked_at = $2 WHERE made_by = $1 AND revoked_at IS NULL",
        id,
        now
    )?;
    execute!(&mut tx.conn(), "DELETE FROM session WHERE token_id = $1", id)?;
    Ok(())
}

/// Notes that a token was used.
pub(crate) async fn touch(tx: &mut Tx, id: &TokenId) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(&mut tx.conn(), "UPDATE access_token SET last_used_at = $2 WHERE id = $1", id, now)?;
    Ok(())
}

/// Revokes the tokens that somebody made for themselves.
pub(crate) async fn revoke_of_user(tx: &mut Tx, user: &UserId) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "UPDATE access_token SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL",
        user,
        now
    )?;
    Ok(())
}

/// Revokes the tokens of a runner.
pub(crate) async fn revoke_of_runner(tx: &mut Tx, runner: &str) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "UPDATE access_token SET revoked_at = $2 WHERE runner_id = $1 AND revoked_at IS NULL",
        runner,
        now
    )?;
    Ok(())
}
