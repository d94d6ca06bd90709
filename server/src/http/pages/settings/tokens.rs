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

use super::{Html, filled, frame, head, told};
use crate::{
    access::{Permission, Principal, Role, Routes},
    app::AppState,
    http::{
        api::tokens::{self as api, TokenRights},
        errors::Problem,
        extract::{Filled, Named},
    },
    ids::TokenId,
    store::{
        access_tokens::{self, AccessToken},
        users,
    },
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
    #[serde(default)]
    role: String,
    #[serde(default)]
    repository: String,
    #[serde(default)]
    environment: String,
    #[serde(default)]
    days: String,
}

impl Wanted {
    /// What the token is to allow. A role that there is not, or days that are no number, come to something that is refused.
    fn rights(&self) -> Result<TokenRights, String> {
        let role = Role::named(&self.role).ok_or("Choose what the token may do.")?;
        let days = Some(self.days.trim()).filter(|days| !days.is_empty()).map(str::parse);
        let expires_in_days = days.transpose().map_err(|_| "The days are a whole number, such as 90.")?;
        let repository = filled(&self.repository);
        Ok(TokenRights { role, repository, environment: filled(&self.environment), expires_in_days })
    }

    fn form(&self) -> TokenForm {
        TokenForm {
            name: self.name.trim().to_owned(),
            role: Role::named(&self.role).unwrap_or(Role::Viewer).name(),
            repository: self.repository.clone(),
            environment: self.environment.clone(),
            days: self.days.clone(),
        }
    }
}

async fn show(State(state): State<AppState>, principal: Principal) -> Result<Html<TokensPage>, Problem> {
    Ok(Html::ok(page(&state, &principal).await?))
}

/// The answer shows the token, this once: it leads nowhere else, as no other page could show it again.
async fn make(
    State(state): State<AppState>,
    principal: Principal,
    Filled(wanted): Filled<Wanted>,
) -> Result<Response, Problem> {
    let name = wanted.name.trim().to_owned();
    let made = match wanted.rights() {
        Ok(rights) => api::make(&state, &principal, &name, &rights).await,
        Err(wrong) => Err(Problem::unprocessable(wrong)),
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
    let page = TokensPage { form: wanted.form(), error: Some(problem), ..page(&state, &principal).await? };
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

/// What somebody may do and where, in words.
pub(in crate::http::pages) fn may(role: &str, repository: Option<&str>, environment: Option<&str>) -> String {
    let may = match role {
        "administrator" if repository.is_none() => return "everything".to_owned(),
        "administrator" => "everything",
        "deployer" => "build and release",
        "developer" => "build",
        "viewer" => "look",
        "runner" => return "run jobs".to_owned(),
        other => other,
    };
    match (repository, environment) {
        (Some(repository), Some(environment)) => format!("{may} in {environment} of {repository}"),
        (Some(repository), None) => format!("{may} in {repository}"),
        (None, _) => may.to_owned(),
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

async fn page(state: &AppState, principal: &Principal) -> Result<TokensPage, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let all = access_tokens::list(&mut reader.conn()).await?.into_iter().rev();
    let (revoked, living): (Vec<_>, Vec<_>) = all.partition(|token| token.revoked_at.is_some());
    let mut rows = Vec::new();
    for token in living.into_iter().chain(revoked.into_iter().take(REVOKED)) {
        let owner = match &token.user_id {
            Some(owner) => users::name_of(&mut reader.conn(), owner).await?,
            None => None,
        };
        let revoke = token.runner_id.is_none().then(|| format!("{PAGE}/{}/revoke", token.id));
        rows.push(TokenRow { owner, revoke, ..token_row(token, now) });
    }
    let (revoked, living) = rows.into_iter().partition(|row| row.revoked.is_some());
    Ok(TokensPage {
        frame: frame(SettingsPlace::Tokens, principal),
        head: head(SettingsPlace::Tokens),
        living,
        revoked,
        form: TokenForm { role: Role::Viewer.name(), ..TokenForm::default() },
        note: None,
        error: None,
    })
}
