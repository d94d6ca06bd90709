//! What is wrong now, and what was.

use std::str::FromStr;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    page::{Cursor, Page},
    time::Time,
};
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
        alerts::{self, Alert, Behind},
        audit,
    },
};

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
            Permission::Develop,
            "acknowledgeAlert",
            "Says that somebody looks after an alert.",
            acknowledge,
        )
        .post(
            "/api/v1/alerts/{id}/close",
            Permission::Develop,
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
    /// What the page before gave as `next`.
    cursor: Option<String>,
    /// How many at most.
    limit: Option<u16>,
}

/// Behind which alert a page begins, as its cursor says.
struct Place(Behind);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Place((at, id)) = self;
        write!(f, "{at}-{}", id.as_str())
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once('-').ok_or(())?;
        Ok(Place((at.parse().map_err(drop)?, id.parse().map_err(drop)?)))
    }
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

async fn list(State(state): State<AppState>, Asked(which): Asked<Which>) -> Result<Json<Page<AlertView>>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let cursor = Cursor::new(which.cursor, which.limit);
    let behind = cursor.parsed::<Place>()?.map(|Place(behind)| behind);
    let found = match which.closed {
        true => alerts::closed(conn, behind.as_ref(), cursor.rows()).await?,
        false => alerts::open(conn, behind.as_ref(), cursor.rows()).await?,
    };
    let place = |alert: &Alert| Place((alert.closed_at.unwrap_or(alert.opened_at), alert.id.clone())).to_string();
    Ok(Json(cursor.page(found, place, |alert| view(&state, alert))))
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
    let by = principal.name();
    let (alert, action) = match answer {
        Answer::Acknowledge => (notifications::acknowledge(&mut tx, id, by).await?, "alert.acknowledge"),
        Answer::Close => (notifications::close(&mut tx, id, by).await?, "alert.close"),
    };
    audit::append(&mut tx, &principal.actor(), action, id.as_str(), json!({"title": alert.message.title()})).await?;
    tx.commit().await?;
    Ok(alert)
}
