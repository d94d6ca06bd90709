//! Channels that notifications go to. An address goes in and never comes out again.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{notifications::NotificationView, time::Time};
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Body, Named},
    },
    ids::NotificationId,
    notifications::{
        About, Address, AddressError, ChannelKind, Message, NewChannel, Occasion, Rule, address_of, set_channel,
    },
    store::{
        Conn, StoreError, audit,
        channels::{self, Channel},
        notifications,
    },
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Notifications")
        .get(
            "/api/v1/channels",
            Permission::Administer,
            "listChannels",
            "Every channel that notifications go to; they are few, and come whole.",
            list,
        )
        .get("/api/v1/channels/{name}", Permission::Administer, "getChannel", "One channel.", show)
        .put(
            "/api/v1/channels/{name}",
            Permission::Administer,
            "setChannel",
            "Makes a channel, or changes the one of this name.",
            set,
        )
        .delete("/api/v1/channels/{name}", Permission::Administer, "removeChannel", "Removes a channel.", remove)
        .post(
            "/api/v1/channels/{name}/test",
            Permission::Administer,
            "testChannel",
            "Sends a message by which the channel can be tried, and waits for the other side.",
            test,
        )
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WantedChannel")]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Where it leads; may be left away where that stays.
    #[serde(default)]
    to: Option<Address>,
    #[serde(default)]
    rule: Rule,
}

#[derive(Serialize, JsonSchema)]
struct Channels {
    items: Vec<ChannelView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Channel")]
struct ChannelView {
    name: String,
    kind: ChannelKind,
    /// Where it leads, without what lets anybody send there.
    target: String,
    rule: Rule,
    updated_at: Time,
    /// The newest message to it.
    last: Option<NotificationView>,
}

async fn view(conn: &mut Conn<'_>, channel: Channel) -> Result<ChannelView, StoreError> {
    let last = notifications::last_to(conn, &channel.id).await?;
    Ok(ChannelView {
        last: last.map(|last| NotificationView::new(last, &channel.name)),
        name: channel.name,
        kind: channel.kind,
        target: channel.target,
        rule: channel.rule.0,
        updated_at: Time(channel.updated_at),
    })
}

async fn list(State(state): State<AppState>) -> Result<Json<Channels>, Problem> {
    let mut reader = state.store.read().await?;
    let mut items = Vec::new();
    for channel in channels::list(&mut reader.conn()).await? {
        items.push(view(&mut reader.conn(), channel).await?);
    }
    Ok(Json(Channels { items }))
}

async fn show(State(state): State<AppState>, Named(name): Named<String>) -> Result<Json<ChannelView>, Problem> {
    let mut reader = state.store.read().await?;
    let channel = found(&mut reader.conn(), &name).await?;
    Ok(Json(view(&mut reader.conn(), channel).await?))
}

async fn set(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<ChannelView>, Problem> {
    let channel = make(&state, &principal, &NewChannel { name, address: wanted.to, rule: wanted.rule }).await?;
    Ok(Json(view(&mut state.store.read().await?.conn(), channel).await?))
}

/// Makes a channel, or changes the one of its name.
pub(in crate::http) async fn make(
    state: &AppState,
    principal: &Principal,
    new: &NewChannel,
) -> Result<Channel, Problem> {
    if matches!(new.address, Some(Address::Email { .. })) && !state.sender.has_mail() {
        return Err(Problem::conflict(AddressError::NoMailServer.to_string()));
    }
    let mut tx = state.store.write().await?;
    let channel = set_channel(&mut tx, &state.sealer, new).await?;
    let detail = json!({"kind": channel.kind, "target": channel.target, "rule": channel.rule});
    audit::append(&mut tx, &principal.actor(), "channel.set", &channel.name, detail).await?;
    tx.commit().await?;
    Ok(channel)
}

/// A channel that was just removed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RemovedChannel")]
struct Removed {
    name: String,
}

/// A channel that took a message.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TestedChannel")]
struct Tested {
    name: String,
    sent: bool,
}

async fn remove(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<Removed>, Problem> {
    end(&state, &principal, &name).await?;
    Ok(Json(Removed { name }))
}

/// Removes a channel: nothing goes there any more.
pub(in crate::http) async fn end(state: &AppState, principal: &Principal, name: &str) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    if !channels::remove(&mut tx, name).await? {
        return Err(StoreError::missing("channel", name).into());
    }
    audit::append(&mut tx, &principal.actor(), "channel.remove", name, json!({})).await?;
    Ok(tx.commit().await?)
}

async fn test(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<Tested>, Problem> {
    try_out(&state, &principal, &name).await?;
    Ok(Json(Tested { name, sent: true }))
}

/// Sends a message that says what it is, and waits for the other side's answer.
pub(in crate::http) async fn try_out(state: &AppState, principal: &Principal, name: &str) -> Result<(), Problem> {
    let channel = found(&mut state.store.read().await?.conn(), name).await?;
    let address = address_of(&channel, &state.sealer)?;
    let message = trial(principal.name(), state.store.clock().now());
    let sent = state.sender.send(&address, &NotificationId::new(), &message).await;
    sent.map_err(|error| Problem::conflict(format!("{} does not take messages: {error}.", channel.target)))
}

fn trial(actor: &str, at: i64) -> Message {
    Message {
        occasion: Occasion::BuildSucceeded,
        repository: "slipway/test".to_owned(),
        at,
        page: "/alerts".to_owned(),
        reason: Some(format!("{actor} tries this channel; there was no such build")),
        about: About::Build {
            number: 1,
            reference: "main".to_owned(),
            commit: "0".repeat(40),
            summary: "A test of notifications".to_owned(),
            author: actor.to_owned(),
        },
        trouble: None,
    }
}

async fn found(conn: &mut Conn<'_>, name: &str) -> Result<Channel, StoreError> {
    channels::by_name(conn, name).await?.ok_or_else(|| StoreError::missing("channel", name))
}
