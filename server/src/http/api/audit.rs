//! The audit log.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{page::Cursor, page::Page, time::Time};
use crate::{
    access::{ApiRoutes, Permission},
    app::AppState,
    http::{errors::Problem, extract::Asked},
    store::audit,
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Audit").get(
        "/api/v1/audit",
        Permission::Administer,
        "listAuditEntries",
        "Who changed what, newest first.",
        list,
    )
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
struct EntryView {
    at: Time,
    actor: String,
    action: String,
    subject: String,
    detail: Value,
}

/// Which entries are asked for.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WantedEntries")]
#[serde(deny_unknown_fields)]
struct Wanted {
    cursor: Option<String>,
    limit: Option<u16>,
    /// Those of this person, also by tokens of their own; or those of one such token alone, as `ana via laptop`.
    actor: Option<String>,
    /// Those of this action alone, such as `secret.set`.
    action: Option<String>,
}

async fn list(State(state): State<AppState>, Asked(wanted): Asked<Wanted>) -> Result<Json<Page<EntryView>>, Problem> {
    let cursor = Cursor::new(wanted.cursor, wanted.limit);
    let before = cursor.parsed()?;
    let which = audit::Which { actor: wanted.actor.as_deref(), action: wanted.action.as_deref() };
    let rows = audit::list(&mut state.store.read().await?.conn(), which, before.as_ref(), cursor.rows()).await?;
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
