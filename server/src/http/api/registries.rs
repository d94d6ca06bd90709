//! Logins to registries. A password goes in and never comes out again.

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
        extract::{Body, Named},
    },
    secrets::{LoginScope, Place, Secret},
    store::{
        StoreError, audit,
        registry_credentials::{self, SealedCredential},
    },
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Registries")
        .get(
            "/api/v1/registries",
            Permission::Administer,
            "listRegistries",
            "The logins to registries; they are few, and come whole.",
            list,
        )
        .get(
            "/api/v1/registries/{host}",
            Permission::Administer,
            "getRegistry",
            "One login, without its password.",
            show,
        )
        .put("/api/v1/registries/{host}", Permission::Administer, "setRegistry", "Sets the login to a registry.", set)
        .delete(
            "/api/v1/registries/{host}",
            Permission::Administer,
            "removeRegistry",
            "Removes the login to a registry.",
            remove,
        )
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WantedLogin")]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Login {
    pub(in crate::http) username: String,
    pub(in crate::http) password: Secret,
    /// Patterns of the repositories that it is for.
    pub(in crate::http) repositories: Option<Vec<String>>,
    /// Whether it is for every repository.
    #[serde(default)]
    pub(in crate::http) all_repositories: bool,
}

#[derive(Serialize, JsonSchema)]
struct Registries {
    items: Vec<RegistryView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Registry")]
struct RegistryView {
    host: String,
    username: String,
    /// Null where it is for every repository.
    repositories: Option<Vec<String>>,
    updated_at: Time,
}

impl From<SealedCredential> for RegistryView {
    fn from(credential: SealedCredential) -> Self {
        RegistryView {
            host: credential.host,
            username: credential.username,
            repositories: credential.repositories.map(|patterns| patterns.0),
            updated_at: Time(credential.updated_at),
        }
    }
}

async fn list(State(state): State<AppState>) -> Result<Json<Registries>, Problem> {
    let rows = registry_credentials::list(&mut state.store.read().await?.conn()).await?;
    Ok(Json(Registries { items: rows.into_iter().map(RegistryView::from).collect() }))
}

async fn show(State(state): State<AppState>, Named(host): Named<String>) -> Result<Json<RegistryView>, Problem> {
    let rows = registry_credentials::list(&mut state.store.read().await?.conn()).await?;
    let found = rows.into_iter().find(|row| row.host == host);
    Ok(Json(found.ok_or_else(|| StoreError::missing("login for the registry", &host))?.into()))
}

/// A login that was just set.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SetRegistry")]
struct Set {
    host: String,
    username: String,
    /// Null where it is for every repository.
    repositories: Option<Vec<String>>,
}

/// A login that was just removed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RemovedRegistry")]
struct Removed {
    host: String,
}

async fn set(
    State(state): State<AppState>,
    principal: Principal,
    Named(host): Named<String>,
    Body(login): Body<Login>,
) -> Result<Json<Set>, Problem> {
    let username = login.username.clone();
    let scope = set_login(&state, &principal, &host, login).await?;
    let repositories = scope.patterns().map(<[String]>::to_vec);
    Ok(Json(Set { host, username, repositories }))
}

/// Sets the login for a registry, for the API and for the page.
pub(in crate::http) async fn set_login(
    state: &AppState,
    principal: &Principal,
    host: &str,
    login: Login,
) -> Result<LoginScope, Problem> {
    if !is_host(host) {
        return Err(Problem::unprocessable(
            "The registry must be named as in image names: a host, with its port if it has one, and no scheme or path.",
        ));
    }
    if login.username.is_empty() || login.password.reveal().is_empty() {
        return Err(Problem::unprocessable("The user name and the password must not be empty."));
    }
    let scope = LoginScope::asked(login.repositories, login.all_repositories)
        .map_err(|error| Problem::unprocessable(error.to_string()))?;
    let mut tx = state.store.write().await?;
    let sealed = state.sealer.seal(Place::registry_password(host), &login.password);
    registry_credentials::set(&mut tx, host, &login.username, &sealed, &scope).await?;
    let detail = json!({"username": login.username, "repositories": scope.patterns()});
    audit::append(&mut tx, &principal.actor(), "registry.login", host, detail).await?;
    tx.commit().await?;
    Ok(scope)
}

async fn remove(
    State(state): State<AppState>,
    principal: Principal,
    Named(host): Named<String>,
) -> Result<Json<Removed>, Problem> {
    remove_login(&state, &principal, &host).await?;
    Ok(Json(Removed { host }))
}

/// Forgets the login for a registry, for the API and for the page.
pub(in crate::http) async fn remove_login(state: &AppState, principal: &Principal, host: &str) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    if !registry_credentials::remove(&mut tx, host).await? {
        return Err(StoreError::missing("login for the registry", host).into());
    }
    audit::append(&mut tx, &principal.actor(), "registry.logout", host, json!({})).await?;
    Ok(tx.commit().await?)
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
    is_name && host.len() <= 255 && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn registries_are_named_as_in_image_names() {
        for host in ["registry.example.com", "localhost:5000", "127.0.0.1:5000", "docker.io"] {
            assert!(is_host(host), "{host}");
        }
        for odd in ["https://registry.example.com", "host/path", "host:", "host:99999", "", "a b"] {
            assert!(!is_host(odd), "{odd}");
        }
    }
}
