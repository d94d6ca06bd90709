//! Connecting repositories, looking at them, and changing what is set for them.

mod address;
mod disconnect;
mod trial;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use address::{Address, AddressError};
pub(in crate::http) use disconnect::{hindrances, let_go};
pub(in crate::http) use trial::{Trial, send_trial};

use super::{lookup, page::Cursor, page::Page, time::Time};
use crate::{
    access::{ApiRoutes, Permission, Principal, Role, Scope, seen_by, token::random_text},
    app::AppState,
    http::{
        errors::{Problem, sentence},
        extract::{Asked, Body, Named},
        openapi::Made,
    },
    ids::RepositoryId,
    secrets::{Place, Secret},
    store::{
        audit,
        repositories::{self, NewRepository, Repository},
    },
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Repositories")
        .post(
            "/api/v1/repositories",
            Permission::Administer,
            "connectRepository",
            "Connects a repository. The one answer that holds its hook's secret.",
            connect,
        )
        .get(
            "/api/v1/repositories",
            Permission::Read,
            "listRepositories",
            "Every repository that the token's bearer sees, by name.",
            list,
        )
        .get("/api/v1/repositories/{owner}/{name}", Permission::Read, "getRepository", "One repository.", show)
        .put(
            "/api/v1/repositories/{owner}/{name}",
            Permission::Administer,
            "changeRepository",
            "Changes where a repository is fetched from, or its default branch.",
            change,
        )
        .delete(
            "/api/v1/repositories/{owner}/{name}",
            Permission::Administer,
            "disconnectRepository",
            "Lets a repository go, with all that hangs on it.",
            disconnect::disconnect,
        )
        .post(
            "/api/v1/repositories/{owner}/{name}/hook-secret",
            Permission::Administer,
            "renewHookSecret",
            "Gives a webhook a new secret. The one answer that holds it.",
            renew_hook,
        )
        .post(
            "/api/v1/repositories/{owner}/{name}/hook-test",
            Permission::Administer,
            "testHook",
            "Sends a test delivery to the webhook's address, and says whether it arrived.",
            trial::test,
        )
        .put(
            "/api/v1/repositories/{owner}/{name}/limits",
            Permission::Administer,
            "limitRepository",
            "Sets how many builds of a repository may run at once.",
            limit,
        )
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewRepository")]
#[serde(deny_unknown_fields)]
struct Connect {
    /// `owner/name`, as the forge has it.
    #[schemars(length(max = 1024), regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*$"))]
    name: String,
    /// Where it is fetched from: https, ssh, git or http, or `git@host:path`; without credentials.
    #[schemars(length(min = 1, max = 1024))]
    clone_url: String,
    /// The branch whose builds define the environments.
    #[serde(default = "main_branch")]
    default_branch: String,
}

fn main_branch() -> String {
    "main".to_owned()
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Repository")]
struct RepositoryView {
    id: String,
    name: String,
    clone_url: String,
    default_branch: String,
    last_build_number: i64,
    /// How many of its builds may run at once; null for the server's own limit.
    builds_at_once: Option<i64>,
    created_at: Time,
}

/// The one answer that holds the hook's address and secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConnectedRepository")]
struct Connected {
    #[serde(flatten)]
    repository: RepositoryView,
    hook_url: String,
    hook_secret: String,
}

impl From<Repository> for RepositoryView {
    fn from(repository: Repository) -> Self {
        RepositoryView {
            id: repository.id.to_string(),
            name: repository.name,
            clone_url: repository.clone_url,
            default_branch: repository.default_branch,
            last_build_number: repository.last_build_number,
            builds_at_once: repository.builds_at_once,
            created_at: Time(repository.created_at),
        }
    }
}

async fn connect(
    State(state): State<AppState>,
    principal: Principal,
    Body(asked): Body<Connect>,
) -> Result<Made<Connected>, Problem> {
    let new = connect_repository(&state, &principal, &asked.name, &asked.clone_url, &asked.default_branch).await?;
    let connected = Connected {
        hook_url: new.hook_url,
        hook_secret: new.secret.reveal().to_owned(),
        repository: new.repository.into(),
    };
    Ok(Made(connected))
}

/// A repository that was just connected or has a new secret, with what is said of its hook this once.
pub(in crate::http) struct NewlyConnected {
    /// The repository.
    pub(in crate::http) repository: Repository,
    /// Where the forge sends its deliveries.
    pub(in crate::http) hook_url: String,
    /// What the forge signs them with.
    pub(in crate::http) secret: Secret,
}

/// Connects a repository with a new hook.
pub(in crate::http) async fn connect_repository(
    state: &AppState,
    principal: &Principal,
    name: &str,
    clone_url: &str,
    default_branch: &str,
) -> Result<NewlyConnected, Problem> {
    let address =
        Address::check(name, clone_url, default_branch).map_err(|error| Problem::unprocessable(sentence(&error)))?;
    let (id, secret) = (RepositoryId::new(), Secret::new(random_text()));
    let mut tx = state.store.write().await?;
    let new = NewRepository {
        hook_id: random_text(),
        hook_secret: state.sealer.seal(Place::hook_secret(id.as_str()), &secret),
        id,
        name: address.name,
        clone_url: address.clone_url,
        default_branch: address.default_branch,
    };
    let repository = repositories::connect(&mut tx, &new).await?;
    let detail = json!({"clone_url": repository.clone_url});
    audit::append(&mut tx, &principal.actor(), "repository.connect", &repository.name, detail).await?;
    tx.commit().await?;
    Ok(NewlyConnected { hook_url: hook_url(state, &repository), repository, secret })
}

async fn list(
    State(state): State<AppState>,
    principal: Principal,
    Asked(cursor): Asked<Cursor>,
) -> Result<Json<Page<RepositoryView>>, Problem> {
    let after = cursor.cursor.as_deref().unwrap_or_default();
    let mut reader = state.store.read().await?;
    let seen = seen_by(&principal, &mut reader.conn()).await?;
    let rows = repositories::seen(&mut reader.conn(), &seen, after, cursor.rows()).await?;
    Ok(Json(cursor.page(rows, |row| row.name.clone(), RepositoryView::from)))
}

async fn show(
    State(state): State<AppState>,
    Named((owner, name)): Named<(String, String)>,
) -> Result<Json<RepositoryView>, Problem> {
    let mut reader = state.store.read().await?;
    Ok(Json(lookup::repository(&mut reader.conn(), &owner, &name).await?.into()))
}

/// Where a repository is fetched from and which branch leads it; what is left away stays.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RepositoryChange")]
#[serde(deny_unknown_fields)]
struct Change {
    clone_url: Option<String>,
    default_branch: Option<String>,
}

async fn change(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
    Body(asked): Body<Change>,
) -> Result<Json<RepositoryView>, Problem> {
    let (clone_url, default_branch) = (asked.clone_url.as_deref(), asked.default_branch.as_deref());
    Ok(Json(change_source(&state, &principal, (&owner, &name), clone_url, default_branch).await?.into()))
}

/// Changes where a repository is fetched from and which branch leads it, for the API and for the page. What runs goes on
/// with what it fetched; what waits is fetched from the new address.
pub(in crate::http) async fn change_source(
    state: &AppState,
    principal: &Principal,
    (owner, name): (&str, &str),
    clone_url: Option<&str>,
    default_branch: Option<&str>,
) -> Result<Repository, Problem> {
    let mut tx = state.store.write().await?;
    let before = lookup::repository(&mut tx.conn(), owner, name).await?;
    let clone_url = clone_url.unwrap_or(&before.clone_url);
    let default_branch = default_branch.unwrap_or(&before.default_branch);
    let wanted = Address::check(&before.name, clone_url, default_branch)
        .map_err(|error| Problem::unprocessable(sentence(&error)))?;
    if wanted.clone_url == before.clone_url && wanted.default_branch == before.default_branch {
        return Ok(before);
    }
    // Runners believe a registered address, with their keys and within the house's network, as connecting one is for
    // administrators of the server.
    if wanted.clone_url != before.clone_url && principal.role_in(&Scope::Server) < Some(Role::Administrator) {
        return Err(Problem::forbidden(
            "Only an administrator of the server changes where a repository is fetched from.",
        ));
    }
    repositories::update(&mut tx, &before.id, &wanted.clone_url, &wanted.default_branch).await?;
    let detail = json!({
        "clone_url": wanted.clone_url, "default_branch": wanted.default_branch,
        "clone_url_before": before.clone_url, "default_branch_before": before.default_branch,
    });
    audit::append(&mut tx, &principal.actor(), "repository.change", &before.name, detail).await?;
    tx.commit().await?;
    Ok(Repository { clone_url: wanted.clone_url, default_branch: wanted.default_branch, ..before })
}

/// The one answer that holds a webhook's new secret.
#[derive(Serialize, JsonSchema)]
struct HookSecret {
    name: String,
    hook_url: String,
    hook_secret: String,
}

async fn renew_hook(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
) -> Result<Json<HookSecret>, Problem> {
    let renewed = renew_hook_secret(&state, &principal, &owner, &name).await?;
    Ok(Json(HookSecret {
        name: renewed.repository.name,
        hook_url: renewed.hook_url,
        hook_secret: renewed.secret.reveal().to_owned(),
    }))
}

/// Gives a webhook a new secret, for the API and for the page. Deliveries that are signed with the earlier one are refused
/// from then on.
pub(in crate::http) async fn renew_hook_secret(
    state: &AppState,
    principal: &Principal,
    owner: &str,
    name: &str,
) -> Result<NewlyConnected, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let secret = Secret::new(random_text());
    let sealed = state.sealer.seal(Place::hook_secret(repository.id.as_str()), &secret);
    repositories::set_hook_secret(&mut tx, &repository.id, &sealed).await?;
    audit::append(&mut tx, &principal.actor(), "repository.hook_secret", &repository.name, json!({})).await?;
    tx.commit().await?;
    Ok(NewlyConnected { hook_url: hook_url(state, &repository), repository, secret })
}

/// Where the forge sends the deliveries of a repository.
pub(in crate::http) fn hook_url(state: &AppState, repository: &Repository) -> String {
    state.url(&format!("/webhooks/github/{}", repository.hook_id))
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RepositoryLimits")]
#[serde(deny_unknown_fields)]
struct Limits {
    /// From 1; null for the server's own limit.
    #[schemars(range(min = 1))]
    builds_at_once: Option<u32>,
}

async fn limit(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
    Body(asked): Body<Limits>,
) -> Result<Json<RepositoryView>, Problem> {
    Ok(Json(limit_builds(&state, &principal, (&owner, &name), asked.builds_at_once).await?.into()))
}

/// Sets how many builds of a repository may run at once, for the API and for the page.
pub(in crate::http) async fn limit_builds(
    state: &AppState,
    principal: &Principal,
    (owner, name): (&str, &str),
    at_once: Option<u32>,
) -> Result<Repository, Problem> {
    if at_once == Some(0) {
        return Err(Problem::unprocessable(
            "No build would ever begin: builds_at_once is at least 1, or null.".to_owned(),
        ));
    }
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let at_once = at_once.map(i64::from);
    repositories::limit_builds(&mut tx, &repository.id, at_once).await?;
    let detail = json!({"builds_at_once": at_once});
    audit::append(&mut tx, &principal.actor(), "repository.limit", &repository.name, detail).await?;
    tx.commit().await?;
    Ok(Repository { builds_at_once: at_once, ..repository })
}
