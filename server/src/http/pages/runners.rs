//! `/runners`: who does the work, and who may.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{NewRunnerPage, RunnerForm, RunnerRow, RunnersPage},
    time::When,
};

use super::{Html, measurements, protection::parted, settings::told, viewer::viewer};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        api::runners as api,
        errors::{Problem, sentence},
        extract::{Asked, Filled, Named},
    },
    measurements::Window,
    runners::{Label, Labels, Presence, Takes},
    store::{
        Conn, access_tokens, builds, environments, events,
        jobs::{self, Job},
        releases, repositories, runners,
    },
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/runners", Permission::Read, show)
        .post("/runners", Permission::Administer, admit)
        .post("/runners/{name}/drain", Permission::Administer, drain)
        .post("/runners/{name}/undrain", Permission::Administer, undrain)
        .post("/runners/{name}/revoke", Permission::Administer, revoke)
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Asked(asking): Asked<measurements::Asking>,
) -> Result<Html<RunnersPage>, Problem> {
    Ok(Html::ok(page(&state, &principal, asking.window.unwrap_or(Window::Hour)).await?))
}

/// The form that admits a runner.
#[derive(Debug, Deserialize)]
struct Admitting {
    name: String,
    #[serde(default)]
    labels: String,
}

/// The answer shows the token, this once.
async fn admit(
    State(state): State<AppState>,
    principal: Principal,
    Filled(asked): Filled<Admitting>,
) -> Result<Response, Problem> {
    let name = asked.name.trim().to_owned();
    let labels: Result<Labels, String> =
        parted(&asked.labels).iter().map(|label| label.parse().map(|Label(key, value)| (key, value))).collect();
    let admitted = match labels {
        Ok(labels) => api::admit(&state, &principal, &name, &labels).await,
        Err(wrong) => Err(Problem::unprocessable(sentence(&wrong))),
    };
    let problem = match admitted {
        Ok((_, token)) => {
            let frame = Frame::new(format!("Runner {name}"), Section::Runners, viewer(&principal));
            let page = NewRunnerPage {
                frame: frame.under("Runners", "/runners"),
                value: token.reveal().to_owned(),
                server: state.url(""),
                name,
            };
            return Ok(Html::with_status(StatusCode::CREATED, page).into_response());
        }
        Err(problem) => told(problem)?,
    };
    let form = RunnerForm { name, labels: asked.labels };
    let page = RunnersPage { form, error: Some(problem), ..page(&state, &principal, Window::Hour).await? };
    Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn drain(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Redirect, Problem> {
    api::set_drained(&state, &principal, &name, true).await?;
    Ok(Redirect::to("/runners"))
}

async fn undrain(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Redirect, Problem> {
    api::set_drained(&state, &principal, &name, false).await?;
    Ok(Redirect::to("/runners"))
}

async fn revoke(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Redirect, Problem> {
    api::dismiss(&state, &principal, &name).await?;
    Ok(Redirect::to("/runners"))
}

async fn page(state: &AppState, principal: &Principal, window: Window) -> Result<RunnersPage, Problem> {
    let now = state.store.lease_time().await?;
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let since = events::last_id(conn).await?;
    let leased = jobs::leased(conn).await?;
    let runners = runners::list(conn).await?;
    let hosts = measurements::of_hosts(conn, &runners, "/runners", window, state.store.clock().now()).await?;
    let admitted = access_tokens::runners(conn).await?;
    let mut rows = Vec::new();
    for runner in runners {
        let mut held = Vec::new();
        for job in leased.iter().filter(|job| job.lease_owner.as_ref() == Some(&runner.id)) {
            held.extend(named(conn, job).await?);
        }
        let presence = Presence::of(&runner, now);
        rows.push(RunnerRow {
            name: runner.name,
            labels: runner.labels.0.iter().map(|(key, value)| format!("{key}={value}")).collect(),
            builds_only: runner.takes == Takes::Builds,
            version: runner.version,
            capacity: runner.capacity,
            jobs: held,
            seen: (presence != Presence::Expected).then_some(When { at: runner.last_seen_at, now }),
            state: (presence.as_str(), presence.meaning()),
            good: presence.is_good().map(|good| good && runner.hindrance.is_none()),
            hindrance: runner.hindrance,
            drained: runner.drained_by.zip(runner.drained_at.map(|at| When { at, now })),
            address: format!("/runners/{}", links::encode(&runner.id)),
            may_be_revoked: admitted.contains(&runner.id),
        });
    }
    Ok(RunnersPage {
        frame: Frame::new("Runners", Section::Runners, viewer(principal)).live(format!("/stream/runners?from={since}")),
        runners: rows,
        waiting: jobs::queued_count(conn).await?,
        hosts,
        form: RunnerForm::default(),
        error: None,
    })
}

/// A job as people name it, with its page.
async fn named(conn: &mut Conn<'_>, job: &Job) -> Result<Option<(String, String)>, Problem> {
    if let Some(build) = &job.build_id {
        let Some(build) = builds::find(conn, build).await? else { return Ok(None) };
        let Some(repository) = repositories::find(conn, &build.repository_id).await? else { return Ok(None) };
        let text = format!("{} #{}", repository.name, build.number);
        return Ok(Some((text, links::build(&repository.name, build.number))));
    }
    let Some(release) = &job.release_id else { return Ok(None) };
    let Some(release) = releases::find(conn, release).await? else { return Ok(None) };
    let Some(environment) = environments::find(conn, &release.environment_id).await? else { return Ok(None) };
    let Some(repository) = repositories::find(conn, &environment.repository_id).await? else { return Ok(None) };
    let text = format!("{} → {} #{}", repository.name, environment.name, release.number);
    Ok(Some((text, links::release(&repository.name, &environment.name, release.number))))
}
