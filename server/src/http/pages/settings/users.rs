//! `/settings/users`: people, and what they may do.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use slipway_web::{
    links,
    pages::{GrantRow, SettingsPlace, UserForm, UserLinkPage, UserRow, UsersPage},
    time::When,
};

use super::{Html, filled, frame, head, may, told};
use crate::{
    access::{Permission, Principal, Role, Routes},
    app::AppState,
    http::{
        api::users::{self as api, Change, WantedGrant},
        errors::Problem,
        extract::{Asked, Filled, Named},
    },
    ids::GrantId,
    store::{
        Conn, StoreError,
        users::{self, User, UserGrant},
    },
};

const PAGE: &str = "/settings/users";
/// The people on a page.
const PEOPLE: usize = 50;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(PAGE, Permission::Administer, show)
        .post(PAGE, Permission::Administer, invite)
        .post("/settings/users/{name}/link", Permission::Administer, renew)
        .post("/settings/users/{name}/grants", Permission::Administer, grant)
        .post("/settings/users/{name}/grants/{grant}/remove", Permission::Administer, take)
        .post("/settings/users/{name}/disable", Permission::Administer, disable)
        .post("/settings/users/{name}/enable", Permission::Administer, enable)
        .post("/settings/users/{name}/remove", Permission::Administer, remove)
}

/// Where the page begins.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    after: Option<String>,
}

/// The form for somebody new, or for one grant more.
#[derive(Debug, Default, Deserialize)]
struct Form {
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    repository: String,
    #[serde(default)]
    environment: String,
    /// Ticked where somebody who was removed is brought back.
    again: Option<String>,
}

impl Form {
    fn grant(&self) -> Result<WantedGrant, Problem> {
        let role = Role::named(&self.role).ok_or_else(|| Problem::unprocessable("Choose a role."))?;
        Ok(WantedGrant { role, repository: filled(&self.repository), environment: filled(&self.environment) })
    }
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<UsersPage>, Problem> {
    Ok(Html::ok(page(&state, &principal, wanted.after.as_deref().unwrap_or_default()).await?))
}

async fn page(state: &AppState, principal: &Principal, after: &str) -> Result<UsersPage, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let mut found = users::portion(conn, after, i64::try_from(PEOPLE + 1).unwrap_or(i64::MAX)).await?;
    let has_more = found.len() > PEOPLE;
    found.truncate(PEOPLE);
    let next = found.last().filter(|_| has_more).map(|last| format!("{PAGE}?after={}", links::encode(&last.name)));
    let mut rows = Vec::new();
    for user in found {
        rows.push(row(conn, user, now).await?);
    }
    Ok(UsersPage {
        frame: frame(SettingsPlace::Users, principal),
        head: head(SettingsPlace::Users),
        users: rows,
        next,
        form: UserForm { role: Role::Developer.name(), ..UserForm::default() },
        error: None,
    })
}

async fn row(conn: &mut Conn<'_>, user: User, now: i64) -> Result<UserRow, StoreError> {
    let address = format!("{PAGE}/{}", links::encode(&user.name));
    let grant = |grant: UserGrant| GrantRow {
        may: may(&grant.role, grant.repository.as_deref(), grant.environment.as_deref()),
        remove: grant.of_groups.is_none().then(|| format!("{address}/grants/{}/remove", grant.id)),
        of_groups: grant.of_groups,
    };
    let grants = users::grants(conn, &user.id).await?.into_iter().map(grant).collect();
    Ok(UserRow {
        grants,
        has_password: user.password_hash.is_some(),
        invited_until: user.link_until.filter(|until| *until > now).map(|at| When { at, now }),
        disabled: user.disabled_at.map(|at| When { at, now }),
        last_login: user.last_login_at.map(|at| When { at, now }),
        name: user.name,
        address,
    })
}

/// A page with what stood in the form, and why nothing came of it.
async fn again(state: &AppState, principal: &Principal, form: &Form, why: Problem) -> Result<Response, Problem> {
    let error = Some(told(why)?);
    let form = UserForm {
        name: form.name.clone(),
        role: Role::named(&form.role).unwrap_or(Role::Developer).name(),
        repository: form.repository.clone(),
        environment: form.environment.clone(),
        again: form.again.is_some(),
    };
    let page = UsersPage { form, error, ..page(state, principal, "").await? };
    Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The answer shows the link, this once.
fn linked(principal: &Principal, name: String, link: String) -> Response {
    let page =
        UserLinkPage { frame: frame(SettingsPlace::Users, principal), head: head(SettingsPlace::Users), name, link };
    Html::with_status(StatusCode::CREATED, page).into_response()
}

async fn invite(
    State(state): State<AppState>,
    principal: Principal,
    Filled(form): Filled<Form>,
) -> Result<Response, Problem> {
    let name = form.name.trim().to_owned();
    let made = match form.grant() {
        Ok(grant) => api::invite(&state, &principal, (&name, form.again.is_some()), grant).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(link) => Ok(linked(&principal, name, link)),
        Err(problem) => again(&state, &principal, &form, problem).await,
    }
}

async fn renew(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Response, Problem> {
    let link = api::renew_link(&state, &principal, &name).await?;
    Ok(linked(&principal, name, link))
}

async fn changed(state: &AppState, principal: &Principal, name: &str, change: Change) -> Result<Response, Problem> {
    match api::change(state, principal, name, change).await {
        Ok(()) => Ok(Redirect::to(PAGE).into_response()),
        Err(problem) => {
            let error = Some(told(problem)?);
            let page = UsersPage { error, ..page(state, principal, "").await? };
            Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

async fn grant(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
    Filled(form): Filled<Form>,
) -> Result<Response, Problem> {
    changed(&state, &principal, &name, Change::Allow(form.grant()?)).await
}

async fn take(
    State(state): State<AppState>,
    principal: Principal,
    Named((name, id)): Named<(String, GrantId)>,
) -> Result<Response, Problem> {
    changed(&state, &principal, &name, Change::Forbid(id)).await
}

async fn disable(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Response, Problem> {
    changed(&state, &principal, &name, Change::Disable).await
}

async fn enable(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Response, Problem> {
    changed(&state, &principal, &name, Change::Enable).await
}

async fn remove(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Response, Problem> {
    changed(&state, &principal, &name, Change::Remove).await
}
