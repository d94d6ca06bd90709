//! What becomes of accounts. Each of these is one change, with its entry in the audit log.

use serde_json::json;

use super::UserError;
use crate::{
    access::{Grant, check_token_name, session, token},
    ids::{GrantId, SessionId, UserId},
    secrets::Secret,
    store::{
        Conn, StoreError, Tx, access_tokens, audit,
        user_identities::{self, UserIdentity},
        user_sessions,
        users::{self, User},
    },
};

/// How long the link holds by which somebody sets a password, in milliseconds: 3 days.
pub const LINK_MS: i64 = 3 * 24 * 60 * 60 * 1_000;
/// The most that anybody is granted.
const MOST_GRANTS: usize = 100;

/// The account of this name.
///
/// # Errors
/// When nobody is called so.
pub async fn named(conn: &mut Conn<'_>, name: &str) -> Result<User, UserError> {
    users::by_name(conn, name).await?.ok_or_else(|| UserError::Unknown(name.to_owned()))
}

/// Makes an account with a first grant. The answer is the end of the link by which its owner sets a password; it is known
/// nowhere else.
///
/// # Errors
/// When nobody may be called so, or somebody is or was, or a token is.
pub async fn invite(tx: &mut Tx, name: &str, grant: &Grant, actor: &str) -> Result<Secret, UserError> {
    if name.contains([',', '/']) {
        return Err(UserError::Divided);
    }
    let taken = access_tokens::living_names(tx).await?;
    if let Some(removed) = users::removed(&mut tx.conn(), name).await? {
        return Err(UserError::Retired(removed.name));
    }
    check_token_name(name, &taken)?;
    let id = UserId::new();
    users::insert(tx, &id, name.trim()).await?;
    users::add_grant(tx, &GrantId::new(), &id, grant).await?;
    audit::append(tx, actor, "user.invite", name.trim(), told(grant)).await?;
    Ok(link(tx, &id).await?)
}

/// Brings the account of somebody back that was removed, with a first grant. The accounts elsewhere that it had stay its own, and
/// open it once its owner connects them again. The answer is the end of the link by which its owner sets a password.
///
/// # Errors
/// When nobody of this name was removed.
pub async fn bring_back(tx: &mut Tx, name: &str, grant: &Grant, actor: &str) -> Result<Secret, UserError> {
    // First, so that nobody changes accounts or makes tokens until this transaction ends.
    access_tokens::living_names(tx).await?;
    let found = users::removed(&mut tx.conn(), name).await?;
    let user = found.ok_or_else(|| UserError::NotRemoved(name.trim().to_owned()))?;
    if !users::bring_back(tx, &user.id).await? {
        return Err(UserError::NotRemoved(user.name));
    }
    access_tokens::revoke_of_user(tx, &user.id).await?;
    for identity in user_identities::of_user(&mut tx.conn(), &user.id).await? {
        disconnect(tx, &user, &identity, (actor, "bringing back")).await?;
    }
    users::add_grant(tx, &GrantId::new(), &user.id, grant).await?;
    audit::append(tx, actor, "user.bring-back", &user.name, told(grant)).await?;
    Ok(link(tx, &user.id).await?)
}

/// Gives somebody a new link to set a password by, such as when they forgot theirs, which holds until they use the link.
///
/// # Errors
/// When the database fails.
pub async fn invite_again(tx: &mut Tx, user: &User, actor: &str) -> Result<Secret, UserError> {
    audit::append(tx, actor, "user.link", &user.name, json!({})).await?;
    Ok(link(tx, &user.id).await?)
}

async fn link(tx: &mut Tx, id: &UserId) -> Result<Secret, StoreError> {
    let end = Secret::new(token::random_text());
    let until = tx.now() + LINK_MS;
    users::set_link(tx, id, &token::hash(end.reveal()), until).await?;
    Ok(end)
}

/// Grants somebody something more.
///
/// # Errors
/// When they were granted too much already.
pub async fn allow(tx: &mut Tx, user: &User, grant: &Grant, actor: &str) -> Result<(), UserError> {
    if users::grants(&mut tx.conn(), &user.id).await?.len() >= MOST_GRANTS {
        return Err(UserError::TooMany(MOST_GRANTS));
    }
    users::add_grant(tx, &GrantId::new(), &user.id, grant).await?;
    Ok(audit::append(tx, actor, "user.grant", &user.name, told(grant)).await?)
}

/// Takes a grant back.
///
/// # Errors
/// When they do not have it, or of their groups at a provider, or nobody could administer the server any more.
pub async fn forbid(tx: &mut Tx, user: &User, id: &GrantId, actor: &str) -> Result<(), UserError> {
    let before = administrators(tx).await?;
    let grants = users::grants(&mut tx.conn(), &user.id).await?;
    let Some(found) = grants.iter().find(|grant| grant.id == *id) else {
        return Err(UserError::NotGranted(user.name.clone()));
    };
    if let Some(provider) = found.of_groups.clone() {
        return Err(UserError::OfGroups { name: user.name.clone(), provider });
    }
    users::remove_grant(tx, &user.id, id).await?;
    still_administered(tx, before, user).await?;
    let detail = json!({"role": found.role, "repository": found.repository, "environment": found.environment});
    Ok(audit::append(tx, actor, "user.forbid", &user.name, detail).await?)
}

/// Lets somebody do nothing any more, at once: their sessions end.
///
/// # Errors
/// When nobody could administer the server any more.
pub async fn disable(tx: &mut Tx, user: &User, actor: &str) -> Result<(), UserError> {
    let before = administrators(tx).await?;
    let now = tx.now();
    users::set_disabled(tx, &user.id, Some(now)).await?;
    user_sessions::end_others(tx, &user.id, None).await?;
    still_administered(tx, before, user).await?;
    Ok(audit::append(tx, actor, "user.disable", &user.name, json!({})).await?)
}

/// Lets somebody do again what they are granted.
///
/// # Errors
/// When the database fails.
pub async fn enable(tx: &mut Tx, user: &User, actor: &str) -> Result<(), UserError> {
    users::set_disabled(tx, &user.id, None).await?;
    Ok(audit::append(tx, actor, "user.enable", &user.name, json!({})).await?)
}

/// Removes an account. What its owner did stays in the audit log under their name, which becomes nobody else's, as what they
/// logged in by elsewhere does not.
///
/// # Errors
/// When nobody could administer the server any more.
pub async fn remove(tx: &mut Tx, user: &User, actor: &str) -> Result<(), UserError> {
    // First, as whoever makes a token does, so that neither waits for the other.
    access_tokens::living_names(tx).await?;
    let before = administrators(tx).await?;
    users::remove(tx, &user.id).await?;
    access_tokens::revoke_of_user(tx, &user.id).await?;
    user_sessions::end_others(tx, &user.id, None).await?;
    still_administered(tx, before, user).await?;
    Ok(audit::append(tx, actor, "user.remove", &user.name, json!({})).await?)
}

/// Sets somebody's password by its hash; where they showed the old one, by the hash `shown`, only if it is still that. Their
/// other sessions end.
///
/// # Errors
/// [`UserError::Changed`] when the account is another by now, or the database fails.
pub async fn set_password(
    tx: &mut Tx,
    user: &User,
    password_hash: &str,
    shown: Option<&str>,
    kept: Option<&SessionId>,
) -> Result<(), UserError> {
    if !users::set_password(tx, &user.id, password_hash, shown).await? {
        return Err(UserError::Changed);
    }
    user_sessions::end_others(tx, &user.id, kept).await?;
    Ok(audit::append(tx, &user.name, "user.password", &user.name, json!({})).await?)
}

/// Sets somebody's password by a link. Where they had one, it is one that an administrator gave to whoever lost theirs, perhaps
/// to somebody else: what was connected with the account since it was made opens it no more,
/// and no token of their own anything.
///
/// # Errors
/// [`UserError::Changed`] when the account is another by now, or the database fails.
pub async fn reset_password(tx: &mut Tx, user: &User, password_hash: &str) -> Result<(), UserError> {
    // First, as whoever makes a token does, so that neither waits for the other.
    access_tokens::living_names(tx).await?;
    set_password(tx, user, password_hash, None, None).await?;
    if user.password_hash.is_none() {
        return Ok(());
    }
    access_tokens::revoke_of_user(tx, &user.id).await?;
    for identity in user_identities::connected_after(&mut tx.conn(), &user.id, user.created_at).await? {
        disconnect(tx, user, &identity, (&user.name, "a new password")).await?;
    }
    Ok(())
}

async fn disconnect(
    tx: &mut Tx,
    user: &User,
    identity: &UserIdentity,
    (actor, by): (&str, &str),
) -> Result<(), StoreError> {
    user_identities::disconnect(tx, &user.id, &identity.id).await?;
    let detail = json!({"provider": identity.provider, "account": identity.shown, "by": by});
    audit::append(tx, actor, "user.disconnect", &user.name, detail).await
}

/// Opens a session for somebody, from an address and in what calls itself a browser. Where they showed a password, by the hash
/// `shown`, it must be theirs still. The answer is the cookie's value.
///
/// # Errors
/// [`UserError::Changed`] when the account is another by now, or the database fails.
pub async fn open_session(
    tx: &mut Tx,
    user: &User,
    shown: Option<&str>,
    from: (&str, &str),
) -> Result<Secret, UserError> {
    // First, so that nobody changes the account until this transaction ends.
    if !users::logged_in(tx, &user.id, shown).await? {
        return Err(UserError::Changed);
    }
    let value = Secret::new(token::random_text());
    let now = tx.now();
    user_sessions::end_expired(tx, &user.id, now - session::ABSOLUTE_MS, now - session::IDLE_MS).await?;
    user_sessions::insert(tx, &token::hash(value.reveal()), &user.id, from).await?;
    audit::append(tx, &user.name, "session.open", &user.name, json!({"address": from.0})).await?;
    Ok(value)
}

/// How many administer the whole server and can log in; they stay so until this transaction ends.
async fn administrators(tx: &mut Tx) -> Result<i64, StoreError> {
    users::locked_names(tx).await?;
    users::administrators(tx).await
}

async fn still_administered(tx: &mut Tx, before: i64, user: &User) -> Result<(), UserError> {
    if before > 0 && users::administrators(tx).await? == 0 {
        return Err(UserError::Last(user.name.clone()));
    }
    Ok(())
}

fn told(grant: &Grant) -> serde_json::Value {
    json!({"role": grant.role, "repository": grant.repository, "environment": grant.environment})
}
