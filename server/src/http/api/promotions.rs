//! Promotions, rollbacks and restores: the ways in which a person makes a release; and what a promotion would change.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{differences::DifferenceView, lookup, releases::ReleaseView};
use crate::{
    access::{ApiRoutes, Permission, Principal, Role},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Body, Named},
        openapi::Begun,
    },
    releases::{self, By, Commit, Preview},
    runners::RunnerError,
    store::{self, StoreError, Tx, audit, releases::Release, repositories::Repository, runners},
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Releases")
        .get(
            "/api/v1/repositories/{owner}/{name}/environments/{environment}/promotion",
            Permission::Read,
            "previewPromotion",
            "What a promotion to an environment would change.",
            show,
        )
        .post(
            "/api/v1/repositories/{owner}/{name}/environments/{environment}/promotions",
            Permission::Deploy,
            "promote",
            "Releases what is live where the environment takes its releases from.",
            promote,
        )
        .post(
            "/api/v1/repositories/{owner}/{name}/environments/{environment}/rollbacks",
            Permission::Deploy,
            "rollBack",
            "Releases again what an earlier release held.",
            roll_back,
        )
        .post(
            "/api/v1/repositories/{owner}/{name}/environments/{environment}/restores",
            Permission::Deploy,
            "restore",
            "Makes what is live anew, also on another runner's engine.",
            restore,
        )
}

/// An environment by the names in its address: owner, name and its own.
pub(in crate::http) type Place = (String, String, String);

/// What is asked for with a promotion.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "WantedPromotion")]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Promotion {
    /// The number of the release that was seen live where it comes from: nothing is promoted where it is another by now.
    pub(in crate::http) release: Option<i64>,
    /// Why.
    pub(in crate::http) reason: Option<String>,
}

/// What is asked for with a rollback.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "WantedRollback")]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Rollback {
    /// The number of the release to return to; the one before what is live, unless it is given.
    pub(in crate::http) to: Option<i64>,
    /// The number of the release that was seen live: nothing is rolled back where it is another by now.
    pub(in crate::http) live: Option<i64>,
    /// Why.
    pub(in crate::http) reason: Option<String>,
}

/// What is asked for with a restore.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "WantedRestore")]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Restore {
    /// The name of the runner on whose engine it is made anew; the one that hosts it, unless it is given.
    pub(in crate::http) runner: Option<String>,
    /// Why.
    pub(in crate::http) reason: Option<String>,
}

/// What a promotion would change.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PromotionPreview")]
struct PreviewView {
    /// The environment that it comes from.
    from: String,
    /// What is live there.
    release: ReleaseView,
    /// What it would replace.
    live: Option<ReleaseView>,
    /// What differs between the two.
    #[serde(flatten)]
    change: DifferenceView,
    /// What the release would wait for; none where it would begin at once.
    waits: Option<String>,
    /// Why it would be refused.
    refused: Option<String>,
}

/// A commit of what differs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Commit")]
pub(super) struct CommitView {
    build: i64,
    commit: String,
    message: String,
    author: String,
}

/// An app whose image differs: the two digests, none where one of the two does not run it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ImageChange")]
pub(super) struct ImageView {
    pub(super) app: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// A setting that differs, none where it is not set.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SettingChange")]
pub(super) struct SettingView {
    pub(super) app: String,
    pub(super) setting: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

impl From<Commit> for CommitView {
    fn from(commit: Commit) -> Self {
        CommitView { build: commit.build, commit: commit.name, message: commit.message, author: commit.author }
    }
}

impl PreviewView {
    fn of(preview: Preview, shows_values: bool) -> Self {
        PreviewView {
            from: preview.source.name,
            release: preview.promoted.into(),
            live: preview.live.map(ReleaseView::from),
            change: DifferenceView::of(preview.change, shows_values),
            waits: preview.waits,
            refused: preview.refused,
        }
    }
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
) -> Result<Json<PreviewView>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, &owner, &name).await?;
    let environment = lookup::environment(conn, &repository, &environment).await?;
    let preview = releases::preview(conn, &repository, &environment, state.store.clock().now()).await?;
    Ok(Json(PreviewView::of(preview, principal.may_deploy())))
}

fn by<'a>(principal: &'a Principal, reason: &'a Option<String>) -> By<'a> {
    By { actor: principal.name(), reason: reason.as_deref() }
}

/// Releases to the environment exactly what is live where it takes its releases from.
pub(in crate::http) async fn promote_to(
    state: &AppState,
    principal: &Principal,
    (owner, name, environment): &Place,
    asked: &Promotion,
) -> Result<Release, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let release = releases::promote(&mut tx, &repository, environment, by(principal, &asked.reason)).await?;
    if let Some(seen) = asked.release {
        let source = match &release.source_release_id {
            Some(source) => store::releases::find(&mut tx.conn(), source).await?,
            None => None,
        };
        if source.is_none_or(|source| source.number != seen) {
            return Err(Problem::conflict("Another release went live there since. Look again."));
        }
    }
    let detail = json!({"build": release.build_number, "reason": asked.reason});
    note(&mut tx, principal, "release.promote", (&repository, environment, &release), detail).await?;
    tx.commit().await?;
    Ok(release)
}

/// Releases again what an earlier release held.
pub(in crate::http) async fn roll_back_to(
    state: &AppState,
    principal: &Principal,
    (owner, name, environment): &Place,
    asked: &Rollback,
) -> Result<Release, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let by = by(principal, &asked.reason);
    let release = releases::rollback(&mut tx, &repository, environment, asked.to, by).await?;
    if let Some(seen) = asked.live {
        let live = store::releases::live(&mut tx.conn(), &release.environment_id).await?;
        if live.is_none_or(|live| live.number != seen) {
            return Err(Problem::conflict("Another release went live there since. Look again."));
        }
    }
    let detail = json!({"build": release.build_number, "to": asked.to, "reason": asked.reason});
    note(&mut tx, principal, "release.rollback", (&repository, environment, &release), detail).await?;
    tx.commit().await?;
    Ok(release)
}

/// Makes what is live anew, also on another runner's engine.
pub(in crate::http) async fn make_anew(
    state: &AppState,
    principal: &Principal,
    (owner, name, environment): &Place,
    asked: &Restore,
) -> Result<Release, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    // Where an environment lives from then on is set up, as by its placement, and not a matter of its releases.
    if asked.runner.is_some() && principal.role_here() < Some(Role::Administrator) {
        return Err(Problem::forbidden("Only an administrator moves an environment to another runner."));
    }
    let host = match &asked.runner {
        Some(runner) => {
            let found = runners::named(&mut tx.conn(), runner).await?;
            Some(found.ok_or_else(|| RunnerError::Unknown(runner.clone()))?.id)
        }
        None => None,
    };
    let by = by(principal, &asked.reason);
    let release = releases::restore(&mut tx, &repository, environment, host.as_deref(), by).await?;
    let detail = json!({"runner": asked.runner, "reason": asked.reason});
    note(&mut tx, principal, "environment.restore", (&repository, environment, &release), detail).await?;
    tx.commit().await?;
    Ok(release)
}

/// The same entry in the audit log, whichever way it was asked.
async fn note(
    tx: &mut Tx,
    principal: &Principal,
    action: &str,
    (repository, environment, release): (&Repository, &str, &Release),
    detail: Value,
) -> Result<(), StoreError> {
    let subject = format!("{} {environment} #{}", repository.name, release.number);
    audit::append(tx, &principal.actor(), action, &subject, detail).await
}

async fn promote(
    State(state): State<AppState>,
    principal: Principal,
    Named(place): Named<Place>,
    Body(asked): Body<Promotion>,
) -> Result<Begun<ReleaseView>, Problem> {
    Ok(Begun(promote_to(&state, &principal, &place, &asked).await?.into()))
}

async fn roll_back(
    State(state): State<AppState>,
    principal: Principal,
    Named(place): Named<Place>,
    Body(asked): Body<Rollback>,
) -> Result<Begun<ReleaseView>, Problem> {
    Ok(Begun(roll_back_to(&state, &principal, &place, &asked).await?.into()))
}

async fn restore(
    State(state): State<AppState>,
    principal: Principal,
    Named(place): Named<Place>,
    Body(asked): Body<Restore>,
) -> Result<Begun<ReleaseView>, Problem> {
    Ok(Begun(make_anew(&state, &principal, &place, &asked).await?.into()))
}
