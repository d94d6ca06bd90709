//! Every repository side by side: what was built last, and what is live where.

use std::collections::HashMap;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;
use slipway_pipelines::config::Source;

use super::{
    builds::BuildView,
    page::{Cursor, Page},
    time::Time,
};
use crate::{
    access::{ApiRoutes, Permission, Principal, seen_by},
    app::AppState,
    environments::Health,
    http::{errors::Problem, extract::Asked},
    releases::ReleaseState,
    store::{
        overview::{self, Stage},
        repositories,
        runners::{self, Runner},
    },
};

/// The refs of each repository that are told.
const REFS: i64 = 5;

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Activity").get(
        "/api/v1/overview",
        Permission::Read,
        "getOverview",
        "Every repository by name, with what was built last of its branches, and what is live where.",
        list,
    )
}

/// One repository.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Overview")]
struct OverviewView {
    repository: String,
    /// The refs that were built last, each with its newest build, newest first.
    newest: Vec<BuildView>,
    environments: Vec<StageView>,
}

/// One of its environments that captain.yml names.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Stage")]
struct StageView {
    name: String,
    source: Source,
    /// The live release.
    live: Option<i64>,
    /// Its commit.
    commit: Option<String>,
    /// Since when it is live.
    since: Option<Time>,
    /// How its containers stand; null while nobody tells.
    health: Option<HealthView>,
    /// The newest release, which may be the live one.
    newest: Option<i64>,
    newest_state: Option<ReleaseState>,
    /// Whether nothing is released to it now.
    is_frozen: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Health")]
struct HealthView {
    healthy: u32,
    /// How many there are to be.
    wanted: u32,
    /// How many were found amiss, and are being put right.
    drifted: u32,
}

async fn list(
    State(state): State<AppState>,
    principal: Principal,
    Asked(cursor): Asked<Cursor>,
) -> Result<Json<Page<OverviewView>>, Problem> {
    let (now, told_at) = (state.store.clock().now(), state.store.lease_time().await?);
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let (after, limit) = (cursor.cursor.as_deref().unwrap_or_default(), cursor.rows());
    let seen = seen_by(&principal, conn).await?;
    let listed = repositories::seen(conn, &seen, after, limit).await?;
    let runners = runners::list(conn).await?;
    let mut newest: HashMap<String, Vec<BuildView>> = HashMap::new();
    for tip in overview::tips(conn, &seen, after, limit, REFS).await? {
        newest.entry(tip.repository).or_default().push(tip.build.into());
    }
    let mut stages: HashMap<String, Vec<StageView>> = HashMap::new();
    for stage in overview::stages(conn, &seen, after, limit).await? {
        let repository = stage.repository.clone();
        stages.entry(repository).or_default().push(view(stage, &runners, (now, told_at)));
    }
    Ok(Json(cursor.page(
        listed,
        |repository| repository.name.clone(),
        |repository| OverviewView {
            newest: newest.remove(&repository.name).unwrap_or_default(),
            environments: stages.remove(&repository.name).unwrap_or_default(),
            repository: repository.name,
        },
    )))
}

/// `now` is the server's, and `told_at` the database's, by which runners are heard of.
fn view(stage: Stage, runners: &[Runner], (now, told_at): (i64, i64)) -> StageView {
    let health = match Health::of(&stage, runners, told_at) {
        Health::Told { healthy, wanted, drifted } => Some(HealthView { healthy, wanted, drifted }),
        Health::Unknown => None,
    };
    StageView {
        health: health.filter(|_| stage.live.is_some()),
        name: stage.environment,
        source: stage.source.0,
        live: stage.live,
        commit: stage.commit_sha,
        since: stage.since.map(Time),
        newest: stage.newest,
        newest_state: stage.newest_state,
        is_frozen: stage.frozen.is_some_and(|freeze| freeze.0.holds(now)),
    }
}
