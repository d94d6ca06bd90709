//! Where jobs may run: the labels that a repository's builds need, and the runner that hosts an environment.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::lookup;
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Body, Named},
    },
    runners::{Labels, RunnerError, check_labels},
    store::{audit, placement, runners},
};

pub(super) fn routes() -> ApiRoutes {
    let labels = "/api/v1/repositories/{owner}/{name}/runner-labels";
    let host = "/api/v1/repositories/{owner}/{name}/environments/{environment}/runner";
    ApiRoutes::about("Placement")
        .get(
            labels,
            Permission::Read,
            "getNeededLabels",
            "The labels that a runner must have to build a repository.",
            show_labels,
        )
        .put(
            labels,
            Permission::Administer,
            "setNeededLabels",
            "Sets the labels that a runner must have to build a repository.",
            set_labels,
        )
        .get(host, Permission::Read, "getHostRunner", "The runner that hosts an environment.", show_host)
        .put(host, Permission::Administer, "setHostRunner", "Sets the runner that hosts an environment.", set_host)
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "NeededLabels")]
#[serde(deny_unknown_fields)]
struct Needed {
    labels: Labels,
}

/// A runner by its name; none for whichever takes the next rollout.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "HostRunner")]
#[serde(deny_unknown_fields)]
struct Host {
    runner: Option<String>,
}

async fn show_labels(
    State(state): State<AppState>,
    Named((owner, name)): Named<(String, String)>,
) -> Result<Json<Needed>, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let labels = placement::needed_labels(&mut reader.conn(), &repository.id).await?;
    Ok(Json(Needed { labels }))
}

async fn set_labels(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
    Body(needed): Body<Needed>,
) -> Result<Json<Needed>, Problem> {
    check_labels(&needed.labels).map_err(|problem| Problem::from(RunnerError::BadLabels(problem)))?;
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), &owner, &name).await?;
    placement::need_labels(&mut tx, &repository.id, &needed.labels).await?;
    let detail = json!({"runner_labels": needed.labels});
    audit::append(&mut tx, &principal.actor(), "repository.set", &repository.name, detail).await?;
    tx.commit().await?;
    Ok(Json(needed))
}

async fn show_host(
    State(state): State<AppState>,
    Named((owner, name, environment)): Named<(String, String, String)>,
) -> Result<Json<Host>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, &owner, &name).await?;
    let environment = lookup::environment(conn, &repository, &environment).await?;
    let runner = match placement::host(conn, &environment.id).await? {
        Some(id) => Some(runners::find(conn, &id).await?.map_or(id, |runner| runner.name)),
        None => None,
    };
    Ok(Json(Host { runner }))
}

async fn set_host(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Body(host): Body<Host>,
) -> Result<Json<Host>, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), &owner, &name).await?;
    let environment = lookup::environment(&mut tx.conn(), &repository, &environment).await?;
    let runner = match &host.runner {
        Some(runner) => {
            let found = runners::named(&mut tx.conn(), runner).await?;
            Some(found.ok_or_else(|| RunnerError::Unknown(runner.clone()))?.id)
        }
        None => None,
    };
    placement::set_host(&mut tx, &environment.id, runner.as_deref()).await?;
    let subject = format!("{} {}", repository.name, environment.name);
    audit::append(&mut tx, &principal.actor(), "environment.set", &subject, json!({"runner": host.runner})).await?;
    tx.commit().await?;
    Ok(Json(host))
}
