//! The streams, below `/stream`, under the address of the page that each belongs to.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{FromRequestParts, Query, State},
    http::{HeaderValue, header, request::Parts},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use serde::Deserialize;
use slipway_web::links;

use super::{
    Cursor,
    follower::{Follower, Logs, Subject},
};
use crate::{
    access::{Permission, Routes},
    app::AppState,
    http::{
        api::lookup,
        errors::Problem,
        extract::Named,
        pages::{step_of_build, step_of_release},
    },
    store::{events::EventFilter, jobs},
};

/// Proxies close connections that are silent for long; a comment keeps them open.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(in crate::http) fn routes() -> Routes {
    Routes::new()
        .get("/stream/home", Permission::Read, home)
        .get("/stream/alerts", Permission::Read, alerts)
        .get("/stream/deliveries", Permission::Read, deliveries)
        .get("/stream/runners", Permission::Read, runners)
        .get("/stream/services", Permission::Read, services)
        .get("/stream/repositories/{owner}/{name}", Permission::Read, repository)
        .get("/stream/repositories/{owner}/{name}/builds/{number}", Permission::Read, build)
        .get("/stream/repositories/{owner}/{name}/builds/{number}/steps/{position}", Permission::Read, build_step)
        .get(
            "/stream/repositories/{owner}/{name}/environments/{environment}/releases/{number}",
            Permission::Read,
            release,
        )
        .get(
            "/stream/repositories/{owner}/{name}/environments/{environment}/releases/{number}/steps/{position}",
            Permission::Read,
            release_step,
        )
}

/// Where a stream goes on: the id of the last event that the browser got, or what the page asked for.
struct Since(Cursor);

#[derive(Debug, Default, Deserialize)]
struct Asked {
    from: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Since {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let last = parts.headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let asked = Query::<Asked>::try_from_uri(&parts.uri).ok().and_then(|Query(asked)| asked.from);
        last.or(asked).unwrap_or_default().parse().map(Since)
    }
}

async fn home(State(state): State<AppState>, Since(cursor): Since) -> Result<Response, Problem> {
    of_all(&state, cursor, &["build.", "release.", "environment.", "job.", "repository.", "alert.", "runner."])
}

async fn alerts(State(state): State<AppState>, Since(cursor): Since) -> Result<Response, Problem> {
    // What happened may have been told to somebody since.
    of_all(&state, cursor, &["alert.", "build.", "release.", "environment.", "runner."])
}

async fn deliveries(State(state): State<AppState>, Since(cursor): Since) -> Result<Response, Problem> {
    of_all(&state, cursor, &["delivery.", "repository."])
}

async fn runners(State(state): State<AppState>, Since(cursor): Since) -> Result<Response, Problem> {
    of_all(&state, cursor, &["runner.", "job.", "build.", "release."])
}

async fn services(State(state): State<AppState>, Since(cursor): Since) -> Result<Response, Problem> {
    of_all(&state, cursor, &["environment.", "release.", "runner."])
}

/// What a page shows that is of no repository.
fn of_all(state: &AppState, cursor: Cursor, kinds: &'static [&'static str]) -> Result<Response, Problem> {
    follow(state, cursor, Subject { filter: EventFilter::default(), kinds, job: None, logs: Logs::None })
}

async fn repository(
    State(state): State<AppState>,
    Named((owner, name)): Named<(String, String)>,
    Since(cursor): Since,
) -> Result<Response, Problem> {
    let found = lookup::repository(&mut state.store.read().await?.conn(), &owner, &name).await?;
    let filter = EventFilter { repository: Some(found.id), ..EventFilter::default() };
    follow(&state, cursor, Subject { filter, kinds: &[], job: None, logs: Logs::None })
}

async fn build(
    State(state): State<AppState>,
    Named((owner, name, number)): Named<(String, String, i64)>,
    Since(cursor): Since,
) -> Result<Response, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, &owner, &name).await?;
    let build = lookup::build(conn, &repository, number).await?;
    let job = jobs::of_build(conn, &build.id).await?.map(|job| job.id);
    let filter = EventFilter { build: Some(build.id), ..EventFilter::default() };
    let logs = Logs::Running(links::build(&repository.name, number));
    drop(reader);
    follow(&state, cursor, Subject { filter, kinds: &[], job, logs })
}

async fn build_step(
    State(state): State<AppState>,
    Named(names): Named<(String, String, i64, i64)>,
    Since(cursor): Since,
) -> Result<Response, Problem> {
    let found = step_of_build(&mut state.store.read().await?.conn(), &names).await?;
    let filter = EventFilter { build: found.job.build_id, ..EventFilter::default() };
    let logs = Logs::Only(found.step.position);
    follow(&state, cursor, Subject { filter, kinds: &[], job: Some(found.job.id), logs })
}

async fn release(
    State(state): State<AppState>,
    Named((owner, name, environment, number)): Named<(String, String, String, i64)>,
    Since(cursor): Since,
) -> Result<Response, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, &owner, &name).await?;
    let environment = lookup::environment(conn, &repository, &environment).await?;
    let release = lookup::release(conn, &environment, number).await?;
    let job = jobs::of_release(conn, &release.id).await?.map(|job| job.id);
    let filter = EventFilter { release: Some(release.id), ..EventFilter::default() };
    let logs = Logs::Running(links::release(&repository.name, &environment.name, number));
    drop(reader);
    follow(&state, cursor, Subject { filter, kinds: &[], job, logs })
}

async fn release_step(
    State(state): State<AppState>,
    Named(names): Named<(String, String, String, i64, i64)>,
    Since(cursor): Since,
) -> Result<Response, Problem> {
    let found = step_of_release(&mut state.store.read().await?.conn(), &names).await?;
    let filter = EventFilter { release: found.job.release_id, ..EventFilter::default() };
    let logs = Logs::Only(found.step.position);
    follow(&state, cursor, Subject { filter, kinds: &[], job: Some(found.job.id), logs })
}

fn follow(state: &AppState, cursor: Cursor, subject: Subject) -> Result<Response, Problem> {
    let follower = Follower::new(state, subject, cursor)?;
    let events = stream::unfold(follower, |mut follower| async move {
        follower.next().await.map(|event| (Ok::<Event, Infallible>(event), follower))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    let headers = response.headers_mut();
    // nginx would collect the events otherwise (its documentation of X-Accel-Buffering).
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
