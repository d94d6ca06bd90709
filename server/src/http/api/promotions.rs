//! Promotions, rollbacks and restores: the ways in which a person makes a release; and what a promotion would change.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{lookup, releases::ReleaseView};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Body, Named},
    },
    releases::{self, By, Commit, Preview},
    runners::RunnerError,
    store::{audit, runners},
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/api/v1/repositories/{owner}/{name}/environments/{environment}/promotion", Permission::Read, show)
        .post("/api/v1/repositories/{owner}/{name}/environments/{environment}/promotions", Permission::Change, promote)
        .post("/api/v1/repositories/{owner}/{name}/environments/{environment}/rollbacks", Permission::Change, roll_back)
        .post("/api/v1/repositories/{owner}/{name}/environments/{environment}/restores", Permission::Change, restore)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Promotion {
    /// Why.
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rollback {
    /// The number of the release to return to; the one before what is live, unless it is given.
    to: Option<i64>,
    /// Why.
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restore {
    /// The name of the runner on whose engine it is made anew; the one that hosts it, unless it is given.
    runner: Option<String>,
    /// Why.
    reason: Option<String>,
}

/// What a promotion would change.
#[derive(Serialize)]
struct PreviewView {
    /// The environment that it comes from.
    from: String,
    /// What is live there.
    release: ReleaseView,
    /// What it would replace.
    live: Option<ReleaseView>,
    /// The commits that differ, newest first.
    commits: Vec<CommitView>,
    /// Whether there are more than are listed.
    more_commits: bool,
    /// Whether those commits would go: what is live is newer.
    goes_back: bool,
    images: Vec<ImageView>,
    configuration: Vec<SettingView>,
    /// What the release would wait for; none where it would begin at once.
    waits: Option<String>,
    /// Why it would be refused.
    refused: Option<String>,
}

#[derive(Serialize)]
struct CommitView {
    build: i64,
    commit: String,
    message: String,
    author: String,
}

#[derive(Serialize)]
struct ImageView {
    app: String,
    before: Option<String>,
    after: Option<String>,
}

#[derive(Serialize)]
struct SettingView {
    app: String,
    setting: String,
    before: Option<String>,
    after: Option<String>,
}

impl From<Commit> for CommitView {
    fn from(commit: Commit) -> Self {
        CommitView { build: commit.build, commit: commit.name, message: commit.message, author: commit.author }
    }
}

impl PreviewView {
    /// The values of environment variables are for those who may change them alone.
    fn of(preview: Preview, shows_values: bool) -> Self {
        let shown = |value: Option<String>, is_private: bool| {
            value.map(|value| if is_private && !shows_values { "hidden".to_owned() } else { value })
        };
        PreviewView {
            from: preview.source.name,
            release: preview.promoted.into(),
            live: preview.live.map(ReleaseView::from),
            commits: preview.commits.into_iter().map(CommitView::from).collect(),
            more_commits: preview.has_more_commits,
            goes_back: preview.goes_back,
            images: preview
                .images
                .into_iter()
                .map(|image| ImageView { app: image.app, before: image.before, after: image.after })
                .collect(),
            configuration: preview
                .settings
                .into_iter()
                .map(|change| SettingView {
                    app: change.app,
                    setting: change.setting,
                    before: shown(change.before, change.is_private),
                    after: shown(change.after, change.is_private),
                })
                .collect(),
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
    Ok(Json(PreviewView::of(preview, principal.has(Permission::Change, false))))
}

fn by<'a>(principal: &'a Principal, reason: &'a Option<String>) -> By<'a> {
    By { actor: principal.actor(), reason: reason.as_deref() }
}

/// Releases to the environment exactly what is live where it takes its releases from.
async fn promote(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Body(asked): Body<Promotion>,
) -> Result<(StatusCode, Json<ReleaseView>), Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), &owner, &name).await?;
    let release = releases::promote(&mut tx, &repository, &environment, by(&principal, &asked.reason)).await?;
    let subject = format!("{} {environment}", repository.name);
    let detail = json!({"release": release.number, "build": release.build_number, "reason": asked.reason});
    audit::append(&mut tx, principal.actor(), "release.promote", &subject, detail).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(release.into())))
}

/// Releases again what an earlier release held.
async fn roll_back(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Body(asked): Body<Rollback>,
) -> Result<(StatusCode, Json<ReleaseView>), Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), &owner, &name).await?;
    let by = by(&principal, &asked.reason);
    let release = releases::rollback(&mut tx, &repository, &environment, asked.to, by).await?;
    let subject = format!("{} {environment}", repository.name);
    let detail = json!({
        "release": release.number, "build": release.build_number, "to": asked.to, "reason": asked.reason,
    });
    audit::append(&mut tx, principal.actor(), "release.rollback", &subject, detail).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(release.into())))
}

/// Makes what is live anew, also on another runner's engine.
async fn restore(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Body(asked): Body<Restore>,
) -> Result<(StatusCode, Json<ReleaseView>), Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), &owner, &name).await?;
    let host = match &asked.runner {
        Some(runner) => {
            let found = runners::named(&mut tx.conn(), runner).await?;
            Some(found.ok_or_else(|| RunnerError::Unknown(runner.clone()))?.id)
        }
        None => None,
    };
    let by = by(&principal, &asked.reason);
    let release = releases::restore(&mut tx, &repository, &environment, host.as_deref(), by).await?;
    let subject = format!("{} {environment}", repository.name);
    let detail = json!({"release": release.number, "runner": asked.runner, "reason": asked.reason});
    audit::append(&mut tx, principal.actor(), "environment.restore", &subject, detail).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(release.into())))
}
