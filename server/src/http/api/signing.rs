//! The keys by which the server signs images. What is private of one never comes out.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::time::Time;
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    http::{errors::Problem, extract::Named},
    signing::{self, SigningError},
    store::{
        StoreError, audit,
        signing_keys::{self, SealedKey},
    },
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Signing")
        .get(
            "/api/v1/signing",
            Permission::Read,
            "listSigningKeys",
            "The keys by which this server signs images: the newest signs. They are few, and come whole.",
            list,
        )
        .post(
            "/api/v1/signing",
            Permission::Administer,
            "createSigningKey",
            "Makes a key, by which every image is signed that a build pushes from now on.",
            create,
        )
        .delete(
            "/api/v1/signing/{key}",
            Permission::Administer,
            "removeSigningKey",
            "Removes a key: what it has signed is no longer signed by this server.",
            remove,
        )
}

#[derive(Serialize, JsonSchema)]
struct SigningKeys {
    items: Vec<KeyView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SigningKey")]
struct KeyView {
    /// The beginning of the SHA-256 of the public key.
    id: String,
    /// What signatures are checked with, as PEM.
    public_key: String,
    created_at: Time,
    created_by: String,
}

impl From<SealedKey> for KeyView {
    fn from(key: SealedKey) -> Self {
        KeyView { id: key.id, public_key: key.public_key, created_at: Time(key.created_at), created_by: key.created_by }
    }
}

impl From<SigningError> for Problem {
    fn from(error: SigningError) -> Self {
        match error {
            SigningError::Store(error) => error.into(),
            other => Problem::conflict(crate::http::errors::sentence(&other)),
        }
    }
}

async fn list(State(state): State<AppState>) -> Result<Json<SigningKeys>, Problem> {
    let keys = signing_keys::list(&mut state.store.read().await?.conn()).await?;
    Ok(Json(SigningKeys { items: keys.into_iter().map(KeyView::from).collect() }))
}

async fn create(State(state): State<AppState>, principal: Principal) -> Result<Json<KeyView>, Problem> {
    let mut tx = state.store.write().await?;
    let key = signing::create(&mut tx, &state.sealer, &principal.actor()).await?;
    audit::append(&mut tx, &principal.actor(), "signing.create", &key.id, json!({"public_key": key.public_key}))
        .await?;
    tx.commit().await?;
    Ok(Json(key.into()))
}

/// A key that was just removed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RemovedSigningKey")]
struct Removed {
    id: String,
}

async fn remove(
    State(state): State<AppState>,
    principal: Principal,
    Named(id): Named<String>,
) -> Result<Json<Removed>, Problem> {
    let mut tx = state.store.write().await?;
    if !signing::remove(&mut tx, &id).await? {
        return Err(StoreError::missing("signing key", &id).into());
    }
    audit::append(&mut tx, &principal.actor(), "signing.remove", &id, json!({})).await?;
    tx.commit().await?;
    Ok(Json(Removed { id }))
}
