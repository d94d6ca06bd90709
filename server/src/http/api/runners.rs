//! The runners: who they are and what they take; admitting those on other machines, and dismissing them.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::Time;
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Body, Named},
        openapi::Made,
    },
    ids::RunnerId,
    runners::{self, Labels, Presence, Takes},
    secrets::Secret,
    store::{self, runners::Runner},
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Runners")
        .get("/api/v1/runners", Permission::Read, "listRunners", "Every runner; they are few, and come whole.", list)
        .post(
            "/api/v1/runners",
            Permission::Administer,
            "admitRunner",
            "Admits a runner. The one answer that holds its token.",
            create,
        )
        .delete("/api/v1/runners/{name}", Permission::Administer, "dismissRunner", "Dismisses a runner.", revoke)
        .put(
            "/api/v1/runners/{name}/drain",
            Permission::Administer,
            "drainRunner",
            "Lets a runner finish what it has, and take nothing new.",
            drain,
        )
        .delete(
            "/api/v1/runners/{name}/drain",
            Permission::Administer,
            "undrainRunner",
            "Lets a runner take jobs again.",
            undrain,
        )
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewRunner")]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    #[serde(default)]
    labels: Labels,
}

/// The one answer that holds a runner's token.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CreatedRunner")]
struct Created {
    id: String,
    name: String,
    labels: Labels,
    token: String,
}

#[derive(Serialize, JsonSchema)]
struct Runners {
    items: Vec<RunnerView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Runner")]
struct RunnerView {
    id: String,
    name: String,
    state: Presence,
    labels: Labels,
    takes: Takes,
    capacity: i64,
    jobs: usize,
    version: String,
    /// What keeps it from taking jobs.
    hindrance: Option<String>,
    /// Who told it to take nothing new.
    drained_by: Option<String>,
    last_seen_at: Option<Time>,
}

async fn list(State(state): State<AppState>) -> Result<Json<Runners>, Problem> {
    let now = state.store.lease_time().await?;
    let mut reader = state.store.read().await?;
    let leased = store::jobs::leased(&mut reader.conn()).await?;
    let rows = store::runners::list(&mut reader.conn()).await?;
    let items = rows.into_iter().map(|row| RunnerView {
        state: Presence::of(&row, now),
        jobs: leased.iter().filter(|job| job.lease_owner.as_ref() == Some(&row.id)).count(),
        id: row.id,
        name: row.name,
        labels: row.labels.0,
        takes: row.takes,
        capacity: row.capacity,
        version: row.version,
        hindrance: row.hindrance,
        drained_by: row.drained_by,
        last_seen_at: (row.last_seen_at > 0).then_some(Time(row.last_seen_at)),
    });
    Ok(Json(Runners { items: items.collect() }))
}

async fn create(
    State(state): State<AppState>,
    principal: Principal,
    Body(asked): Body<Create>,
) -> Result<Made<Created>, Problem> {
    let (id, token) = admit(&state, &principal, &asked.name, &asked.labels).await?;
    let token = token.reveal().to_owned();
    let created = Created { id: id.to_string(), name: asked.name, labels: asked.labels, token };
    Ok(Made(created))
}

/// Admits a runner, for the API and for the page. Its token is in the answer and nowhere else.
pub(in crate::http) async fn admit(
    state: &AppState,
    principal: &Principal,
    name: &str,
    labels: &Labels,
) -> Result<(RunnerId, Secret), Problem> {
    let mut tx = state.store.write().await?;
    let admitted = runners::admit(&mut tx, name, labels, &principal.actor()).await?;
    tx.commit().await?;
    Ok(admitted)
}

/// A runner that was just dismissed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DismissedRunner")]
struct Dismissed {
    id: String,
    name: String,
}

/// A runner that was told whether it takes something new.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DrainedRunner")]
struct Drained {
    name: String,
    drained: bool,
}

async fn revoke(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<Dismissed>, Problem> {
    let revoked = dismiss(&state, &principal, &name).await?;
    Ok(Json(Dismissed { id: revoked.id, name: revoked.name }))
}

/// Dismisses a runner, for the API and for the page.
pub(in crate::http) async fn dismiss(state: &AppState, principal: &Principal, name: &str) -> Result<Runner, Problem> {
    let mut tx = state.store.write().await?;
    let revoked = runners::revoke(&mut tx, name, &principal.actor()).await?;
    tx.commit().await?;
    Ok(revoked)
}

async fn drain(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<Drained>, Problem> {
    set_drained(&state, &principal, &name, true).await?;
    Ok(Json(Drained { name, drained: true }))
}

async fn undrain(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<Drained>, Problem> {
    set_drained(&state, &principal, &name, false).await?;
    Ok(Json(Drained { name, drained: false }))
}

/// Lets a runner take nothing new, or jobs again, for the API and for the page.
pub(in crate::http) async fn set_drained(
    state: &AppState,
    principal: &Principal,
    name: &str,
    is_drained: bool,
) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    match is_drained {
        true => runners::drain(&mut tx, name, &principal.actor()).await?,
        false => runners::undrain(&mut tx, name, &principal.actor()).await?,
    }
    Ok(tx.commit().await?)
}
