//! The webhook deliveries that were received.

use std::collections::HashMap;

use axum::{Json, extract::State};
use serde::Serialize;

use super::{
    page::{Cursor, Page},
    time::Time,
};
use crate::{
    access::{Permission, Routes},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Asked, Named},
    },
    ids::{DeliveryId, RepositoryId},
    store::{
        StoreError,
        deliveries::{self, Delivery, DeliveryState},
        repositories,
    },
};

pub(super) fn routes() -> Routes {
    Routes::new().get("/api/v1/deliveries", Permission::Read, list).get(
        "/api/v1/deliveries/{id}",
        Permission::Read,
        show,
    )
}

/// Without the payload, which holds the e-mail addresses of people.
#[derive(Serialize)]
struct DeliveryView {
    id: String,
    repository: Option<String>,
    forge_id: String,
    event: String,
    state: DeliveryState,
    reason: Option<String>,
    build: Option<i64>,
    received_at: Time,
}

fn view(delivery: Delivery, repository: Option<String>) -> DeliveryView {
    DeliveryView {
        id: delivery.id.to_string(),
        repository,
        forge_id: delivery.forge_id,
        event: delivery.event,
        state: delivery.state,
        reason: delivery.reason,
        build: delivery.build_number,
        received_at: Time(delivery.received_at),
    }
}

async fn list(
    State(state): State<AppState>,
    Asked(cursor): Asked<Cursor>,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    let before: Option<DeliveryId> = cursor.parsed()?;
    let mut reader = state.store.read().await?;
    let rows = deliveries::list(&mut reader.conn(), None, before.as_ref(), cursor.rows()).await?;
    let mut names: HashMap<RepositoryId, String> = HashMap::new();
    for row in &rows {
        if !names.contains_key(&row.repository_id)
            && let Some(found) = repositories::find(&mut reader.conn(), &row.repository_id).await?
        {
            names.insert(found.id, found.name);
        }
    }
    Ok(Json(cursor.page(
        rows,
        |row| row.id.to_string(),
        |row| {
            let name = names.get(&row.repository_id).cloned();
            view(row, name)
        },
    )))
}

async fn show(State(state): State<AppState>, Named(id): Named<DeliveryId>) -> Result<Json<DeliveryView>, Problem> {
    let mut reader = state.store.read().await?;
    let found = deliveries::find(&mut reader.conn(), &id).await?;
    let found = found.ok_or_else(|| StoreError::missing("delivery", &id))?;
    let repository = repositories::find(&mut reader.conn(), &found.repository_id).await?;
    Ok(Json(view(found, repository.map(|repository| repository.name))))
}
