//! `/settings/tokens`: access tokens.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use slipway_web::{
    pages::{NewTokenPage, SettingsPlace, TokenRow, TokensPage},
    time::When,
};

use super::{Html, frame, head, told};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        api::tokens as api,
        errors::Problem,
        extract::{Filled, Named},
    },
    ids::TokenId,
    store::access_tokens::{self, AccessToken},
};

const PAGE: &str = "/settings/tokens";
/// The most revoked tokens that are shown.
const REVOKED: usize = 100;

pub(super) fn routes() -> Routes {
    Routes::new().get(PAGE, Permission::Administer, show).post(PAGE, Permission::Administer, make).post(
        "/settings/tokens/{id}/revoke",
        Permission::Administer,
        revoke,
    )
}

#[derive(Debug, Deserialize)]
struct Wanted {
    name: String,
}

async fn show(State(state): State<AppState>, principal: Principal) -> Result<Html<TokensPage>, Problem> {
    Ok(Html::ok(page(&state, &principal).await?))
}

/// The answer shows the token, this once: it leads nowhere else, as no other page could show it again.
async fn make(
    State(state): State<AppState>,
    principal: Principal,
    Filled(Wanted { name }): Filled<Wanted>,
) -> Result<Response, Problem> {
    let name = name.trim().to_owned();
    let problem = match api::make(&state, &principal, &name).await {
        Ok((_, token)) => {
            let page = NewTokenPage {
                frame: frame(SettingsPlace::Tokens, &principal),
                head: head(SettingsPlace::Tokens),
                name,
                value: token.reveal().to_owned(),
            };
            return Ok(Html::with_status(StatusCode::CREATED, page).into_response());
        }
        Err(problem) => told(problem)?,
    };
    let page = TokensPage { name, error: Some(problem), ..page(&state, &principal).await? };
    Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn revoke(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<TokenId>,
) -> Result<Redirect, Problem> {
    api::end(&state, &principal, &id).await?;
    Ok(Redirect::to(PAGE))
}

async fn page(state: &AppState, principal: &Principal) -> Result<TokensPage, Problem> {
    let now = state.store.clock().now();
    let mut all = access_tokens::list(&mut state.store.read().await?.conn()).await?;
    all.reverse();
    let row = |token: AccessToken| TokenRow {
        revoke: token.runner_id.is_none().then(|| format!("{PAGE}/{}/revoke", token.id)),
        name: token.name,
        role: token.role,
        made: When { at: token.created_at, now },
        used: token.last_used_at.map(|at| When { at, now }),
        revoked: token.revoked_at.map(|at| When { at, now }),
    };
    let (revoked, living): (Vec<_>, Vec<_>) = all.into_iter().partition(|token| token.revoked_at.is_some());
    Ok(TokensPage {
        frame: frame(SettingsPlace::Tokens, principal),
        head: head(SettingsPlace::Tokens),
        living: living.into_iter().map(row).collect(),
        revoked: revoked.into_iter().take(REVOKED).map(row).collect(),
        name: String::new(),
        note: None,
        error: None,
    })
}
