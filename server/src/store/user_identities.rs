//! Accounts elsewhere by which people log in, and the roles that come of what these belong to.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, row, rows};
use crate::{
    access::Role,
    ids::{GrantId, IdentityId, UserId},
};

/// An account elsewhere by which somebody logs in.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct UserIdentity {
    /// Its id.
    pub id: IdentityId,
    /// Whose it is.
    pub user_id: UserId,
    /// What the configuration called the provider.
    pub provider: String,
    /// What the account was called there at the last login.
    pub shown: String,
    /// When they last logged in by it, in unix milliseconds.
    pub last_login_at: Option<i64>,
}

/// An account elsewhere, as its provider names it.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Who says who it is.
    pub issuer: &'a str,
    /// Its id there.
    pub subject: &'a str,
    /// What the configuration calls the provider.
    pub provider: &'a str,
    /// What it is called there.
    pub shown: &'a str,
}

/// Whom an account elsewhere lets in.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, issuer: &str, subject: &str) -> Result<Option<UserIdentity>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, user_id, provider, shown, last_login_at FROM user_identity
         WHERE issuer = $1 AND subject = $2 AND disconnected_at IS NULL",
        issuer,
        subject
    )?)
}

/// By which accounts somebody logs in, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_user(conn: &mut Conn<'_>, user: &UserId) -> Result<Vec<UserIdentity>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, user_id, provider, shown, last_login_at FROM user_identity
         WHERE user_id = $1 AND disconnected_at IS NULL ORDER BY id",
        user
    )?)
}

/// The ids that somebody's accounts at `issuer` have there, also of those that were disconnected.
///
/// # Errors
/// When the database fails.
pub async fn subjects(conn: &mut Conn<'_>, user: &UserId, issuer: &str) -> Result<Vec<String>, StoreError> {
    let found: Vec<(String,)> =
        rows!(conn, "SELECT subject FROM user_identity WHERE user_id = $1 AND issuer = $2", user, issuer)?;
    Ok(found.into_iter().map(|(subject,)| subject).collect())
}

/// The accounts elsewhere that somebody connected after `since` (unix milliseconds), oldest first.
pub(crate) async fn connected_after(
    conn: &mut Conn<'_>,
    user: &UserId,
    since: i64,
) -> Result<Vec<UserIdentity>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, user_id, provider, shown, last_login_at FROM user_identity
         WHERE user_id = $1 AND created_at > $2 AND disconnected_at IS NULL ORDER BY id",
        user,
        since
    )?)
}

/// Lets somebody log in by an account elsewhere, also where they disconnected it before; false where that is or was somebody else's,
/// or lets them in already.
pub(crate) async fn insert(tx: &mut Tx, id: &IdentityId, user: &UserId, named: Named<'_>) -> Result<bool, StoreError> {
    let now = tx.now();
    let inserted = execute!(
        &mut tx.conn(),
        "INSERT INTO user_identity (id, issuer, subject, user_id, provider, shown, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (issuer, subject) DO UPDATE
         SET id = excluded.id, provider = excluded.provider, shown = excluded.shown, created_at = excluded.created_at,
             last_login_at = NULL, disconnected_at = NULL
         WHERE user_identity.user_id = excluded.user_id AND user_identity.disconnected_at IS NOT NULL",
        id,
        named.issuer,
        named.subject,
        user,
        named.provider,
        named.shown,
        now
    )?;
    Ok(inserted == 1)
}

/// Notes that somebody logged in by it, and what it is called by now.
pub(crate) async fn used(tx: &mut Tx, id: &IdentityId, named: Named<'_>) -> Result<(), StoreError> {
    let now = tx.now();
    let sql = "UPDATE user_identity SET last_login_at = $2, provider = $3, shown = $4 WHERE id = $1";
    execute!(&mut tx.conn(), sql, id, now, named.provider, named.shown)?;
    Ok(())
}

/// Lets somebody log in by it no more, and takes back what came of it. It stays known as theirs.
pub(crate) async fn disconnect(tx: &mut Tx, user: &UserId, id: &IdentityId) -> Result<(), StoreError> {
    let now = tx.now();
    let sql = "UPDATE user_identity SET disconnected_at = $3 WHERE id = $1 AND user_id = $2";
    execute!(&mut tx.conn(), sql, id, user, now)?;
    execute!(&mut tx.conn(), "DELETE FROM user_grant WHERE identity_id = $1", id)?;
    Ok(())
}

/// The role in the whole server that came of it.
pub(crate) async fn role(conn: &mut Conn<'_>, id: &IdentityId) -> Result<Option<String>, StoreError> {
    let found: Option<(String,)> = row!(conn, "SELECT role FROM user_grant WHERE identity_id = $1", id)?;
    Ok(found.map(|(role,)| role))
}

/// Makes this the role in the whole server that comes of it.
pub(crate) async fn set_role(
    tx: &mut Tx,
    user: &UserId,
    id: &IdentityId,
    role: Option<Role>,
) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM user_grant WHERE identity_id = $1", id)?;
    let now = tx.now();
    if let Some(role) = role {
        execute!(
            &mut tx.conn(),
            "INSERT INTO user_grant (id, user_id, role, created_at, identity_id) VALUES ($1, $2, $3, $4, $5)",
            GrantId::new(),
            user,
            role.name(),
            now,
            id
        )?;
    }
    Ok(())
}
