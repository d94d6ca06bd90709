//! Promotions and rollbacks: the two ways in which a person makes a release.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{lookup, releases::ReleaseView};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Body, Named},
    },
    releases,
    store::audit,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .post("/api/v1/repositories/{owner}/{name}/environments/{environment}/promotions", Permission::Change, promote)
        .post("/api/v1/repositories/{owner}/{name}/environments/{environment}/rollbacks", Permission::Change, roll_back)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Promotion {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rollback {
    /// The number of the release to return to; the one before what is live, unless it is given.
    to: Option<i64>,
}

/// Releases to the environment exactly what is live where it takes its releases from.
async fn promote(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Body(Promotion {}): Body<Promotion>,
) -> Result<(StatusCode, Json<ReleaseView>), Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), &owner, &name).await?;
    let release = releases::promote(&mut tx, &repository, &environment, principal.actor()).await?;
    let subject = format!("{} {environment}", repository.name);
    let detail = json!({"release": release.number, "build": release.build_number});
    audit::append(&mut tx, principal.actor(), "release.promote", &subject, detail).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(release.into())))
}

/// Releases again what an earlier release held.
async fn roll_back(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Body(asked): Body<Rollback>,
) -> Result<(StatusCode, Json<ReleaseView>), Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), &owner, &name).await?;
    let release = releases::rollback(&mut tx, &repository, &environment, asked.to, principal.actor()).await?;
    let subject = format!("{} {environment}", repository.name);
    let detail = json!({"release": release.number, "build": release.build_number, "to": asked.to});
    audit::append(&mut tx, principal.actor(), "release.rollback", &subject, detail).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(release.into())))
}
