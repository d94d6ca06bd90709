//! Secrets of the whole instance. A value goes in and never comes out again.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{secrets::BODY_LIMIT, time::Time};
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Body, Named},
    },
    secrets::{
        GivenTo, LoginScope, Secret,
        instance::{self, NewInstanceSecret},
        repository::SecretError,
    },
    store::{
        StoreError, audit,
        instance_secrets::{self, InstanceSecret},
    },
};

const ONE: &str = "/api/v1/secrets/{secret}";

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Secrets")
        .get(
            "/api/v1/secrets",
            Permission::Administer,
            "listInstanceSecrets",
            "The names of the instance's secrets; their number is limited, and they come whole.",
            list,
        )
        .get(ONE, Permission::Administer, "getInstanceSecret", "One secret of the instance, without its value.", show)
        .put_large(
            (ONE, BODY_LIMIT),
            Permission::Administer,
            "setInstanceSecret",
            "Sets a secret of the instance, for the repositories that it names.",
            set,
        )
        .delete(ONE, Permission::Administer, "removeInstanceSecret", "Removes a secret of the instance.", remove)
}

/// A secret of the instance as it is asked for.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "InstanceSecretValue")]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Wanted {
    pub(in crate::http) value: Secret,
    /// Patterns of the repositories that it is for.
    pub(in crate::http) repositories: Option<Vec<String>>,
    /// Whether it is for every repository.
    #[serde(default)]
    pub(in crate::http) all_repositories: bool,
    /// The builds that are given it, and their releases; without it, those that it was for before, or every one.
    #[serde(default)]
    pub(in crate::http) given_to: Option<GivenTo>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InstanceSecrets")]
struct Listed {
    items: Vec<View>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InstanceSecret")]
struct View {
    name: String,
    /// How often it was set.
    version: i64,
    /// Null where it is for every repository.
    repositories: Option<Vec<String>>,
    /// The builds that are given it, and their releases.
    given_to: GivenTo,
    updated_at: Time,
}

impl From<InstanceSecret> for View {
    fn from(secret: InstanceSecret) -> Self {
        View {
            name: secret.name,
            version: secret.version,
            repositories: secret.repositories.map(|patterns| patterns.0),
            given_to: secret.given_to.0,
            updated_at: Time(secret.updated_at),
        }
    }
}

/// A secret of the instance that was just removed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RemovedInstanceSecret")]
struct Removed {
    secret: String,
}

async fn list(State(state): State<AppState>) -> Result<Json<Listed>, Problem> {
    let found = instance_secrets::list(&mut state.store.read().await?.conn()).await?;
    Ok(Json(Listed { items: found.into_iter().map(View::from).collect() }))
}

async fn show(State(state): State<AppState>, Named(secret): Named<String>) -> Result<Json<View>, Problem> {
    let found = instance_secrets::list(&mut state.store.read().await?.conn()).await?;
    let found = found.into_iter().find(|one| one.name == secret);
    Ok(Json(found.ok_or_else(|| missing(&secret))?.into()))
}

async fn set(
    state: State<AppState>,
    principal: Principal,
    Named(secret): Named<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<View>, Problem> {
    put(&state, &principal, &secret, wanted).await?;
    show(state, Named(secret)).await
}

async fn remove(
    State(state): State<AppState>,
    principal: Principal,
    Named(secret): Named<String>,
) -> Result<Json<Removed>, Problem> {
    forget(&state, &principal, &secret).await?;
    Ok(Json(Removed { secret }))
}

/// Sets a secret of the instance, for the API and for the page.
pub(in crate::http) async fn put(
    state: &AppState,
    principal: &Principal,
    name: &str,
    wanted: Wanted,
) -> Result<(), Problem> {
    let scope = LoginScope::asked(wanted.repositories, wanted.all_repositories).map_err(SecretError::from)?;
    let given_to = wanted.given_to.as_ref();
    let mut tx = state.store.write().await?;
    let new = NewInstanceSecret { name, value: &wanted.value, scope: &scope, given_to };
    instance::set(&mut tx, &state.sealer, &new).await?;
    let detail = json!({"repositories": scope.patterns(), "given_to": given_to});
    audit::append(&mut tx, &principal.actor(), "instance_secret.set", name, detail).await?;
    Ok(tx.commit().await?)
}

/// Forgets a secret of the instance, for the API and for the page.
pub(in crate::http) async fn forget(state: &AppState, principal: &Principal, name: &str) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    if !instance_secrets::remove(&mut tx, name).await? {
        return Err(missing(name));
    }
    audit::append(&mut tx, &principal.actor(), "instance_secret.remove", name, json!({})).await?;
    Ok(tx.commit().await?)
}

fn missing(name: &str) -> Problem {
    StoreError::missing("secret of the instance", name).into()
}
