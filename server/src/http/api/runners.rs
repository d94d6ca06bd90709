//! The runners: who they are and what they take; admitting those on other machines, and dismissing them.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::time::Time;
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Body, Named},
    },
    runners::{self, Labels, Presence, Takes},
    store,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/api/v1/runners", Permission::Read, list)
        .post("/api/v1/runners", Permission::Change, create)
        .delete("/api/v1/runners/{name}", Permission::Change, revoke)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    #[serde(default)]
    labels: Labels,
}

/// The one answer that holds a runner's token.
#[derive(Serialize)]
struct Created {
    id: String,
    name: String,
    labels: Labels,
    token: String,
}

#[derive(Serialize)]
struct Runners {
    items: Vec<RunnerView>,
}

#[derive(Serialize)]
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
        last_seen_at: (row.last_seen_at > 0).then_some(Time(row.last_seen_at)),
    });
    Ok(Json(Runners { items: items.collect() }))
}

async fn create(
    State(state): State<AppState>,
    principal: Principal,
    Body(asked): Body<Create>,
) -> Result<(StatusCode, Json<Created>), Problem> {
    let mut tx = state.store.write().await?;
    let (id, token) = runners::admit(&mut tx, &asked.name, &asked.labels, principal.actor()).await?;
    tx.commit().await?;
    let token = token.reveal().to_owned();
    let created = Created { id: id.to_string(), name: asked.name, labels: asked.labels, token };
    Ok((StatusCode::CREATED, Json(created)))
}

async fn revoke(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<Value>, Problem> {
    let mut tx = state.store.write().await?;
    let revoked = runners::revoke(&mut tx, &name, principal.actor()).await?;
    tx.commit().await?;
    Ok(Json(json!({"id": revoked.id, "name": revoked.name})))
}
