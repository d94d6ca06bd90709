//! Tokens that people make for themselves. Of one counts what both it and its owner may do, at each request.

use serde_json::json;

use super::UserError;
use crate::{
    access::{Grant, Owner, Role, TokenFor, check_token_name, make_token},
    ids::TokenId,
    secrets::Secret,
    store::{
        StoreError, Tx,
        access_tokens::{self, AccessToken},
        audit,
        users::{self, User, UserGrant},
    },
};

/// The most that one person has at a time.
const MOST: usize = 50;
/// After how many days one expires unless it is said.
pub const USUAL_DAYS: u16 = 90;
/// The longest that one holds, in days.
const LONGEST_DAYS: u16 = 366;
/// A day, in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A token that somebody wants for themselves.
#[derive(Debug, Clone, Copy)]
pub struct OwnToken<'a> {
    /// What they call it.
    pub name: &'a str,
    /// The most that its bearer may do.
    pub grant: &'a Grant,
    /// After how many days it expires; none for the usual number.
    pub days: Option<u16>,
}

/// Makes a token for somebody. Made `with` another token of theirs, it is at most what that is, holds at most as long, ends with it,
/// and makes no others. Its value is in the answer and nowhere else.
///
/// # Errors
/// When it would be more than they are, or too many, or has no good name.
pub async fn make_own_token(
    tx: &mut Tx,
    user: &User,
    with: Option<&TokenId>,
    wanted: OwnToken<'_>,
    actor: &str,
) -> Result<(TokenId, Secret), UserError> {
    // First, so that nobody makes another one until this transaction ends.
    access_tokens::living_names(tx).await?;
    if with.is_none() && !users::is_still(tx, &user.id, user.password_hash.as_deref()).await? {
        return Err(UserError::Changed);
    }
    let own = access_tokens::of_user(&mut tx.conn(), &user.id).await?;
    if own.len() >= MOST {
        return Err(UserError::TooManyTokens(MOST));
    }
    let names: Vec<String> = own.iter().map(|token| token.name.clone()).collect();
    check_token_name(wanted.name, &names)?;
    let grants = users::grants(&mut tx.conn(), &user.id).await?;
    let most = grants.iter().filter_map(UserGrant::grant).map(|grant| grant.role).max();
    if Some(wanted.grant.role) > most {
        return Err(UserError::Beyond { name: user.name.clone(), most: most.map_or("nothing", Role::name) });
    }
    let days = wanted.days.unwrap_or(USUAL_DAYS);
    if !(1..=LONGEST_DAYS).contains(&days) {
        return Err(UserError::TokenDays(LONGEST_DAYS));
    }
    let mut expires_at = tx.now() + i64::from(days) * DAY_MS;
    if let Some(with) = with {
        let maker = own.iter().find(|token| token.id == *with).filter(|token| token.made_by.is_none());
        let maker = maker.filter(|maker| covers(maker, wanted.grant)).ok_or(UserError::BeyondToken)?;
        expires_at = maker.expires_at.map_or(expires_at, |last| last.min(expires_at));
    }
    let owner = Some(Owner { id: &user.id, name: &user.name, made_with: with });
    let name = wanted.name.trim();
    let token = TokenFor { name, grant: wanted.grant, expires_at: Some(expires_at), owner };
    Ok(make_token(tx, token, actor).await?)
}

/// Whether a token may do all that is granted.
fn covers(maker: &AccessToken, grant: &Grant) -> bool {
    let is_there = maker.repository.is_none()
        || (maker.repository == grant.repository
            && (maker.environment.is_none() || maker.environment == grant.environment));
    is_there && Role::named(&maker.role) >= Some(grant.role)
}

/// Whether somebody sees to this token of their own `with` another: that sees to itself and what it made, and a session to all.
#[must_use]
pub fn sees_to(with: Option<&TokenId>, token: &AccessToken) -> bool {
    with.is_none_or(|with| token.id == *with || token.made_by.as_ref() == Some(with))
}

/// Revokes a token of somebody's own, with those that were made with it.
///
/// # Errors
/// When they have none with this id, or the token that they come `with` does not see to it.
pub async fn revoke_own_token(
    tx: &mut Tx,
    user: &User,
    with: Option<&TokenId>,
    id: &TokenId,
    actor: &str,
) -> Result<(), UserError> {
    let found = access_tokens::find(&mut tx.conn(), id).await?;
    let own = found.filter(|token| token.user_id.as_ref() == Some(&user.id) && sees_to(with, token));
    let own = own.ok_or_else(|| StoreError::missing("access token", id))?;
    access_tokens::revoke(tx, id).await?;
    Ok(audit::append(tx, actor, "token.revoke", id.as_str(), json!({"name": own.name, "user": user.name})).await?)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn grant(role: Role, repository: Option<&str>, environment: Option<&str>) -> Grant {
        Grant::new(role, repository.map(str::to_owned), environment.map(str::to_owned)).unwrap()
    }

    fn maker(role: Role, repository: Option<&str>, environment: Option<&str>) -> AccessToken {
        AccessToken {
            id: TokenId::new(),
            name: "laptop".to_owned(),
            role: role.name().to_owned(),
            created_at: 0,
            revoked_at: None,
            runner_id: None,
            last_used_at: None,
            repository: repository.map(str::to_owned),
            environment: environment.map(str::to_owned),
            expires_at: None,
            user_id: None,
            made_by: None,
        }
    }

    #[test]
    fn a_token_sees_to_itself_and_what_it_made() {
        let laptop = maker(Role::Developer, None, None);
        let ci = AccessToken { made_by: Some(laptop.id.clone()), ..maker(Role::Viewer, None, None) };
        assert!(sees_to(None, &laptop) && sees_to(Some(&laptop.id), &laptop) && sees_to(Some(&laptop.id), &ci));
        assert!(!sees_to(Some(&ci.id), &laptop));
    }

    #[test]
    fn a_token_makes_none_that_is_more_than_itself() {
        use Role::{Deployer, Developer, Viewer};
        let everywhere = maker(Developer, None, None);
        assert!(covers(&everywhere, &grant(Developer, None, None)));
        assert!(covers(&everywhere, &grant(Viewer, Some("shop/*"), Some("dev"))));
        assert!(!covers(&everywhere, &grant(Deployer, Some("shop/web"), None)));
        let shop = maker(Deployer, Some("shop/*"), None);
        assert!(covers(&shop, &grant(Developer, Some("shop/*"), Some("dev"))));
        for more in [grant(Viewer, None, None), grant(Viewer, Some("*/*"), None)] {
            assert!(!covers(&shop, &more), "{more:?}");
        }
        let dev = maker(Deployer, Some("shop/*"), Some("dev"));
        assert!(covers(&dev, &grant(Deployer, Some("shop/*"), Some("dev"))));
        assert!(!covers(&dev, &grant(Viewer, Some("shop/*"), None)));
    }
}
