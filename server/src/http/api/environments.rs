//! Environments with their releases.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use slipway_pipelines::config::Source;
use slipway_runner::coordinator::{ReplicaReport, Trouble};

use super::{
    decisions::FreezeView,
    lookup,
    page::{Cursor, Page},
    releases::ReleaseView,
    steering::PauseView,
    time::Time,
};
use crate::{
    access::{ApiRoutes, Permission},
    app::AppState,
    environments::{Protection, Settings, told},
    http::{
        errors::Problem,
        extract::{Asked, Named},
    },
    store::{
        Conn, StoreError, decisions,
        environments::{self, Environment},
        events::Event,
        releases, standing,
    },
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Environments")
        .get(
            "/api/v1/repositories/{owner}/{name}/environments",
            Permission::Read,
            "listEnvironments",
            "The environments of a repository; captain.yml names them all, and they come whole.",
            list,
        )
        .get(
            "/api/v1/repositories/{owner}/{name}/environments/{environment}",
            Permission::Read,
            "getEnvironment",
            "One environment: what is live, what waits, and how its containers stand.",
            show,
        )
        .get(
            "/api/v1/repositories/{owner}/{name}/environments/{environment}/drifts",
            Permission::Read,
            "listDrifts",
            "What was put right in an environment, newest first.",
            list_drifts,
        )
        .get(
            "/api/v1/repositories/{owner}/{name}/environments/{environment}/releases",
            Permission::Read,
            "listReleases",
            "The releases of an environment, newest first.",
            list_releases,
        )
}

#[derive(Serialize, JsonSchema)]
struct Environments {
    items: Vec<EnvironmentView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Environment")]
struct EnvironmentView {
    name: String,
    source: Source,
    /// What runs there now.
    live: Option<ReleaseView>,
    /// How it wants its releases, as captain.yml of the default branch has it.
    settings: Settings,
    /// What an administrator asks for beyond that.
    protection: Protection,
    /// That nothing is released to it, while that is so.
    freeze: Option<FreezeView>,
    /// The release that waits for people, for its time or for the end of a freeze; its reason says for what.
    held: Option<ReleaseView>,
    /// The release that is being rolled out, or waits for a runner.
    rolling: Option<ReleaseView>,
    /// That this rollout is paused, while it is.
    paused: Option<PauseView>,
    last_release_number: i64,
    /// How the containers of what is live stand.
    replicas: Vec<ReplicaView>,
    /// When captain.yml stopped naming it.
    removed_at: Option<Time>,
}

/// One container of what is live.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Replica")]
struct ReplicaView {
    app: String,
    replica: u32,
    container: String,
    /// Where it takes connections inside the environment's network.
    address: Option<String>,
    /// `healthy`, `starting`, `sick` or `crash_loop`; `unknown` while its runner is not heard of, and `unattended`
    /// where captain.yml no longer names the environment.
    condition: &'static str,
    /// How often its engine started it again by itself; on a Swarm, how often another task took its place.
    restarts: u32,
    /// What was found amiss, and what was done about it, while that is not over.
    trouble: Option<TroubleView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Trouble")]
struct TroubleView {
    found: String,
    done: String,
    times: u32,
}

impl ReplicaView {
    fn of(report: ReplicaReport, condition: &'static str) -> Self {
        let trouble = |it: Trouble| TroubleView { found: it.found, done: it.done, times: it.times };
        ReplicaView {
            app: report.app,
            replica: report.replica,
            container: report.container,
            address: report.address,
            condition,
            restarts: report.restarts,
            trouble: report.trouble.map(trouble),
        }
    }
}

/// Something that was not as it should be, or is again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Drift")]
struct DriftView {
    at: Time,
    /// `environment.drifted`, `environment.crash_loop` or `environment.healed`.
    kind: String,
    #[serde(flatten)]
    data: Map<String, Value>,
}

/// `now` is the server's, and `told_at` the database's, by which runners are heard of.
async fn view(
    conn: &mut Conn<'_>,
    environment: Environment,
    now: i64,
    told_at: i64,
) -> Result<EnvironmentView, StoreError> {
    let rolling = releases::rolling_in(conn, &environment.id).await?;
    let decided = match &rolling {
        Some(release) => decisions::of_release(conn, &release.id).await?,
        None => Vec::new(),
    };
    let told = told(conn, &environment, told_at).await?;
    let replicas = told.replicas.iter().map(|replica| ReplicaView::of(replica.clone(), told.condition(replica)));
    let replicas = replicas.collect();
    Ok(EnvironmentView {
        rolling: rolling.map(ReleaseView::from),
        paused: PauseView::of(&decided),
        live: releases::live(conn, &environment.id).await?.map(ReleaseView::from),
        settings: environment.settings.0,
        protection: environment.protection.0,
        freeze: FreezeView::of(environment.frozen.as_deref(), now),
        held: releases::held_in(conn, &environment.id).await?.map(ReleaseView::from),
        name: environment.name,
        source: environment.source.0,
        replicas,
        last_release_number: environment.last_release_number,
        removed_at: environment.removed_at.map(Time),
    })
}

async fn list(
    State(state): State<AppState>,
    Named((owner, name)): Named<(String, String)>,
) -> Result<Json<Environments>, Problem> {
    let told_at = state.store.lease_time().await?;
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let mut items = Vec::new();
    for environment in environments::of_repository(&mut reader.conn(), &repository.id).await? {
        items.push(view(&mut reader.conn(), environment, state.store.clock().now(), told_at).await?);
    }
    Ok(Json(Environments { items }))
}

async fn show(
    State(state): State<AppState>,
    Named((owner, name, environment)): Named<(String, String, String)>,
) -> Result<Json<EnvironmentView>, Problem> {
    let told_at = state.store.lease_time().await?;
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let environment = lookup::environment(&mut reader.conn(), &repository, &environment).await?;
    Ok(Json(view(&mut reader.conn(), environment, state.store.clock().now(), told_at).await?))
}

async fn list_drifts(
    State(state): State<AppState>,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Asked(cursor): Asked<Cursor>,
) -> Result<Json<Page<DriftView>>, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let environment = lookup::environment(&mut reader.conn(), &repository, &environment).await?;
    let events = standing::drifts(&mut reader.conn(), &environment.id, cursor.parsed()?, cursor.rows()).await?;
    let view = |event: Event| DriftView { at: Time(event.at), kind: event.kind, data: event.data.0 };
    Ok(Json(cursor.page(events, |event| event.id.to_string(), view)))
}

async fn list_releases(
    State(state): State<AppState>,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Asked(cursor): Asked<Cursor>,
) -> Result<Json<Page<ReleaseView>>, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let environment = lookup::environment(&mut reader.conn(), &repository, &environment).await?;
    let rows = releases::list(&mut reader.conn(), &environment.id, cursor.parsed()?, cursor.rows()).await?;
    Ok(Json(cursor.page(rows, |row| row.number.to_string(), ReleaseView::from)))
}
