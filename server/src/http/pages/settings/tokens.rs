//! `/settings/tokens`: access tokens.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use slipway_web::{
    pages::{NewTokenPage, SettingsPlace, TokenForm, TokenRow, TokensPage},
    time::When,
};

use super::{Html, frame, head, told};
use crate::{
    access::{Permission, Principal, Role, Routes},
    app::AppState,
    http::{
        api::tokens as api,
        errors::Problem,
        extract::{Asked, Filled, Named},
        pages::token_form::WantedToken,
    },
    ids::TokenId,
    store::access_tokens::{self, AccessToken, OwnedToken},
};

const PAGE: &str = "/settings/tokens";
/// The tokens on a page.
const TOKENS: usize = 50;

pub(super) fn routes() -> Routes {
    Routes::new().get(PAGE, Permission::Administer, show).post(PAGE, Permission::Administer, make).post(
        "/settings/tokens/{id}/revoke",
        Permission::Administer,
        revoke,
    )
}

/// Which tokens are asked for.
#[derive(Debug, Default, Deserialize)]
struct Which {
    /// Those that were revoked.
    #[serde(default)]
    revoked: bool,
    before: Option<TokenId>,
}

impl Which {
    /// The page with these tokens, from the newest on or from `before` on.
    fn address(&self, before: Option<&TokenId>) -> String {
        let revoked = self.revoked.then(|| "revoked=true".to_owned());
        let said: Vec<String> = revoked.into_iter().chain(before.map(|before| format!("before={before}"))).collect();
        if said.is_empty() { PAGE.to_owned() } else { format!("{PAGE}?{}", said.join("&")) }
    }
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Asked(which): Asked<Which>,
) -> Result<Html<TokensPage>, Problem> {
    Ok(Html::ok(page(&state, &principal, &which).await?))
}

/// The answer shows the token, this once: it leads nowhere else, as no other page could show it again.
async fn make(
    State(state): State<AppState>,
    principal: Principal,
    Filled(wanted): Filled<WantedToken>,
) -> Result<Response, Problem> {
    let name = wanted.name().to_owned();
    let made = match wanted.rights() {
        Ok(rights) => api::make(&state, &principal, &name, &rights).await,
        Err(wrong) => Err(wrong),
    };
    let problem = match made {
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
    let page =
        TokensPage { form: wanted.form(), error: Some(problem), ..page(&state, &principal, &Which::default()).await? };
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

/// Somebody's role and where it holds.
pub(in crate::http::pages) fn may(role: &str, repository: Option<&str>, environment: Option<&str>) -> String {
    match (repository, environment) {
        (Some(repository), Some(environment)) => format!("{role} in {environment} of {repository}"),
        (Some(repository), None) => format!("{role} in {repository}"),
        (None, _) => role.to_owned(),
    }
}

/// A token as lists show it, without what can be done with it.
pub(in crate::http::pages) fn token_row(token: AccessToken, now: i64) -> TokenRow {
    TokenRow {
        may: may(&token.role, token.repository.as_deref(), token.environment.as_deref()),
        name: token.name,
        owner: None,
        expires: token.expires_at.map(|at| When { at, now }),
        has_expired: token.expires_at.is_some_and(|at| at <= now),
        made: When { at: token.created_at, now },
        used: token.last_used_at.map(|at| When { at, now }),
        revoked: token.revoked_at.map(|at| When { at, now }),
        revoke: None,
    }
}

async fn page(state: &AppState, principal: &Principal, which: &Which) -> Result<TokensPage, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let limit = i64::try_from(TOKENS).unwrap_or(i64::MAX);
    let mut found = access_tokens::newest(&mut reader.conn(), which.revoked, which.before.as_ref(), limit + 1).await?;
    let more = found.len() > TOKENS;
    found.truncate(TOKENS);
    let row = |OwnedToken { token, owner }: OwnedToken| {
        let may_end = token.runner_id.is_none() && token.revoked_at.is_none();
        let revoke = may_end.then(|| format!("{PAGE}/{}/revoke", token.id));
        TokenRow { owner, revoke, ..token_row(token, now) }
    };
    Ok(TokensPage {
        frame: frame(SettingsPlace::Tokens, principal),
        head: head(SettingsPlace::Tokens),
        older: found.last().filter(|_| more).map(|last| which.address(Some(&last.token.id))),
        newest: which.before.as_ref().map(|_| which.address(None)),
        tokens: found.into_iter().map(row).collect(),
        is_revoked: which.revoked,
        form: TokenForm { role: Role::Viewer.name(), ..TokenForm::default() },
        note: None,
        error: None,
    })
}
