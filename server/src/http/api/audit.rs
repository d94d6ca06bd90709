//! The audit log.

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::Value;

use super::{page::Cursor, page::Page, time::Time};
use crate::{
    access::{Permission, Routes},
    app::AppState,
    http::{errors::Problem, extract::Asked},
    store::audit,
};

pub(super) fn routes() -> Routes {
    Routes::new().get("/api/v1/audit", Permission::Change, list)
}

#[derive(Serialize)]
struct EntryView {
    at: Time,
    actor: String,
    action: String,
    subject: String,
    detail: Value,
}

async fn list(State(state): State<AppState>, Asked(cursor): Asked<Cursor>) -> Result<Json<Page<EntryView>>, Problem> {
    let before = cursor.parsed()?;
    let rows = audit::list(&mut state.store.read().await?.conn(), before.as_ref(), cursor.rows()).await?;
    Ok(Json(cursor.page(
        rows,
        |row| row.id.to_string(),
        |row| EntryView {
            at: Time(row.at),
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            detail: row.detail.0,
        },
    )))
}
