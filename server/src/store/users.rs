//! People's accounts and their grants. Of a password only its hash is known here, and of a link as well.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, row, rows};
use crate::{
    access::Grant,
    ids::{GrantId, UserId},
};

/// Somebody's account. Those that were removed are found by [`removed`] alone.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Their name, as they write it.
    pub name: String,
    /// The argon2id hash of their password; none until they set one.
    pub password_hash: Option<String>,
    /// Until when the link holds by which they set a password, in unix milliseconds.
    pub link_until: Option<i64>,
    /// Since when they may do nothing.
    pub disabled_at: Option<i64>,
    /// When the account was made.
    pub created_at: i64,
    /// When they last logged in.
    pub last_login_at: Option<i64>,
}

/// What somebody was granted.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct UserGrant {
    /// Its id.
    pub id: GrantId,
    /// The role's name.
    pub role: String,
    /// The pattern of repositories that it holds in; none for the server as a whole.
    pub repository: Option<String>,
    /// The pattern of environments there; none for the repositories as a whole.
    pub environment: Option<String>,
    /// The provider of whose groups it comes; none where somebody granted it.
    pub of_groups: Option<String>,
    /// When that provider last said so, at a login, in unix milliseconds.
    pub said_at: Option<i64>,
}

impl UserGrant {
    /// The grant; none of a role that this version does not know.
    #[must_use]
    pub fn grant(&self) -> Option<Grant> {
        Grant::stored(&self.role, self.repository.clone(), self.environment.clone())
    }
}

/// A name as names are compared.
#[must_use]
pub fn key(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Makes an account, without a password.
///
/// # Errors
/// [`StoreError::Refused`] when somebody is called so.
pub async fn insert(tx: &mut Tx, id: &UserId, name: &str) -> Result<(), StoreError> {
    let now = tx.now();
    let inserted = execute!(
        &mut tx.conn(),
        "INSERT INTO user_account (id, name, name_key, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name_key) DO NOTHING",
        id,
        name,
        key(name),
        now
    )?;
    if inserted == 1 { Ok(()) } else { Err(StoreError::Refused(format!("somebody is called {name} already"))) }
}

/// The account with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, id: &UserId) -> Result<Option<User>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, name, password_hash, link_until, disabled_at, created_at, last_login_at
         FROM user_account WHERE id = $1 AND removed_at IS NULL",
        id
    )?)
}

/// The account of this name, however it is written.
///
/// # Errors
/// When the database fails.
pub async fn by_name(conn: &mut Conn<'_>, name: &str) -> Result<Option<User>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, name, password_hash, link_until, disabled_at, created_at, last_login_at
         FROM user_account WHERE name_key = $1 AND removed_at IS NULL",
        key(name)
    )?)
}

/// The account whose link has this SHA-256, if that holds at `now`.
///
/// # Errors
/// When the database fails.
pub async fn by_link(conn: &mut Conn<'_>, link_hash: &[u8], now: i64) -> Result<Option<User>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, name, password_hash, link_until, disabled_at, created_at, last_login_at
         FROM user_account WHERE link_hash = $1 AND link_until > $2 AND disabled_at IS NULL AND removed_at IS NULL",
        link_hash,
        now
    )?)
}

/// Accounts behind the name `after`, by name, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn portion(conn: &mut Conn<'_>, after: &str, limit: i64) -> Result<Vec<User>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, name, password_hash, link_until, disabled_at, created_at, last_login_at
         FROM user_account WHERE name_key > $1 AND removed_at IS NULL ORDER BY name_key LIMIT $2",
        key(after),
        limit
    )?)
}

/// The names of all people, also of those whose account was removed. Where another transaction changes accounts, it waits until this one ends.
pub(crate) async fn locked_names(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    // SQLite has one writer at a time anyway.
    if let Conn::Postgres(connection) = &mut tx.conn() {
        sqlx::query("LOCK TABLE user_account IN SHARE ROW EXCLUSIVE MODE").execute(&mut **connection).await?;
    }
    let found: Vec<(String,)> = rows!(&mut tx.conn(), "SELECT name FROM user_account ORDER BY name_key")?;
    Ok(found.into_iter().map(|(name,)| name).collect())
}

/// Gives somebody a link to set a password by.
pub(crate) async fn set_link(tx: &mut Tx, id: &UserId, link_hash: &[u8], until: i64) -> Result<(), StoreError> {
    let sql = "UPDATE user_account SET link_hash = $2, link_until = $3 WHERE id = $1";
    execute!(&mut tx.conn(), sql, id, link_hash, until)?;
    Ok(())
}

/// Sets somebody's password. Their link is used up.
pub(crate) async fn set_password(
    tx: &mut Tx,
    id: &UserId,
    password_hash: &str,
    shown: Option<&str>,
) -> Result<bool, StoreError> {
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE user_account SET password_hash = $2, link_hash = NULL, link_until = NULL
         WHERE id = $1 AND disabled_at IS NULL AND removed_at IS NULL AND (CAST($3 AS TEXT) IS NULL OR password_hash = $3)",
        id,
        password_hash,
        shown
    )?;
    Ok(changed == 1)
}

/// Lets somebody do nothing since `at`, or everything that they may again.
pub(crate) async fn set_disabled(tx: &mut Tx, id: &UserId, at: Option<i64>) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "UPDATE user_account SET disabled_at = $2, link_hash = NULL, link_until = NULL WHERE id = $1",
        id,
        at
    )?;
    Ok(())
}

/// Notes that somebody logged in, if they still may, and where they showed a password by the hash `shown`, if that is still theirs.
pub(crate) async fn logged_in(tx: &mut Tx, id: &UserId, shown: Option<&str>) -> Result<bool, StoreError> {
    let now = tx.now();
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE user_account SET last_login_at = $2
         WHERE id = $1 AND disabled_at IS NULL AND removed_at IS NULL AND (CAST($3 AS TEXT) IS NULL OR password_hash = $3)",
        id,
        now,
        shown
    )?;
    Ok(changed == 1)
}

/// Whether somebody may still log in, and where they showed a password by the hash `shown`, whether that is still theirs. It stays
/// so until this transaction ends.
pub(crate) async fn is_still(tx: &mut Tx, id: &UserId, shown: Option<&str>) -> Result<bool, StoreError> {
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE user_account SET last_login_at = last_login_at
         WHERE id = $1 AND disabled_at IS NULL AND removed_at IS NULL AND (CAST($2 AS TEXT) IS NULL OR password_hash = $2)",
        id,
        shown
    )?;
    Ok(changed == 1)
}

/// Removes an account: its password, its link and its grants. Its name, and the accounts elsewhere that are connected with it,
/// stay its own.
pub(crate) async fn remove(tx: &mut Tx, id: &UserId) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "UPDATE user_account SET removed_at = $2, password_hash = NULL, link_hash = NULL, link_until = NULL
         WHERE id = $1",
        id,
        now
    )?;
    execute!(&mut tx.conn(), "DELETE FROM user_grant WHERE user_id = $1", id)?;
    Ok(())
}

/// The removed account of this name, however it is written.
pub(crate) async fn removed(conn: &mut Conn<'_>, name: &str) -> Result<Option<User>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, name, password_hash, link_until, disabled_at, created_at, last_login_at
         FROM user_account WHERE name_key = $1 AND removed_at IS NOT NULL",
        key(name)
    )?)
}

/// What somebody is called, also after their account was removed.
///
/// # Errors
/// When the database fails.
pub async fn name_of(conn: &mut Conn<'_>, id: &UserId) -> Result<Option<String>, StoreError> {
    let found: Option<(String,)> = row!(conn, "SELECT name FROM user_account WHERE id = $1", id)?;
    Ok(found.map(|(name,)| name))
}

/// Brings a removed account back, enabled, and without a password or a grant; false where it is back already.
pub(crate) async fn bring_back(tx: &mut Tx, id: &UserId) -> Result<bool, StoreError> {
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE user_account SET removed_at = NULL, disabled_at = NULL WHERE id = $1 AND removed_at IS NOT NULL",
        id
    )?;
    execute!(&mut tx.conn(), "DELETE FROM user_grant WHERE user_id = $1", id)?;
    Ok(changed == 1)
}

/// What somebody was granted, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn grants(conn: &mut Conn<'_>, user: &UserId) -> Result<Vec<UserGrant>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT g.id, g.role, g.repository, g.environment, i.provider AS of_groups, i.last_login_at AS said_at
         FROM user_grant g LEFT JOIN user_identity i ON i.id = g.identity_id
         WHERE g.user_id = $1 ORDER BY g.id",
        user
    )?)
}

/// Grants somebody something.
pub(crate) async fn add_grant(tx: &mut Tx, id: &GrantId, user: &UserId, grant: &Grant) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO user_grant (id, user_id, role, repository, environment, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        id,
        user,
        grant.role.name(),
        grant.repository.as_deref(),
        grant.environment.as_deref(),
        now
    )?;
    Ok(())
}

/// Takes a grant back; tells whether there was one.
pub(crate) async fn remove_grant(tx: &mut Tx, user: &UserId, id: &GrantId) -> Result<bool, StoreError> {
    Ok(execute!(&mut tx.conn(), "DELETE FROM user_grant WHERE id = $1 AND user_id = $2", id, user)? == 1)
}

/// How many can administer the whole server and log in by themselves: with a password of their own, and by a grant that no
/// provider takes back.
pub(crate) async fn administrators(tx: &mut Tx) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(
        &mut tx.conn(),
        "SELECT COUNT(*) FROM user_account
         WHERE disabled_at IS NULL AND removed_at IS NULL AND password_hash IS NOT NULL
           AND EXISTS (SELECT 1 FROM user_grant
                       WHERE user_grant.user_id = user_account.id AND user_grant.role = 'administrator'
                         AND user_grant.repository IS NULL AND user_grant.identity_id IS NULL)"
    )?;
    Ok(found.map_or(0, |(count,)| count))
}
