//! Logging in by an account elsewhere. Whose that is, is said by its id there alone: an equal name or address of mail makes
//! nobody somebody else.

use serde_json::json;

use super::UserError;
use crate::{
    access::{
        Grant, TokenNameError, check_token_name,
        external::{EntranceError, Identity, Proved, Provider},
        is_unseen, says_via,
    },
    ids::{GrantId, IdentityId, UserId},
    store::{
        StoreError, Tx, access_tokens, audit,
        user_identities::{self as identities, Named, UserIdentity},
        users::{self, User},
    },
};

/// The most accounts elsewhere by which one person logs in.
const MOST: usize = 20;
/// How many names are tried for somebody whose own is taken.
const NAMES: u32 = 100;
/// The longest beginning of a name, in characters; a number may follow.
const LONGEST_NAME: usize = 90;

/// Why somebody does not come in by an account elsewhere.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The provider's accounts do not all come in.
    #[error(transparent)]
    Entrance(#[from] EntranceError),
    /// It is nobody's here.
    #[error(
        "“{shown}” of {provider} is connected with no account here: log in as before and connect it on the page “Your account”, or ask an administrator for an account"
    )]
    Unlinked {
        /// What it is called there.
        shown: String,
        /// The provider.
        provider: String,
    },
    /// Whose it is may do nothing.
    #[error("the account {0} is disabled; an administrator can enable it")]
    Disabled(String),
    /// Whose it is was removed.
    #[error(
        "{shown} of {provider} belongs to an account here that was removed; an administrator can bring it back (`slipway user create NAME --again`)"
    )]
    Removed {
        /// What it is called there.
        shown: String,
        /// The provider.
        provider: String,
    },
    /// It is somebody else's here.
    #[error(
        "{shown} of {provider} is or was connected with another account here, and opens no other one: whose it is connects it there again, on the page “Your account”"
    )]
    Taken {
        /// What it is called there.
        shown: String,
        /// The provider.
        provider: String,
    },
    /// Nobody needs so many.
    #[error("nobody is connected with more than {MOST} accounts elsewhere: disconnect one first")]
    TooMany,
    /// Its owner could not log in any more.
    #[error("“{0}” has no password, and could not log in any more: ask an administrator for a link to set one first")]
    Last(String),
    /// There is none.
    #[error("this account is not connected; it may have been disconnected meanwhile")]
    NotConnected,
    /// Nobody can be made of it.
    #[error(transparent)]
    User(#[from] UserError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who comes in by an account elsewhere: the person who is connected with it, or a new one where the provider's accounts become
/// people. What the account's groups give, counts from now on.
///
/// # Errors
/// [`IdentityError`] says why nobody does.
pub async fn come_in(tx: &mut Tx, provider: &Provider, identity: &Identity) -> Result<User, IdentityError> {
    let (entrance, named) = (provider.entrance(), named(provider, identity));
    entrance.admit(identity, provider.name())?;
    let found = identities::find(&mut tx.conn(), &identity.issuer, &identity.subject).await?;
    let (user, id) = match found {
        Some(UserIdentity { id, user_id, .. }) => {
            let user = users::find(&mut tx.conn(), &user_id).await?;
            let (shown, provider) = (identity.shown.clone(), provider.name().to_owned());
            (user.ok_or(IdentityError::Removed { shown, provider })?, id)
        }
        None if !entrance.create => {
            let (shown, provider) = (identity.shown.clone(), provider.name().to_owned());
            return Err(IdentityError::Unlinked { shown, provider });
        }
        None => {
            let user = create(tx, provider, identity).await?;
            let id = link(tx, &user, named).await?;
            (user, id)
        }
    };
    if user.disabled_at.is_some() {
        return Err(IdentityError::Disabled(user.name));
    }
    identities::used(tx, &id, named).await?;
    let role = entrance.role_of_groups(identity);
    if identities::role(&mut tx.conn(), &id).await?.as_deref() != role.map(|role| role.name()) {
        identities::set_role(tx, &user.id, &id, role).await?;
        let detail = json!({"provider": provider.name(), "role": role});
        audit::append(tx, &user.name, "user.groups", &user.name, detail).await?;
    }
    Ok(user)
}

/// Lets somebody log in too by an account elsewhere that they proved to have.
///
/// # Errors
/// [`IdentityError`] says why not.
pub async fn connect(tx: &mut Tx, user: &User, provider: &Provider, proved: &Proved) -> Result<(), IdentityError> {
    // First, so that nobody changes the account until this transaction ends.
    if !users::is_still(tx, &user.id, user.password_hash.as_deref()).await? {
        return Err(UserError::Changed.into());
    }
    if identities::of_user(&mut tx.conn(), &user.id).await?.len() >= MOST {
        return Err(IdentityError::TooMany);
    }
    let (issuer, subject) = (proved.issuer(), proved.subject());
    link(tx, user, Named { issuer, subject, provider: provider.name(), shown: proved.shown() }).await.map(drop)
}

/// Lets somebody log in by an account elsewhere no more. It stays known as theirs: what they push by it, they do not approve.
///
/// # Errors
/// When it is not theirs, or the only way in that they have.
pub async fn disconnect(tx: &mut Tx, user: &User, id: &IdentityId) -> Result<(), IdentityError> {
    let own = identities::of_user(&mut tx.conn(), &user.id).await?;
    let found = own.iter().find(|one| one.id == *id).ok_or(IdentityError::NotConnected)?;
    if own.len() == 1 && user.password_hash.is_none() {
        return Err(IdentityError::Last(user.name.clone()));
    }
    identities::disconnect(tx, &user.id, id).await?;
    let detail = json!({"provider": found.provider, "account": found.shown});
    Ok(audit::append(tx, &user.name, "user.disconnect", &user.name, detail).await?)
}

fn named<'a>(provider: &'a Provider, identity: &'a Identity) -> Named<'a> {
    let Identity { issuer, subject, shown, .. } = identity;
    Named { issuer, subject, provider: provider.name(), shown }
}

async fn link(tx: &mut Tx, user: &User, named: Named<'_>) -> Result<IdentityId, IdentityError> {
    let id = IdentityId::new();
    if !identities::insert(tx, &id, &user.id, named).await? {
        return Err(IdentityError::Taken { shown: named.shown.to_owned(), provider: named.provider.to_owned() });
    }
    let detail = json!({"provider": named.provider, "account": named.shown, "id": named.subject});
    audit::append(tx, &user.name, "user.connect", &user.name, detail).await?;
    Ok(id)
}

/// Makes a person of an account elsewhere, called as that is if nobody here is.
async fn create(tx: &mut Tx, provider: &Provider, identity: &Identity) -> Result<User, IdentityError> {
    let taken = access_tokens::living_names(tx).await?;
    let name = free_name(&identity.name, &taken).ok_or(UserError::Name(TokenNameError::Taken))?;
    let id = UserId::new();
    users::insert(tx, &id, &name).await?;
    if let Some(role) = provider.entrance().role {
        users::add_grant(tx, &GrantId::new(), &id, &Grant::everywhere(role)).await?;
    }
    let detail = json!({"provider": provider.name(), "account": identity.shown, "role": provider.entrance().role});
    audit::append(tx, "slipway", "user.create", &name, detail).await?;
    users::find(&mut tx.conn(), &id).await?.ok_or(IdentityError::NotConnected)
}

/// The name itself, or with the first number that nobody has.
fn free_name(wanted: &str, taken: &[String]) -> Option<String> {
    let plain = wanted.replace([',', '/'], "-");
    let plain: String = plain.chars().filter(|c| !is_unseen(*c)).collect();
    let plain: String = plain.trim().chars().take(LONGEST_NAME).collect();
    let plain = if says_via(&plain) { plain.split_whitespace().collect::<Vec<_>>().join("-") } else { plain };
    let plain = if plain.is_empty() { "person".to_owned() } else { plain };
    let numbered = (2..NAMES).map(|number| format!("{plain}-{number}"));
    std::iter::once(plain.clone()).chain(numbered).find(|name| check_token_name(name, taken).is_ok())
}

#[cfg(test)]
mod tests {
    use super::free_name;

    #[test]
    fn nobody_is_given_somebody_elses_name() {
        let taken = ["Ana".to_owned(), "ana-2".to_owned()];
        assert_eq!(free_name("ana", &taken).as_deref(), Some("ana-3"));
        assert_eq!(free_name(" Slipway", &taken).as_deref(), Some("Slipway-2"));
        assert_eq!(free_name("a,b/c\n", &taken).as_deref(), Some("a-b-c"));
        assert_eq!(free_name("ana via laptop", &taken).as_deref(), Some("ana-via-laptop"));
        assert_eq!(free_name("\u{7}", &taken).as_deref(), Some("person"));
    }
}
