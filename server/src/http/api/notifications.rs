//! What was told to whom, and what is on its way.

use std::collections::HashMap;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    page::{Cursor, Page},
    time::Time,
};
use crate::{
    access::{ApiRoutes, Permission},
    app::AppState,
    http::{errors::Problem, extract::Asked},
    ids::NotificationId,
    notifications::{NotificationState, Occasion},
    store::{
        channels,
        notifications::{self, Notification},
    },
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Notifications").get(
        "/api/v1/notifications",
        Permission::Administer,
        "listNotifications",
        "What was told to whom, newest first.",
        list,
    )
}

/// One message to one channel.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Notification")]
pub(super) struct NotificationView {
    id: String,
    channel: String,
    occasion: Occasion,
    title: String,
    state: NotificationState,
    /// Why it failed, waits again or was dropped.
    reason: Option<String>,
    /// How often it was sent.
    attempts: i64,
    created_at: Time,
    /// When it is sent; none once it was.
    next_at: Option<Time>,
    ended_at: Option<Time>,
}

impl NotificationView {
    pub(super) fn new(row: Notification, channel: &str) -> Self {
        NotificationView {
            id: row.id.to_string(),
            channel: channel.to_owned(),
            occasion: row.message.occasion,
            title: row.message.title(),
            next_at: (row.state == NotificationState::Waiting).then_some(Time(row.next_at)),
            state: row.state,
            reason: row.reason,
            attempts: row.attempts,
            created_at: Time(row.created_at),
            ended_at: row.ended_at.map(Time),
        }
    }
}

async fn list(
    State(state): State<AppState>,
    Asked(cursor): Asked<Cursor>,
) -> Result<Json<Page<NotificationView>>, Problem> {
    let before = cursor.parsed::<NotificationId>()?;
    let mut reader = state.store.read().await?;
    let rows = notifications::list(&mut reader.conn(), before.as_ref(), cursor.rows()).await?;
    let channels = channels::list(&mut reader.conn()).await?;
    let names: HashMap<_, _> = channels.into_iter().map(|channel| (channel.id, channel.name)).collect();
    let view = |row: Notification| {
        let name = names.get(&row.channel_id).map_or("", String::as_str);
        NotificationView::new(row, name)
    };
    Ok(Json(cursor.page(rows, |row| row.id.to_string(), view)))
}
