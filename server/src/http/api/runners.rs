//! The runners that announced themselves.

use axum::{Json, extract::State};
use serde::Serialize;

use super::time::Time;
use crate::{
    access::{Permission, Routes},
    app::AppState,
    http::errors::Problem,
    store::runners,
};

pub(super) fn routes() -> Routes {
    Routes::new().get("/api/v1/runners", Permission::Read, list)
}

#[derive(Serialize)]
struct Runners {
    items: Vec<RunnerView>,
}

#[derive(Serialize)]
struct RunnerView {
    id: String,
    name: String,
    capacity: i64,
    version: String,
    last_seen_at: Time,
}

async fn list(State(state): State<AppState>) -> Result<Json<Runners>, Problem> {
    let rows = runners::list(&mut state.store.read().await?.conn()).await?;
    let items = rows.into_iter().map(|row| RunnerView {
        id: row.id,
        name: row.name,
        capacity: row.capacity,
        version: row.version,
        last_seen_at: Time(row.last_seen_at),
    });
    Ok(Json(Runners { items: items.collect() }))
}
