//! Making, listing and revoking access tokens.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    page::{Cursor, Page},
    time::Time,
};
use crate::{
    access::{ApiRoutes, Permission, Principal, check_token_name, make_token},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Asked, Body, Named},
        openapi::Made,
    },
    ids::TokenId,
    secrets::Secret,
    store::{
        access_tokens::{self, AccessToken},
        audit,
    },
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Tokens")
        .get(
            "/api/v1/tokens",
            Permission::Administer,
            "listTokens",
            "Every access token, oldest first, without its value.",
            list,
        )
        .post(
            "/api/v1/tokens",
            Permission::Administer,
            "createToken",
            "Makes a token. The one answer that holds its value.",
            create,
        )
        .delete("/api/v1/tokens/{id}", Permission::Administer, "revokeToken", "Revokes a token.", revoke)
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewToken")]
#[serde(deny_unknown_fields)]
struct Create {
    /// Its bearer's name, in the audit log and wherever somebody's word counts.
    #[schemars(length(min = 1, max = 100))]
    name: String,
}

/// The one answer that holds a token's value.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CreatedToken")]
struct Created {
    id: String,
    name: String,
    token: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
struct TokenView {
    id: String,
    name: String,
    role: String,
    created_at: Time,
    revoked_at: Option<Time>,
    /// When it was last used, to the minute; null where that is not known.
    last_used_at: Option<Time>,
}

impl From<AccessToken> for TokenView {
    fn from(token: AccessToken) -> Self {
        TokenView {
            id: token.id.to_string(),
            name: token.name,
            role: token.role,
            created_at: Time(token.created_at),
            revoked_at: token.revoked_at.map(Time),
            last_used_at: token.last_used_at.map(Time),
        }
    }
}

async fn list(State(state): State<AppState>, Asked(cursor): Asked<Cursor>) -> Result<Json<Page<TokenView>>, Problem> {
    let after = cursor.parsed::<TokenId>()?;
    let rows = access_tokens::portion(&mut state.store.read().await?.conn(), after.as_ref(), cursor.rows()).await?;
    Ok(Json(cursor.page(rows, |row| row.id.to_string(), TokenView::from)))
}

async fn create(
    State(state): State<AppState>,
    principal: Principal,
    Body(asked): Body<Create>,
) -> Result<Made<Created>, Problem> {
    let (id, token) = make(&state, &principal, &asked.name).await?;
    let created = Created { id: id.to_string(), name: asked.name, token: token.reveal().to_owned() };
    Ok(Made(created))
}

/// Makes a token of that name, for the API and for the page. Its value is in the answer and nowhere else.
pub(in crate::http) async fn make(
    state: &AppState,
    principal: &Principal,
    name: &str,
) -> Result<(TokenId, Secret), Problem> {
    let mut tx = state.store.write().await?;
    let taken = access_tokens::living_names(&mut tx).await?;
    check_token_name(name, &taken).map_err(|error| Problem::unprocessable(error.to_string()))?;
    let made = make_token(&mut tx, name, principal.actor()).await?;
    tx.commit().await?;
    Ok(made)
}

/// A token that was just revoked.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RevokedToken")]
struct Revoked {
    id: TokenId,
}

async fn revoke(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<TokenId>,
) -> Result<Json<Revoked>, Problem> {
    end(&state, &principal, &id).await?;
    Ok(Json(Revoked { id }))
}

/// Revokes a token, for the API and for the page.
pub(in crate::http) async fn end(state: &AppState, principal: &Principal, id: &TokenId) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    access_tokens::revoke(&mut tx, id).await?;
    audit::append(&mut tx, principal.actor(), "token.revoke", id.as_str(), json!({})).await?;
    Ok(tx.commit().await?)
}
