//! `/repositories/{owner}/{name}/settings`: what is set for a repository. Each form does what the API does.

use std::collections::HashMap;

use axum::{
    extract::{DefaultBodyLimit, State},
    handler::Handler as _,
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{Hook, HookSecretPage, LimitsForm, RepositorySettingsPage, SecretForm, SecretRow, Tab, ToldForm},
    time::When,
};

use super::{
    Html, approvals,
    connect::forge_settings,
    repositories::schedule_rows,
    settings::{given_to, limits_form, told},
    viewer::{repository_head, viewer},
};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    forge::{self, Statuses, for_repository},
    http::{
        api::{
            LARGEST_BODY, forges, lookup, repositories as api,
            secrets::{self as secrets_api, Address, Value},
        },
        errors::Problem,
        extract::{Asked, Filled, Named},
    },
    retention::Limits,
    secrets::Secret,
    store::{Conn, deliveries, environments, forge_credentials, forge_reports, repositories::Repository, secrets},
};

pub(super) fn routes() -> Routes {
    // A value may be as long as the API takes it.
    let set_secret = set_secret.layer(DefaultBodyLimit::max(LARGEST_BODY));
    Routes::new()
        .get("/repositories/{owner}/{name}/settings", Permission::Administer, show)
        .post("/repositories/{owner}/{name}/settings/secrets", Permission::Administer, set_secret)
        .post("/repositories/{owner}/{name}/settings/secrets/remove", Permission::Administer, remove_secret)
        .post("/repositories/{owner}/{name}/settings/hook-secret", Permission::Administer, renew_hook)
        .post("/repositories/{owner}/{name}/settings/source", Permission::Administer, change_source)
        .post("/repositories/{owner}/{name}/settings/reports", Permission::Administer, ask_reports)
        .post("/repositories/{owner}/{name}/settings/disconnect", Permission::Administer, disconnect)
}

/// The two parts of a repository's name.
type Name = (String, String);

/// What the page is to show besides what is set.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    /// The secret that the form is to replace, and its environment.
    replace: Option<String>,
    #[serde(default)]
    environment: String,
    /// What was just changed.
    done: Option<Done>,
}

/// What a form of the page does.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Done {
    Secret,
    Removed,
    Source,
    Reports,
    Approvals,
}

impl Done {
    fn word(self) -> &'static str {
        match self {
            Done::Secret => "secret",
            Done::Removed => "removed",
            Done::Source => "source",
            Done::Reports => "reports",
            Done::Approvals => "approvals",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Done::Secret => {
                "The secret is set. Builds have it from the next one on, and releases that are made from now on."
            }
            Done::Removed => "The secret is removed.",
            Done::Source => "The repository is fetched so from now on.",
            Done::Reports => "GitHub is told so from now on.",
            Done::Approvals => "It holds for the pull requests that come from now on.",
        }
    }

    /// Back to the page, to the part that was changed.
    fn page(self, (owner, name): &Name) -> Response {
        let part = match self {
            Done::Secret | Done::Removed => "secrets",
            Done::Source => "source",
            Done::Reports => "github",
            Done::Approvals => "approvals",
        };
        let page = links::settings(&format!("{owner}/{name}"));
        Redirect::to(&format!("{page}?done={}#{part}", self.word())).into_response()
    }
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<Name>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<RepositorySettingsPage>, Problem> {
    Ok(Html::ok(page(&state, &principal, &name, wanted).await?))
}

/// The page once more, with what was typed and what is wrong with it.
fn refused(page: RepositorySettingsPage) -> Response {
    Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

/// The same for the forms of other rooms.
pub(super) async fn refused_with(
    state: &AppState,
    principal: &Principal,
    of: Name,
    problem: String,
) -> Result<Response, Problem> {
    let page = page(state, principal, &of, Wanted::default()).await?;
    Ok(refused(RepositorySettingsPage { error: Some(problem), ..page }))
}

/// The form of a secret.
#[derive(Deserialize)]
struct SecretFilling {
    name: String,
    #[serde(default)]
    environment: String,
    value: Secret,
    /// Browsers send nothing of a box without a tick.
    #[serde(default)]
    forget_earlier: bool,
    #[serde(default)]
    events: String,
    #[serde(default)]
    branches: String,
    #[serde(default)]
    tags: String,
    #[serde(default)]
    limits_shown: bool,
}

async fn set_secret(
    State(state): State<AppState>,
    principal: Principal,
    Named(of): Named<Name>,
    Filled(asked): Filled<SecretFilling>,
) -> Result<Response, Problem> {
    let secret = asked.name.trim().to_owned();
    let address = address(&of, &asked.environment, &secret);
    let limits =
        LimitsForm { events: asked.events, branches: asked.branches, tags: asked.tags, is_shown: asked.limits_shown };
    let given_to = given_to(&limits);
    let value = Value { value: asked.value, forget_earlier: asked.forget_earlier, given_to };
    let problem = match secrets_api::put(&state, &principal, address, value).await {
        Ok(_) => return Ok(Done::Secret.page(&of)),
        Err(problem) => told(problem)?,
    };
    let mut page = page(&state, &principal, &of, Wanted::default()).await?;
    page.secret = SecretForm { name: secret, environment: asked.environment, limits, ..page.secret };
    page.error = Some(problem);
    Ok(refused(page))
}

/// The form that removes a secret.
#[derive(Deserialize)]
struct Removing {
    name: String,
    #[serde(default)]
    environment: String,
}

async fn remove_secret(
    State(state): State<AppState>,
    principal: Principal,
    Named(of): Named<Name>,
    Filled(asked): Filled<Removing>,
) -> Result<Response, Problem> {
    secrets_api::forget(&state, &principal, address(&of, &asked.environment, &asked.name)).await?;
    Ok(Done::Removed.page(&of))
}

fn address((owner, name): &Name, environment: &str, secret: &str) -> Address {
    Address {
        owner: owner.clone(),
        name: name.clone(),
        environment: Some(environment.to_owned()).filter(|environment| !environment.is_empty()),
        secret: secret.to_owned(),
    }
}

/// The answer shows the secret, this once.
async fn renew_hook(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<Name>,
) -> Result<Html<HookSecretPage>, Problem> {
    let renewed = api::renew_hook_secret(&state, &principal, &owner, &name).await?;
    let name = renewed.repository.name;
    Ok(Html::ok(HookSecretPage {
        frame: Frame::new(format!("Webhook of {name}"), Section::Repositories, viewer(&principal)),
        hook_url: renewed.hook_url,
        secret: renewed.secret.reveal().to_owned(),
        forge_settings: forge_settings(&renewed.repository.clone_url).map(|new| hooks_page(&new)),
        address: links::settings(&name),
        head: repository_head(&principal, name, Tab::Settings),
    }))
}

/// GitHub's list of a repository's webhooks, from its form for a new one.
fn hooks_page(new: &str) -> String {
    new.strip_suffix("/new").unwrap_or(new).to_owned()
}

/// The form of the source.
#[derive(Deserialize)]
struct SourceFilling {
    clone_url: String,
    default_branch: String,
    #[serde(default)]
    builds_at_once: String,
}

async fn change_source(
    State(state): State<AppState>,
    principal: Principal,
    Named(of): Named<Name>,
    Filled(asked): Filled<SourceFilling>,
) -> Result<Response, Problem> {
    let (clone_url, branch) = (asked.clone_url.trim().to_owned(), asked.default_branch.trim().to_owned());
    let problem = match carry_out(&state, &principal, &of, (&clone_url, &branch), asked.builds_at_once.trim()).await {
        Ok(()) => return Ok(Done::Source.page(&of)),
        Err(problem) => told(problem)?,
    };
    let page = page(&state, &principal, &of, Wanted::default()).await?;
    Ok(refused(RepositorySettingsPage { clone_url, default_branch: branch, error: Some(problem), ..page }))
}

async fn carry_out(
    state: &AppState,
    principal: &Principal,
    (owner, name): &Name,
    (clone_url, branch): (&str, &str),
    at_once: &str,
) -> Result<(), Problem> {
    let at_once: Option<u32> = match at_once {
        "" => None,
        number => Some(number.parse().map_err(|_| Problem::unprocessable("A number of builds was expected."))?),
    };
    // The address and the number are two changes: neither is made where one of them cannot be.
    if at_once == Some(0) {
        return Err(Problem::unprocessable(
            "No build would ever begin: let at least 1 run at once, or leave it empty.",
        ));
    }
    let changed = api::change_source(state, principal, (owner, name), Some(clone_url), Some(branch)).await?;
    if changed.builds_at_once != at_once.map(i64::from) {
        api::limit_builds(state, principal, (owner, name), at_once).await?;
    }
    Ok(())
}

/// The form of what is reported.
#[derive(Deserialize)]
struct ReportsFilling {
    statuses: Statuses,
    #[serde(default)]
    deployments: bool,
}

async fn ask_reports(
    State(state): State<AppState>,
    principal: Principal,
    Named(of): Named<Name>,
    Filled(asked): Filled<ReportsFilling>,
) -> Result<Response, Problem> {
    let asked = forge::Asked { statuses: asked.statuses, deployments: asked.deployments };
    forges::set_asked(&state, &principal, (&of.0, &of.1), asked).await?;
    Ok(Done::Reports.page(&of))
}

/// The form that lets the repository go.
#[derive(Deserialize)]
struct Disconnecting {
    /// Its name, typed once more.
    name: String,
    #[serde(default)]
    force: bool,
}

async fn disconnect(
    State(state): State<AppState>,
    principal: Principal,
    Named(of): Named<Name>,
    Filled(asked): Filled<Disconnecting>,
) -> Result<Response, Problem> {
    let name = format!("{}/{}", of.0, of.1);
    let done = match asked.name.trim() == name {
        true => api::let_go(&state, &principal, (&of.0, &of.1), asked.force).await,
        false => Err(Problem::unprocessable(format!("To disconnect it, its name must be typed as it is: {name}."))),
    };
    let problem = match done {
        Ok(_) => return Ok(Redirect::to("/").into_response()),
        Err(problem) => told(problem)?,
    };
    let page = page(&state, &principal, &of, Wanted::default()).await?;
    Ok(refused(RepositorySettingsPage { error: Some(problem), ..page }))
}

async fn page(
    state: &AppState,
    principal: &Principal,
    (owner, name): &Name,
    wanted: Wanted,
) -> Result<RepositorySettingsPage, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, owner, name).await?;
    let secrets = secret_rows(conn, &repository, now).await?;
    Ok(RepositorySettingsPage {
        frame: Frame::new(format!("Settings of {}", repository.name), Section::Repositories, viewer(principal)),
        head: repository_head(principal, repository.name.clone(), Tab::Settings),
        address: links::settings(&repository.name),
        secret: secret_form(conn, &repository, &secrets, &wanted).await?,
        secrets,
        hook: Hook {
            url: api::hook_url(state, &repository),
            forge_settings: forge_settings(&repository.clone_url).map(|new| hooks_page(&new)),
            last: last_delivery(conn, &repository, now).await?,
        },
        approvals: approvals::form(conn, &repository).await?,
        told: told_form(conn, &repository).await?,
        schedules: schedule_rows(conn, &repository, now).await?,
        kept: kept(&state.config.retention),
        holds: api::hindrances(conn, &repository.id).await?,
        builds_at_once: repository.builds_at_once,
        clone_url: repository.clone_url,
        default_branch: repository.default_branch,
        note: wanted.done.map(|done| done.sentence().to_owned()),
        error: None,
    })
}

async fn secret_rows(conn: &mut Conn<'_>, repository: &Repository, now: i64) -> Result<Vec<SecretRow>, Problem> {
    let kept = secrets::kept_values(conn, &repository.id).await?;
    let kept: HashMap<(String, String), i64> = kept.into_iter().map(|(of, name, count)| ((of, name), count)).collect();
    let found = secrets::list(conn, &repository.id).await?;
    let row = |secret: secrets::SecretName| SecretRow {
        replace: format!(
            "{}?replace={}&environment={}#set-secret",
            links::settings(&repository.name),
            links::encode(&secret.name),
            links::encode(&secret.environment)
        ),
        version: secret.version,
        given_to: secret.given_to.0.words(),
        limits: limits_form(&secret.given_to.0),
        when: When { at: secret.updated_at, now },
        earlier: kept.get(&(secret.environment.clone(), secret.name.clone())).map_or(0, |count| count - 1),
        environment: Some(secret.environment).filter(|environment| !environment.is_empty()),
        name: secret.name,
    };
    Ok(found.into_iter().map(row).collect())
}

async fn secret_form(
    conn: &mut Conn<'_>,
    repository: &Repository,
    secrets: &[SecretRow],
    wanted: &Wanted,
) -> Result<SecretForm, Problem> {
    let known = environments::of_repository(conn, &repository.id).await?;
    let mut environments: Vec<String> =
        known.into_iter().filter(|known| known.removed_at.is_none()).map(|known| known.name).collect();
    // One that was set for an environment before any build defined it.
    for environment in secrets.iter().filter_map(|secret| secret.environment.as_ref()) {
        if !environments.contains(environment) {
            environments.push(environment.clone());
        }
    }
    let of = Some(wanted.environment.as_str()).filter(|environment| !environment.is_empty());
    let replaced = secrets
        .iter()
        .find(|secret| Some(&secret.name) == wanted.replace.as_ref() && secret.environment.as_deref() == of);
    Ok(match replaced {
        Some(secret) => SecretForm {
            name: secret.name.clone(),
            environment: secret.environment.clone().unwrap_or_default(),
            environments,
            replaces: true,
            limits: secret.limits.clone(),
        },
        None => SecretForm { environments, ..SecretForm::default() },
    })
}

async fn last_delivery(
    conn: &mut Conn<'_>,
    repository: &Repository,
    now: i64,
) -> Result<Option<(String, String, When)>, Problem> {
    let last = deliveries::list(conn, deliveries::Which { repository: Some(&repository.id), state: None }, None, 1)
        .await?
        .pop();
    Ok(last.map(|last| (last.event, links::delivery(last.id.as_str()), When { at: last.received_at, now })))
}

async fn told_form(conn: &mut Conn<'_>, repository: &Repository) -> Result<ToldForm, Problem> {
    let asked = forge_reports::asked(conn, &repository.id).await?;
    let credentials = forge_credentials::list(conn).await?;
    let choices = [
        (Statuses::Build, "One for each build"),
        (Statuses::Steps, "One for each build, and for each of its steps"),
        (Statuses::None, "None"),
    ];
    Ok(ToldForm {
        statuses: choices.map(|(choice, meaning)| (choice.as_str(), meaning, choice == asked.statuses)).to_vec(),
        deployments: asked.deployments,
        credential: for_repository(&credentials, &repository.name).map(|credential| credential.name.clone()),
    })
}

/// What is kept, and for how long.
fn kept(limits: &Limits) -> Vec<(&'static str, String)> {
    let days = |days: u32| match days {
        0 => "for ever".to_owned(),
        1 => "for a day".to_owned(),
        days => format!("for {days} days"),
    };
    vec![
        ("Builds", format!("{}, and the newest {} of each branch", days(limits.builds_days), limits.builds_keep)),
        ("Logs", days(limits.logs_days)),
        (
            "Releases",
            format!("{}, and the last {} of each environment", days(limits.releases_days), limits.releases_keep),
        ),
        ("Deliveries", format!("{}; their payload {}", days(limits.deliveries_days), days(limits.payloads_days))),
    ]
}
