//! `/alerts`: what is wrong now, and who is told.

use axum::{
    extract::{Query, State},
    response::Redirect,
};
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    pages::{AlertRow, AlertsPage, ChannelRow},
    state::Tone,
    time::When,
};

use super::{Html, channels::form, viewer::viewer};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        api::alerts::{Answer, answer},
        errors::Problem,
        extract::Named,
    },
    ids::AlertId,
    notifications::{NotificationState, Rule},
    store::{
        Conn, StoreError,
        alerts::{self, Alert},
        channels::{self, Channel},
        events, notifications,
    },
};

/// The most alerts that are shown.
const MOST_OPEN: i64 = 100;
const MOST_OVER: i64 = 10;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/alerts", Permission::Read, show)
        .post("/alerts/{id}/acknowledge", Permission::Develop, acknowledge)
        .post("/alerts/{id}/close", Permission::Develop, close)
}

/// What the page is to say.
#[derive(Deserialize)]
struct Asked {
    /// The channel that a test was just sent to.
    tried: Option<String>,
}

async fn show(
    State(state): State<AppState>,
    Query(asked): Query<Asked>,
    principal: Principal,
) -> Result<Html<AlertsPage>, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let since = events::last_id(conn).await?;
    let open = alerts::open(conn, None, MOST_OPEN).await?;
    let over = alerts::closed(conn, None, MOST_OVER).await?;
    let viewer = viewer(&principal);
    let channels = if viewer.may_administer() { Some(channel_rows(conn, now).await?) } else { None };
    let is_known = |name: &String| channels.iter().flatten().any(|channel| channel.name == *name);
    let tried = asked.tried.filter(is_known);
    let tone = if open.is_empty() { Tone::Quiet } else { Tone::Bad };
    Ok(Html::ok(AlertsPage {
        frame: Frame::new("Alerts", Section::Alerts, viewer).live(format!("/stream/alerts?from={since}")).toned(tone),
        open: open.into_iter().map(|alert| row(alert, now)).collect(),
        over: over.into_iter().map(|alert| row(alert, now)).collect(),
        channels,
        tried,
        new_channel: form(&Rule::default()),
    }))
}

fn row(alert: Alert, now: i64) -> AlertRow {
    let message = alert.message.0;
    let taken_at = alert.acknowledged_at.map(|at| When { at, now });
    AlertRow {
        address: format!("/alerts/{}", alert.id),
        title: message.title(),
        page: message.page,
        reason: message.reason,
        times: alert.times,
        when: When { at: alert.closed_at.unwrap_or(alert.opened_at), now },
        taken: alert.acknowledged_by.zip(taken_at),
    }
}

async fn channel_rows(conn: &mut Conn<'_>, now: i64) -> Result<Vec<ChannelRow>, StoreError> {
    let mut rows = Vec::new();
    for Channel { id, name, kind, target, rule, .. } in channels::list(conn).await? {
        let last = notifications::last_to(conn, &id).await?.map(|last| {
            let good = match last.state {
                NotificationState::Sent => Some(true),
                NotificationState::Failed => Some(false),
                NotificationState::Waiting | NotificationState::Dropped => None,
            };
            let when = When { at: last.ended_at.unwrap_or(last.created_at), now };
            (last.state.as_str(), good, last.reason, when)
        });
        rows.push(ChannelRow {
            address: format!("/alerts/channels/{name}"),
            form: form(&rule),
            told: told(&rule),
            kind: kind.as_str(),
            name,
            target,
            last,
        });
    }
    Ok(rows)
}

/// What a rule lets through, in words.
fn told(rule: &Rule) -> String {
    let on: Vec<&str> = rule.on.iter().map(|occasion| occasion.as_str()).collect();
    let mut text = on.join(", ");
    let named = [("in", &rule.repositories), ("of", &rule.branches), ("to", &rule.environments)];
    for (word, patterns) in named.into_iter().filter(|(_, patterns)| !patterns.is_empty()) {
        text = format!("{text} {word} {}", patterns.join(", "));
    }
    if rule.after_minutes > 0 {
        text = format!("{text}, after {} min", rule.after_minutes);
    }
    text
}

async fn acknowledge(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<AlertId>,
) -> Result<Redirect, Problem> {
    answer(&state, &principal, &id, Answer::Acknowledge).await?;
    Ok(Redirect::to("/alerts"))
}

async fn close(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<AlertId>,
) -> Result<Redirect, Problem> {
    answer(&state, &principal, &id, Answer::Close).await?;
    Ok(Redirect::to("/alerts"))
}
