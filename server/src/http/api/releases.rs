//! One release with the steps of its rollout.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;
use slipway_runner::coordinator::ReleasedApp;

use super::{
    decisions::DecisionView,
    lookup,
    steering::PauseView,
    steps::{AttemptView, attempts},
    time::Time,
};
use crate::{
    access::{ApiRoutes, Permission},
    app::AppState,
    http::{errors::Problem, extract::Named},
    queue,
    releases::{ReleaseKind, ReleaseState},
    store::{decisions, jobs, releases::Release},
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Releases").get(
        "/api/v1/repositories/{owner}/{name}/environments/{environment}/releases/{number}",
        Permission::Read,
        "getRelease",
        "One release with the steps of its rollout and what was decided of it.",
        show,
    )
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Release")]
pub(super) struct ReleaseView {
    number: i64,
    kind: ReleaseKind,
    state: ReleaseState,
    reason: Option<String>,
    build: i64,
    commit: String,
    actor: String,
    apps: Vec<AppView>,
    created_at: Time,
    started_at: Option<Time>,
    finished_at: Option<Time>,
}

/// An app of a release. How it runs holds environment variables, which are not everybody's to read.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReleasedApp")]
struct AppView {
    app: String,
    image: String,
    digest: String,
    /// The build that pushed the image; another than the release's own where that one left the app out.
    build: i64,
    replicas: u32,
    port: Option<u16>,
    domain: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct ReleaseInFull {
    #[serde(flatten)]
    release: ReleaseView,
    attempts: Vec<AttemptView>,
    /// Why there is more than one attempt.
    attempt_reason: Option<String>,
    /// Why it waits, while it does.
    waits_for: Option<String>,
    /// That its rollout is paused, while it is.
    paused: Option<PauseView>,
    /// What was decided of it, in order.
    decisions: Vec<DecisionView>,
}

impl AppView {
    fn of(app: ReleasedApp, release_build: i64) -> Self {
        AppView {
            build: app.build.unwrap_or(release_build),
            app: app.app,
            image: app.image,
            digest: app.digest,
            replicas: app.run.replicas,
            port: app.run.port,
            domain: app.run.domain,
        }
    }
}

impl From<Release> for ReleaseView {
    fn from(release: Release) -> Self {
        ReleaseView {
            number: release.number,
            kind: release.kind,
            state: release.state,
            reason: release.reason,
            build: release.build_number,
            commit: release.commit_sha,
            actor: release.actor,
            apps: release.content.0.into_iter().map(|app| AppView::of(app, release.build_number)).collect(),
            created_at: Time(release.created_at),
            started_at: release.started_at.map(Time),
            finished_at: release.finished_at.map(Time),
        }
    }
}

async fn show(
    State(state): State<AppState>,
    Named((owner, name, environment, number)): Named<(String, String, String, i64)>,
) -> Result<Json<ReleaseInFull>, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let environment = lookup::environment(&mut reader.conn(), &repository, &environment).await?;
    let release = lookup::release(&mut reader.conn(), &environment, number).await?;
    let job = jobs::of_release(&mut reader.conn(), &release.id).await?;
    let attempts = attempts(&mut reader.conn(), job.as_ref()).await?;
    let waits_for = match &job {
        Some(job) => queue::waits_for(&mut reader.conn(), job, state.store.clock().now()).await?,
        None => release.reason.clone().filter(|_| release.state == ReleaseState::Held),
    };
    let decisions = decisions::of_release(&mut reader.conn(), &release.id).await?;
    Ok(Json(ReleaseInFull {
        paused: PauseView::of(&decisions).filter(|_| !release.state.is_settled()),
        decisions: decisions.into_iter().map(DecisionView::from).collect(),
        waits_for,
        release: release.into(),
        attempts,
        attempt_reason: job.and_then(|job| job.attempt_reason),
    }))
}
