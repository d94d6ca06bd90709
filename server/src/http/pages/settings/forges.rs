//! `/settings/github`: the credentials by which GitHub is told, and whether it takes what it is told.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use slipway_web::{
    links,
    pages::{ForgeForm, ForgeRow, ForgesPage, SettingsPlace},
    time::When,
};

use super::{Html, frame, head, patterns, told};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    forge::{CredentialKind, Report, ReportState, for_repository},
    http::{
        api::forges as api,
        errors::Problem,
        extract::{Asked, Filled, Named},
    },
    secrets::Secret,
    store::{
        Conn, StoreError,
        forge_credentials::{self, SealedCredential},
        forge_reports::{self, Told},
    },
};

const PAGE: &str = "/settings/github";
/// How many of the newest reports are looked through for what each credential is to be told of.
const LOOKED_THROUGH: i64 = 200;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(PAGE, Permission::Administer, show)
        .post(PAGE, Permission::Administer, set)
        .post("/settings/github/{name}/check", Permission::Administer, check)
        .post("/settings/github/{name}/remove", Permission::Administer, remove)
}

/// What the page is to show besides the credentials.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    /// The credential that the form is to change.
    change: Option<String>,
    /// The credential that was just set.
    set: Option<String>,
    /// The credential with which GitHub was just asked.
    checked: Option<String>,
}

/// The form.
#[derive(Deserialize)]
struct Filling {
    name: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    app: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    api: String,
    #[serde(default)]
    repositories: String,
    /// Browsers send nothing of a box without a tick.
    #[serde(default)]
    all_repositories: bool,
    #[serde(default)]
    fetches: bool,
}

/// The form that asks GitHub.
#[derive(Deserialize)]
struct Checking {
    repository: String,
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<ForgesPage>, Problem> {
    Ok(Html::ok(page(&state, &principal, wanted).await?))
}

async fn set(
    State(state): State<AppState>,
    principal: Principal,
    Filled(asked): Filled<Filling>,
) -> Result<Response, Problem> {
    let form = ForgeForm {
        name: asked.name.trim().to_owned(),
        app: asked.app.trim().to_owned(),
        api: asked.api.trim().to_owned(),
        repositories: asked.repositories,
        all_repositories: asked.all_repositories,
        fetches: asked.fetches,
    };
    let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let wanted = api::Wanted {
        token: said(asked.token.trim()).map(Secret::new),
        app: said(&form.app),
        // Browsers end the lines of a text as the wire does.
        key: said(&asked.key.replace("\r\n", "\n")).map(Secret::new),
        api: said(&form.api),
        repositories: patterns(&form.repositories),
        all_repositories: form.all_repositories,
        fetches: Some(form.fetches),
    };
    let problem = match api::set_forge(&state, &principal, form.name.clone(), wanted).await {
        Ok(set) => return Ok(Redirect::to(&format!("{PAGE}?set={}", links::encode(&set.name))).into_response()),
        Err(problem) => told(problem)?,
    };
    let page = ForgesPage { form, error: Some(problem), ..page(&state, &principal, Wanted::default()).await? };
    Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn check(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
    Filled(asked): Filled<Checking>,
) -> Result<Response, Problem> {
    let problem = match api::check_forge(&state, &name, asked.repository.trim()).await {
        Ok(_) => return Ok(Redirect::to(&format!("{PAGE}?checked={}", links::encode(&name))).into_response()),
        Err(problem) => told(problem)?,
    };
    let page = ForgesPage { error: Some(problem), ..page(&state, &principal, Wanted::default()).await? };
    Ok(Html::with_status(StatusCode::CONFLICT, page).into_response())
}

async fn remove(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Redirect, Problem> {
    api::remove_forge(&state, &principal, &name).await?;
    Ok(Redirect::to(PAGE))
}

async fn page(state: &AppState, principal: &Principal, wanted: Wanted) -> Result<ForgesPage, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let known = forge_credentials::list(conn).await?;
    let news = News::read(conn).await?;
    let named = |name: &Option<String>| known.iter().find(|credential| Some(&credential.name) == name.as_ref());
    let form = named(&wanted.change).map(|credential| ForgeForm {
        name: credential.name.clone(),
        app: credential.app.clone().unwrap_or_default(),
        api: Some(credential.api.clone()).filter(|api| api != api::GITHUB).unwrap_or_default(),
        repositories: credential.repositories.as_ref().map(|patterns| patterns.0.join(", ")).unwrap_or_default(),
        all_repositories: credential.repositories.is_none(),
        fetches: credential.is_to_fetch(),
    });
    let set = named(&wanted.set).map(|credential| format!("The credential {} is set.", credential.name));
    let checked = named(&wanted.checked);
    let checked = checked.map(|credential| format!("GitHub knows the repository, and takes {}.", credential.name));
    Ok(ForgesPage {
        frame: frame(SettingsPlace::Forges, principal),
        head: head(SettingsPlace::Forges),
        form: form.unwrap_or_default(),
        note: set.or(checked),
        error: None,
        forges: known.iter().map(|credential| row(credential, &known, &news, now)).collect(),
    })
}

/// How reports went lately.
struct News {
    ended: Vec<Told>,
    again: Vec<Told>,
}

impl News {
    async fn read(conn: &mut Conn<'_>) -> Result<Self, StoreError> {
        Ok(News {
            ended: forge_reports::ended_lately(conn, LOOKED_THROUGH).await?,
            again: forge_reports::sent_again(conn, LOOKED_THROUGH).await?,
        })
    }
}

fn row(credential: &SealedCredential, all: &[SealedCredential], news: &News, now: i64) -> ForgeRow {
    let is_its = |told: &&Told| for_repository(all, &told.repository).is_some_and(|used| used.name == credential.name);
    let taken = news.ended.iter().find(|told| told.state == ReportState::Sent && is_its(told));
    let given_up = news.ended.iter().find(|told| told.state == ReportState::Failed && is_its(told));
    let refused = news.again.iter().find(is_its).or(given_up);
    let address = format!("{PAGE}/{}", links::encode(&credential.name));
    ForgeRow {
        name: credential.name.clone(),
        kind: match (credential.kind, &credential.app) {
            (CredentialKind::App, Some(app)) => format!("GitHub App {app}"),
            _ => "Token".to_owned(),
        },
        api: credential.api.clone(),
        repositories: credential.repositories.as_ref().map(|patterns| patterns.0.clone()),
        fetches: credential.is_to_fetch(),
        when: When { at: credential.updated_at, now },
        taken: taken.map(|told| (subject(told), When { at: told.at, now })),
        refused: refused.map(|told| {
            let why = told.reason.clone().unwrap_or_else(|| "it did not say why".to_owned());
            (subject(told), why, When { at: told.at, now })
        }),
        rests: (credential.resting_until > now).then_some(When { at: credential.resting_until, now }),
        change: format!("{PAGE}?change={}#set", links::encode(&credential.name)),
        remove: format!("{address}/remove"),
        address,
    }
}

fn subject(told: &Told) -> String {
    match &told.wanted.0 {
        Report::Status(status) => format!("the status {} of {}", status.context, told.repository),
        Report::Deployment(deployment) => {
            format!("the deployment to {} of {}", deployment.environment, told.repository)
        }
    }
}
