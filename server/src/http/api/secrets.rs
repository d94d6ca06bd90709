//! Secrets of repositories and of their environments. A value goes in and never comes out again.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{lookup, time::Time};
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Body, Named},
    },
    secrets::{GivenTo, Secret, repository as secrets},
    store::{self, Conn, StoreError, audit, environments, repositories::Repository, secrets::SecretName},
};

/// The largest body, which no other route's exceeds: the longest value, each of its characters escaped as JSON may have it.
pub(in crate::http) const BODY_LIMIT: usize = 6 * secrets::VALUE_LIMIT + 1024;

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Secrets")
        .get("/api/v1/repositories/{owner}/{name}/secrets", Permission::Administer, "listSecrets", "The names of a repository's secrets, and of those of its environments; their number is limited, and they come whole.", list)
        .get("/api/v1/repositories/{owner}/{name}/secrets/{secret}", Permission::Administer, "getSecret", "One secret of a repository, without its value.", show)
        .put_large(("/api/v1/repositories/{owner}/{name}/secrets/{secret}", BODY_LIMIT), Permission::Administer, "setSecret", "Sets a secret of a repository.", set)
        .delete("/api/v1/repositories/{owner}/{name}/secrets/{secret}", Permission::Administer, "removeSecret", "Removes a secret of a repository.", remove)
        .get(IN_ENVIRONMENT, Permission::Administer, "getEnvironmentSecret", "One secret of an environment, without its value.", show_in)
        .put_large((IN_ENVIRONMENT, BODY_LIMIT), Permission::Administer, "setEnvironmentSecret", "Sets a secret of an environment.", set_in)
        .delete(IN_ENVIRONMENT, Permission::Administer, "removeEnvironmentSecret", "Removes a secret of an environment.", remove_in)
}

const IN_ENVIRONMENT: &str = "/api/v1/repositories/{owner}/{name}/environments/{environment}/secrets/{secret}";

/// Where a secret stands, as its address says.
pub(in crate::http) struct Address {
    pub(in crate::http) owner: String,
    pub(in crate::http) name: String,
    pub(in crate::http) environment: Option<String>,
    pub(in crate::http) secret: String,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SecretValue")]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Value {
    pub(in crate::http) value: Secret,
    /// Whether the values that it had before are forgotten: releases that run with one get this one from their next container on.
    #[serde(default)]
    pub(in crate::http) forget_earlier: bool,
    /// The builds that are given it, and their releases; without it, those that it was for before, or every one.
    #[serde(default)]
    pub(in crate::http) given_to: Option<GivenTo>,
}

#[derive(Serialize, JsonSchema)]
struct Secrets {
    items: Vec<SecretView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Secret")]
struct SecretView {
    name: String,
    /// The one environment that it is for; none for the whole repository.
    environment: Option<String>,
    /// Which of all values that were set for the repository it has.
    version: i64,
    updated_at: Time,
    /// The builds that are given it, and their releases.
    given_to: GivenTo,
}

/// A secret that was just set.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SetSecret")]
pub(in crate::http) struct Set {
    name: String,
    environment: Option<String>,
    /// Whether a build has defined the environment yet; a misspelt one is told by this.
    environment_exists: Option<bool>,
}

impl From<SecretName> for SecretView {
    fn from(secret: SecretName) -> Self {
        SecretView {
            environment: Some(secret.environment).filter(|environment| !environment.is_empty()),
            name: secret.name,
            version: secret.version,
            updated_at: Time(secret.updated_at),
            given_to: secret.given_to.0,
        }
    }
}

/// A secret that was just removed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RemovedSecret")]
pub(in crate::http) struct Removed {
    secret: String,
    environment: Option<String>,
}

/// The whole repository's and those of every environment.
async fn list(
    State(state): State<AppState>,
    Named((owner, name)): Named<(String, String)>,
) -> Result<Json<Secrets>, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let found = store::secrets::list(&mut reader.conn(), &repository.id).await?;
    Ok(Json(Secrets { items: found.into_iter().map(SecretView::from).collect() }))
}

async fn show(
    state: State<AppState>,
    Named((owner, name, secret)): Named<(String, String, String)>,
) -> Result<Json<SecretView>, Problem> {
    find(state, Address { owner, name, environment: None, secret }).await
}

async fn show_in(
    state: State<AppState>,
    Named((owner, name, environment, secret)): Named<(String, String, String, String)>,
) -> Result<Json<SecretView>, Problem> {
    find(state, Address { owner, name, environment: Some(environment), secret }).await
}

async fn set(
    state: State<AppState>,
    principal: Principal,
    Named((owner, name, secret)): Named<(String, String, String)>,
    Body(value): Body<Value>,
) -> Result<Json<Set>, Problem> {
    Ok(Json(put(&state, &principal, Address { owner, name, environment: None, secret }, value).await?))
}

async fn set_in(
    state: State<AppState>,
    principal: Principal,
    Named((owner, name, environment, secret)): Named<(String, String, String, String)>,
    Body(value): Body<Value>,
) -> Result<Json<Set>, Problem> {
    let address = Address { owner, name, environment: Some(environment), secret };
    Ok(Json(put(&state, &principal, address, value).await?))
}

async fn remove(
    state: State<AppState>,
    principal: Principal,
    Named((owner, name, secret)): Named<(String, String, String)>,
) -> Result<Json<Removed>, Problem> {
    Ok(Json(forget(&state, &principal, Address { owner, name, environment: None, secret }).await?))
}

async fn remove_in(
    state: State<AppState>,
    principal: Principal,
    Named((owner, name, environment, secret)): Named<(String, String, String, String)>,
) -> Result<Json<Removed>, Problem> {
    Ok(Json(forget(&state, &principal, Address { owner, name, environment: Some(environment), secret }).await?))
}

async fn find(State(state): State<AppState>, address: Address) -> Result<Json<SecretView>, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &address.owner, &address.name).await?;
    let all = store::secrets::list(&mut reader.conn(), &repository.id).await?;
    let found = all.into_iter().find(|secret| {
        secret.name == address.secret && secret.environment == address.environment.as_deref().unwrap_or_default()
    });
    Ok(Json(found.ok_or_else(|| missing(&address, &repository))?.into()))
}

/// Sets a secret, for the API and for the page.
pub(in crate::http) async fn put(
    state: &AppState,
    principal: &Principal,
    address: Address,
    Value { value, forget_earlier, given_to }: Value,
) -> Result<Set, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), &address.owner, &address.name).await?;
    let Address { environment, secret, .. } = address;
    let (id, given_to) = (&repository.id, given_to.as_ref());
    secrets::set(&mut tx, &state.sealer, id, environment.as_deref(), &secret, &value, given_to).await?;
    if forget_earlier {
        let of = environment.as_deref().unwrap_or_default();
        store::secrets::forget_earlier(&mut tx, &repository.id, of, &secret).await?;
    }
    let detail = json!({
        "secret": secret, "environment": environment, "forget_earlier": forget_earlier, "given_to": given_to,
    });
    audit::append(&mut tx, &principal.actor(), "secret.set", &repository.name, detail).await?;
    let environment_exists = match &environment {
        Some(environment) => Some(exists(&mut tx.conn(), &repository, environment).await?),
        None => None,
    };
    tx.commit().await?;
    Ok(Set { name: secret, environment, environment_exists })
}

async fn exists(conn: &mut Conn<'_>, repository: &Repository, environment: &str) -> Result<bool, StoreError> {
    let found = environments::by_name(conn, &repository.id, environment).await?;
    Ok(found.is_some_and(|environment| environment.removed_at.is_none()))
}

/// Forgets a secret, for the API and for the page.
pub(in crate::http) async fn forget(
    state: &AppState,
    principal: &Principal,
    address: Address,
) -> Result<Removed, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), &address.owner, &address.name).await?;
    let environment = address.environment.as_deref();
    if !store::secrets::remove(&mut tx, &repository.id, environment.unwrap_or_default(), &address.secret).await? {
        return Err(missing(&address, &repository));
    }
    let detail = json!({"secret": address.secret, "environment": environment});
    audit::append(&mut tx, &principal.actor(), "secret.remove", &repository.name, detail).await?;
    tx.commit().await?;
    Ok(Removed { secret: address.secret, environment: address.environment })
}

fn missing(address: &Address, repository: &Repository) -> Problem {
    let of = match &address.environment {
        Some(environment) => format!("{} of {environment} of {}", address.secret, repository.name),
        None => format!("{} of {}", address.secret, repository.name),
    };
    StoreError::missing("secret", &of).into()
}
