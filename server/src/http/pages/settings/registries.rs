//! `/settings/registries`: logins to registries.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use slipway_web::{
    links,
    pages::{RegistriesPage, RegistryForm, RegistryRow, SettingsPlace},
    time::When,
};

use super::{Html, frame, head, patterns, told};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        api::registries as api,
        errors::Problem,
        extract::{Asked, Filled, Named},
    },
    secrets::Secret,
    store::registry_credentials,
};

const PAGE: &str = "/settings/registries";

pub(super) fn routes() -> Routes {
    Routes::new().get(PAGE, Permission::Administer, show).post(PAGE, Permission::Administer, set).post(
        "/settings/registries/{host}/remove",
        Permission::Administer,
        remove,
    )
}

/// What the page is to show besides the logins.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    /// The registry whose login the form is to change.
    change: Option<String>,
    /// The registry whose login was just set.
    set: Option<String>,
}

/// The form.
#[derive(Deserialize)]
struct Login {
    host: String,
    username: String,
    password: Secret,
    #[serde(default)]
    repositories: String,
    /// Browsers send nothing of a box without a tick.
    #[serde(default)]
    all_repositories: bool,
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<RegistriesPage>, Problem> {
    Ok(Html::ok(page(&state, &principal, wanted).await?))
}

async fn set(
    State(state): State<AppState>,
    principal: Principal,
    Filled(asked): Filled<Login>,
) -> Result<Response, Problem> {
    let form = RegistryForm {
        host: asked.host.trim().to_owned(),
        username: asked.username.trim().to_owned(),
        repositories: asked.repositories,
        all_repositories: asked.all_repositories,
    };
    let login = api::Login {
        username: form.username.clone(),
        password: asked.password,
        repositories: patterns(&form.repositories),
        all_repositories: form.all_repositories,
    };
    let problem = match api::set_login(&state, &principal, &form.host, login).await {
        Ok(_) => return Ok(Redirect::to(&format!("{PAGE}?set={}", links::encode(&form.host))).into_response()),
        Err(problem) => told(problem)?,
    };
    let page = RegistriesPage { form, error: Some(problem), ..page(&state, &principal, Wanted::default()).await? };
    Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn remove(
    State(state): State<AppState>,
    principal: Principal,
    Named(host): Named<String>,
) -> Result<Redirect, Problem> {
    api::remove_login(&state, &principal, &host).await?;
    Ok(Redirect::to(PAGE))
}

async fn page(state: &AppState, principal: &Principal, wanted: Wanted) -> Result<RegistriesPage, Problem> {
    let now = state.store.clock().now();
    let known = registry_credentials::list(&mut state.store.read().await?.conn()).await?;
    let named = |host: &Option<String>| known.iter().find(|login| Some(&login.host) == host.as_ref());
    let form = named(&wanted.change).map(|login| RegistryForm {
        host: login.host.clone(),
        username: login.username.clone(),
        repositories: login.repositories.as_ref().map(|patterns| patterns.0.join(", ")).unwrap_or_default(),
        all_repositories: login.repositories.is_none(),
    });
    let note = named(&wanted.set).map(|login| format!("The login for {} is set.", login.host));
    let row = |login: registry_credentials::SealedCredential| RegistryRow {
        change: format!("{PAGE}?change={}#set", links::encode(&login.host)),
        remove: format!("{PAGE}/{}/remove", links::encode(&login.host)),
        host: login.host,
        username: login.username,
        repositories: login.repositories.map(|patterns| patterns.0),
        when: When { at: login.updated_at, now },
    };
    Ok(RegistriesPage {
        frame: frame(SettingsPlace::Registries, principal),
        head: head(SettingsPlace::Registries),
        form: form.unwrap_or_default(),
        note,
        error: None,
        registries: known.into_iter().map(row).collect(),
    })
}
