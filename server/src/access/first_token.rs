//! The tokens that are made: the administrator's on the first start, others on request.

use serde_json::json;

use super::{
    Grant, Role,
    token::{hash, mint_token},
};
use crate::{
    ids::{TokenId, UserId},
    secrets::Secret,
    store::{
        Store, StoreError, Tx,
        access_tokens::{self, NewToken},
        audit,
    },
};

/// The name of the token that the first start makes.
const FIRST: &str = "administrator";

/// A token that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct TokenFor<'a> {
    /// Its bearer's name.
    pub name: &'a str,
    /// What its bearer may do.
    pub grant: &'a Grant,
    /// When it expires, in unix milliseconds; none for never.
    pub expires_at: Option<i64>,
    /// Whose own it is; none where its bearer is who its name says.
    pub owner: Option<Owner<'a>>,
}

/// The person who makes a token for themselves.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Their id.
    pub id: &'a UserId,
    /// Their name.
    pub name: &'a str,
    /// The token of theirs that they make it with.
    pub made_with: Option<&'a TokenId>,
}

/// What a start has to say of the administrator's token.
#[derive(Debug, Clone)]
pub enum FirstToken {
    /// It was made just now, and is to be shown once.
    Made(Secret),
    /// An earlier start made it, and nobody has used it so far: whoever should have seen it may not have.
    Unused,
    /// Somebody came in.
    Used,
}

/// Makes the administrator's token if there was never a token.
///
/// # Errors
/// When the database fails.
pub async fn make_first_token(store: &Store) -> Result<FirstToken, StoreError> {
    let mut tx = store.write().await?;
    let known = access_tokens::list(&mut tx.conn()).await?;
    if let Some(first) = known.first() {
        let is_unused = known.len() == 1 && first.name == FIRST && first.last_used_at.is_none();
        return Ok(if is_unused { FirstToken::Unused } else { FirstToken::Used });
    }
    let everything = Grant::everywhere(Role::Administrator);
    let first = TokenFor { name: FIRST, grant: &everything, expires_at: None, owner: None };
    let (_, token) = make_token(&mut tx, first, "slipway").await?;
    tx.commit().await?;
    Ok(FirstToken::Made(token))
}

/// Makes a token. Its value is in the answer and nowhere else.
///
/// # Errors
/// When the database fails.
pub async fn make_token(tx: &mut Tx, wanted: TokenFor<'_>, actor: &str) -> Result<(TokenId, Secret), StoreError> {
    let TokenFor { name, grant, expires_at, owner } = wanted;
    let (id, token) = (TokenId::new(), mint_token());
    let token_hash = hash(token.reveal());
    let stored = NewToken {
        id: &id,
        name,
        role: grant.role.name(),
        token_hash: &token_hash,
        runner: None,
        repository: grant.repository.as_deref(),
        environment: grant.environment.as_deref(),
        expires_at,
        user: owner.map(|owner| owner.id),
        made_by: owner.and_then(|owner| owner.made_with),
    };
    access_tokens::insert(tx, stored).await?;
    let detail = json!({
        "role": grant.role,
        "repository": grant.repository,
        "environment": grant.environment,
        "expires_at": expires_at,
        "user": owner.map(|owner| owner.name),
    });
    audit::append(tx, actor, "token.create", name, detail).await?;
    Ok((id, token))
}
