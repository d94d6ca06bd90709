//! The key that secrets are sealed with: which it is, and rotating it. The key itself is never told.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;

use super::time::Time;
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    http::errors::Problem,
    secrets::rotation,
    store::{
        StoreError,
        sealing::{self, SealingKey},
    },
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Secrets")
        .get("/api/v1/secret-key", Permission::Administer, "getSecretKey", "Which key everything is sealed with.", show)
        .post(
            "/api/v1/secret-key/rotate",
            Permission::Administer,
            "rotateSecretKey",
            "Has everything sealed with a new key; a rotation that is under way goes on.",
            rotate,
        )
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SecretKey")]
struct KeyView {
    /// By what it is told from others; it says nothing of the key.
    id: String,
    /// Since when values are sealed with it.
    since: Time,
    /// Since when nothing is sealed with earlier keys; none while a rotation is under way.
    alone_since: Option<Time>,
    /// How many values were sealed anew with it.
    resealed: i64,
    /// How many values no key of the server opened; they are to be set anew.
    unopened: i64,
}

impl From<SealingKey> for KeyView {
    fn from(key: SealingKey) -> Self {
        KeyView {
            id: key.key_id,
            since: Time(key.begun_at),
            alone_since: key.ended_at.map(Time),
            resealed: key.resealed,
            unopened: key.unopened,
        }
    }
}

async fn show(State(state): State<AppState>) -> Result<Json<KeyView>, Problem> {
    let found = sealing::current(&mut state.store.read().await?.conn()).await?;
    Ok(Json(found.ok_or_else(|| StoreError::missing("key of the secrets", "today"))?.into()))
}

async fn rotate(State(state): State<AppState>, principal: Principal) -> Result<Json<KeyView>, Problem> {
    Ok(Json(rotate_key(&state, &principal).await?.into()))
}

/// Begins a rotation, for the API and for the page.
pub(in crate::http) async fn rotate_key(state: &AppState, principal: &Principal) -> Result<SealingKey, Problem> {
    let mut tx = state.store.write().await?;
    let key = rotation::begin(&mut tx, &state.keyring, &principal.actor()).await?;
    tx.commit().await?;
    Ok(key)
}
