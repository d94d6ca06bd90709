//! What is wrong now, and what was.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::time::Time;
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Asked, Named},
    },
    ids::AlertId,
    notifications,
    store::{
        alerts::{self, Alert},
        audit,
    },
};

/// The most alerts of an answer.
const MOST: i64 = 200;

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Alerts")
        .get(
            "/api/v1/alerts",
            Permission::Read,
            "listAlerts",
            "Alerts, newest first: those that are open, or those that are over.",
            list,
        )
        .post(
            "/api/v1/alerts/{id}/acknowledge",
            Permission::Change,
            "acknowledgeAlert",
            "Says that somebody looks after an alert.",
            acknowledge,
        )
        .post(
            "/api/v1/alerts/{id}/close",
            Permission::Change,
            "closeAlert",
            "Says that an alert is no trouble any more.",
            close,
        )
}

/// Which alerts are asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Those that are over, instead of those that are not.
    #[serde(default)]
    closed: bool,
}

#[derive(Serialize, JsonSchema)]
struct Alerts {
    items: Vec<AlertView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Alert")]
struct AlertView {
    id: String,
    title: String,
    reason: Option<String>,
    /// None where it is of a runner.
    repository: Option<String>,
    url: String,
    times: i64,
    opened_at: Time,
    last_at: Time,
    acknowledged_at: Option<Time>,
    acknowledged_by: Option<String>,
    closed_at: Option<Time>,
    closed_by: Option<String>,
}

fn view(state: &AppState, alert: Alert) -> AlertView {
    let message = alert.message.0;
    AlertView {
        id: alert.id.to_string(),
        title: message.title(),
        reason: message.reason,
        repository: Some(message.repository).filter(|name| !name.is_empty()),
        url: state.url(&message.page),
        times: alert.times,
        opened_at: Time(alert.opened_at),
        last_at: Time(alert.last_at),
        acknowledged_at: alert.acknowledged_at.map(Time),
        acknowledged_by: alert.acknowledged_by,
        closed_at: alert.closed_at.map(Time),
        closed_by: alert.closed_by,
    }
}

async fn list(State(state): State<AppState>, Asked(which): Asked<Which>) -> Result<Json<Alerts>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let found = if which.closed { alerts::closed(conn, MOST).await? } else { alerts::open(conn, MOST).await? };
    Ok(Json(Alerts { items: found.into_iter().map(|alert| view(&state, alert)).collect() }))
}

async fn acknowledge(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<AlertId>,
) -> Result<Json<AlertView>, Problem> {
    answer(&state, &principal, &id, Answer::Acknowledge).await.map(|alert| Json(view(&state, alert)))
}

async fn close(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<AlertId>,
) -> Result<Json<AlertView>, Problem> {
    answer(&state, &principal, &id, Answer::Close).await.map(|alert| Json(view(&state, alert)))
}

/// What somebody says to an alert.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) enum Answer {
    /// They look after it.
    Acknowledge,
    /// It is no trouble any more.
    Close,
}

/// Takes an answer to an alert, for the API and for the page.
pub(in crate::http) async fn answer(
    state: &AppState,
    principal: &Principal,
    id: &AlertId,
    answer: Answer,
) -> Result<Alert, Problem> {
    let mut tx = state.store.write().await?;
    let by = principal.actor();
    let (alert, action) = match answer {
        Answer::Acknowledge => (notifications::acknowledge(&mut tx, id, by).await?, "alert.acknowledge"),
        Answer::Close => (notifications::close(&mut tx, id, by).await?, "alert.close"),
    };
    audit::append(&mut tx, by, action, id.as_str(), json!({"title": alert.message.title()})).await?;
    tx.commit().await?;
    Ok(alert)
}
