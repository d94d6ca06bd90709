//! The tokens that are made: the administrator's on the first start, others on request.

use serde_json::json;

use super::{
    Role,
    token::{hash, mint_token},
};
use crate::{
    ids::TokenId,
    secrets::Secret,
    store::{Store, StoreError, Tx, access_tokens, audit},
};

/// The name of the token that the first start makes.
const FIRST: &str = "administrator";

/// Makes the administrator's token if there was never a token; none when there was.
///
/// # Errors
/// When the database fails.
pub async fn make_first_token(store: &Store) -> Result<Option<Secret>, StoreError> {
    let mut tx = store.write().await?;
    if !access_tokens::list(&mut tx.conn()).await?.is_empty() {
        return Ok(None);
    }
    let (_, token) = make_token(&mut tx, FIRST, "slipway").await?;
    tx.commit().await?;
    Ok(Some(token))
}

/// Makes an administrator's token. Its value is in the answer and nowhere else.
///
/// # Errors
/// When the database fails.
pub async fn make_token(tx: &mut Tx, name: &str, actor: &str) -> Result<(TokenId, Secret), StoreError> {
    let (id, token) = (TokenId::new(), mint_token());
    let role = Role::Administrator.name();
    access_tokens::insert(tx, &id, name, role, &hash(token.reveal()), None).await?;
    audit::append(tx, actor, "token.create", name, json!({"role": role})).await?;
    Ok((id, token))
}
