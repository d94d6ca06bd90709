//! Credentials for forges, and what of a repository they are shown. A token or a key goes in and never comes out again.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    lookup::{self, ReleasePath},
    time::Time,
};
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    forge::{Asked, Credential, CredentialKind, NewCredential, Report, ReportState, remove_credential, set_credential},
    http::{
        errors::{Problem, sentence},
        extract::{Body, Named},
    },
    secrets::{LoginScope, Secret},
    store::{
        StoreError, audit,
        forge_credentials::{self, SealedCredential},
        forge_reports::{self, ForgeReport},
    },
};

/// Where GitHub's API is.
pub(in crate::http) const GITHUB: &str = "https://api.github.com";

pub(super) fn routes() -> ApiRoutes {
    let reports = "/api/v1/repositories/{owner}/{name}/reports";
    let of_build = "/api/v1/repositories/{owner}/{name}/builds/{number}/reports";
    let of_release = "/api/v1/repositories/{owner}/{name}/environments/{environment}/releases/{number}/reports";
    ApiRoutes::about("Forges")
        .get(
            "/api/v1/forges",
            Permission::Administer,
            "listForges",
            "The credentials for forges; they are few, and come whole.",
            list,
        )
        .get(
            "/api/v1/forges/{name}",
            Permission::Administer,
            "getForge",
            "One credential, without its token or key.",
            show,
        )
        .put(
            "/api/v1/forges/{name}",
            Permission::Administer,
            "setForge",
            "Makes a credential for a forge, or changes the one of this name.",
            set,
        )
        .delete("/api/v1/forges/{name}", Permission::Administer, "removeForge", "Removes a credential.", remove)
        .post(
            "/api/v1/forges/{name}/check",
            Permission::Administer,
            "checkForge",
            "Asks the forge for a repository with a credential, and waits for its answer.",
            check,
        )
        .get(reports, Permission::Read, "getReporting", "What of a repository is shown by its forge.", show_asked)
        .put(reports, Permission::Administer, "setReporting", "Sets what of a repository is shown by its forge.", ask)
        .get(of_build, Permission::Read, "listBuildReports", "What the forge is shown of a build.", of_one_build)
        .get(
            of_release,
            Permission::Read,
            "listReleaseReports",
            "What the forge is shown of a release.",
            of_one_release,
        )
}

/// A token, or an App with its key.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WantedForge")]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Wanted {
    /// A personal access token.
    pub(in crate::http) token: Option<Secret>,
    /// The client id of a GitHub App.
    pub(in crate::http) app: Option<String>,
    /// The App's private key, as PEM.
    pub(in crate::http) key: Option<Secret>,
    /// Where the API is; GitHub's own where it is left away.
    pub(in crate::http) api: Option<String>,
    /// Patterns of the repositories that it is for.
    pub(in crate::http) repositories: Option<Vec<String>>,
    /// Whether it is for every repository.
    #[serde(default)]
    pub(in crate::http) all_repositories: bool,
    /// Whether these repositories are fetched with it as well, where their addresses begin with `https` and lead to the same
    /// server. Left away, that stays as it is, and is not so for a new one.
    pub(in crate::http) fetches: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
struct Forges {
    items: Vec<ForgeView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Forge")]
struct ForgeView {
    name: String,
    kind: CredentialKind,
    api: String,
    /// The client id of a GitHub App.
    app: Option<String>,
    /// Null where it is for every repository.
    repositories: Option<Vec<String>>,
    /// Whether they are fetched with it as well.
    fetches: bool,
    updated_at: Time,
}

impl From<SealedCredential> for ForgeView {
    fn from(credential: SealedCredential) -> Self {
        ForgeView {
            fetches: credential.is_to_fetch(),
            name: credential.name,
            kind: credential.kind,
            api: credential.api,
            app: credential.app,
            repositories: credential.repositories.map(|patterns| patterns.0),
            updated_at: Time(credential.updated_at),
        }
    }
}

async fn list(State(state): State<AppState>) -> Result<Json<Forges>, Problem> {
    let rows = forge_credentials::list(&mut state.store.read().await?.conn()).await?;
    Ok(Json(Forges { items: rows.into_iter().map(ForgeView::from).collect() }))
}

async fn show(State(state): State<AppState>, Named(name): Named<String>) -> Result<Json<ForgeView>, Problem> {
    Ok(Json(found(&state, &name).await?.into()))
}

async fn set(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<ForgeView>, Problem> {
    Ok(Json(set_forge(&state, &principal, name, wanted).await?.into()))
}

/// Sets a credential, for the API and for the page.
pub(in crate::http) async fn set_forge(
    state: &AppState,
    principal: &Principal,
    name: String,
    wanted: Wanted,
) -> Result<SealedCredential, Problem> {
    let credential = match (wanted.token, wanted.app, wanted.key) {
        (Some(token), None, None) => Credential::Token(token),
        (None, Some(id), Some(key)) => Credential::App { id, key },
        _ => return Err(Problem::unprocessable("Give either `token`, or `app` and its `key`.")),
    };
    let scope = LoginScope::asked(wanted.repositories, wanted.all_repositories)
        .map_err(|error| Problem::unprocessable(sentence(&error)))?;
    let api = wanted.api.unwrap_or_else(|| GITHUB.to_owned());
    let new = NewCredential { name, credential, api, scope, fetches: wanted.fetches };
    let mut tx = state.store.write().await?;
    let set = set_credential(&mut tx, &state.sealer, &new).await?;
    let detail = json!({
        "kind": set.kind,
        "api": set.api,
        "app": set.app,
        "repositories": new.scope.patterns(),
        "fetches": set.is_to_fetch(),
    });
    audit::append(&mut tx, &principal.actor(), "forge.set", &set.name, detail).await?;
    tx.commit().await?;
    Ok(set)
}

/// A credential that was just removed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RemovedForge")]
struct Removed {
    name: String,
}

/// What a credential reached.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReachedForge")]
struct Reached {
    name: String,
    repository: String,
    reached: bool,
}

async fn remove(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Json<Removed>, Problem> {
    remove_forge(&state, &principal, &name).await?;
    Ok(Json(Removed { name }))
}

/// Removes a credential, for the API and for the page.
pub(in crate::http) async fn remove_forge(state: &AppState, principal: &Principal, name: &str) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    if !remove_credential(&mut tx, name).await? {
        return Err(StoreError::missing("credential of the forge", name).into());
    }
    audit::append(&mut tx, &principal.actor(), "forge.remove", name, json!({})).await?;
    Ok(tx.commit().await?)
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ForgeCheck")]
#[serde(deny_unknown_fields)]
struct Checked {
    /// The repository to ask the forge for, `owner/name`.
    repository: String,
}

/// Asks the forge for a connected repository, and waits for its answer.
async fn check(
    State(state): State<AppState>,
    Named(name): Named<String>,
    Body(asked): Body<Checked>,
) -> Result<Json<Reached>, Problem> {
    let repository = check_forge(&state, &name, &asked.repository).await?;
    Ok(Json(Reached { name, repository, reached: true }))
}

/// Asks the forge for a connected repository with a credential, for the API and for the page. Returns its name.
pub(in crate::http) async fn check_forge(state: &AppState, name: &str, repository: &str) -> Result<String, Problem> {
    let sealed = found(state, name).await?;
    let (owner, repository) = repository.split_once('/').unwrap_or((repository, ""));
    let repository = lookup::repository(&mut state.store.read().await?.conn(), owner, repository).await?;
    if !sealed.scope().holds(&repository.name) {
        return Err(Problem::conflict(format!("The credential {name} is not for {}.", repository.name)));
    }
    let credential = sealed.open(&state.sealer).map_err(|error| Problem::conflict(sentence(&error)))?;
    let account = state.forges.account(&sealed, &credential, &repository.name);
    account.check().await.map_err(|refusal| Problem::conflict(sentence(&refusal)))?;
    Ok(repository.name)
}

async fn show_asked(
    State(state): State<AppState>,
    Named((owner, name)): Named<(String, String)>,
) -> Result<Json<Asked>, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    Ok(Json(forge_reports::asked(&mut reader.conn(), &repository.id).await?))
}

async fn ask(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
    Body(asked): Body<Asked>,
) -> Result<Json<Asked>, Problem> {
    set_asked(&state, &principal, (&owner, &name), asked).await?;
    Ok(Json(asked))
}

/// Sets what of a repository is reported, for the API and for the page.
pub(in crate::http) async fn set_asked(
    state: &AppState,
    principal: &Principal,
    (owner, name): (&str, &str),
    asked: Asked,
) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    forge_reports::ask(&mut tx, &repository.id, asked).await?;
    audit::append(&mut tx, &principal.actor(), "repository.set", &repository.name, json!({"reports": asked})).await?;
    Ok(tx.commit().await?)
}

#[derive(Serialize, JsonSchema)]
struct Reports {
    items: Vec<ReportView>,
}

/// One thing that the forge is to show.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Report")]
struct ReportView {
    /// What it is to show.
    wanted: Report,
    /// Whether it does.
    state: ReportState,
    /// Why not.
    reason: Option<String>,
    /// How often it was sent.
    attempts: i64,
    /// When it is sent; none once it was.
    next_at: Option<Time>,
    ended_at: Option<Time>,
}

impl From<ForgeReport> for ReportView {
    fn from(report: ForgeReport) -> Self {
        ReportView {
            next_at: (report.state == ReportState::Waiting).then_some(Time(report.next_at)),
            wanted: report.wanted.0,
            state: report.state,
            reason: report.reason,
            attempts: report.attempts,
            ended_at: report.ended_at.map(Time),
        }
    }
}

async fn of_one_build(
    State(state): State<AppState>,
    Named((owner, name, number)): Named<(String, String, i64)>,
) -> Result<Json<Reports>, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let build = lookup::build(&mut reader.conn(), &repository, number).await?;
    let found = forge_reports::of_build(&mut reader.conn(), &build.id).await?;
    Ok(Json(Reports { items: found.into_iter().map(ReportView::from).collect() }))
}

async fn of_one_release(
    State(state): State<AppState>,
    Named(path): Named<ReleasePath>,
) -> Result<Json<Reports>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, &path.owner, &path.name).await?;
    let environment = lookup::environment(conn, &repository, &path.environment).await?;
    let release = lookup::release(conn, &environment, path.number).await?;
    let found = forge_reports::of_release(conn, &release.id).await?;
    Ok(Json(Reports { items: found.into_iter().map(ReportView::from).collect() }))
}

async fn found(state: &AppState, name: &str) -> Result<SealedCredential, Problem> {
    let rows = forge_credentials::list(&mut state.store.read().await?.conn()).await?;
    let found = rows.into_iter().find(|row| row.name == name);
    Ok(found.ok_or_else(|| StoreError::missing("credential of the forge", name))?)
}
