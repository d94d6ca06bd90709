//! Builds: asking for one, listing, looking at one, cancelling, building and trying again.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use slipway_pipelines::plan::{CommitLine, PullRequest};
use slipway_runner::coordinator::Artifact;

use super::{
    approvals::{self, ApprovalView},
    lookup,
    page::{Cursor, Page},
    steps::{AttemptView, attempts},
    time::Time,
};
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    builds::{self as domain, Again, BuildRequest, BuildState, Cancellation, Retried},
    deliveries::{is_commit, is_ref},
    http::{
        errors::Problem,
        extract::{Asked, Body, Named},
        openapi::{Made, Told},
    },
    queue,
    releases::{Outcome, Proposed, ReleaseState, outcomes, proposed_by},
    store::{
        artifacts, audit, build_search,
        builds::{self, Build},
        jobs, pull_requests,
    },
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Builds")
        .get(
            "/api/v1/repositories/{owner}/{name}/builds",
            Permission::Read,
            "listBuilds",
            "The builds of a repository, newest first.",
            list,
        )
        .post(
            "/api/v1/repositories/{owner}/{name}/builds",
            Permission::Develop,
            "requestBuild",
            "Builds a branch, a tag or a commit.",
            ask,
        )
        .get(
            "/api/v1/repositories/{owner}/{name}/builds/{number}",
            Permission::Read,
            "getBuild",
            "One build with its steps, its artifacts and what it would release.",
            show,
        )
        .post(
            "/api/v1/repositories/{owner}/{name}/builds/{number}/cancel",
            Permission::Develop,
            "cancelBuild",
            "Ends a build.",
            cancel,
        )
        .post(
            "/api/v1/repositories/{owner}/{name}/builds/{number}/again",
            Permission::Develop,
            "buildAgain",
            "Builds the commit of a build once more, as a new build.",
            build_again,
        )
        .post(
            "/api/v1/repositories/{owner}/{name}/builds/{number}/retry",
            Permission::Develop,
            "retryBuild",
            "Tries a build again: all of it, or what failed.",
            retry,
        )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only of this full ref, such as `refs/heads/main`.
    r#ref: Option<String>,
    /// Only of commits of this author.
    author: Option<String>,
    /// Only those that stand so.
    state: Option<BuildState>,
    /// What the page before gave as `next`; it may be given though fewer were found than asked for.
    cursor: Option<String>,
    /// How many at most, from 1 to 200; 50 unless it is said.
    limit: Option<u16>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Build")]
pub(super) struct BuildView {
    number: i64,
    state: BuildState,
    reason: Option<String>,
    event: String,
    r#ref: String,
    /// None as long as only the checkout can tell.
    commit: Option<String>,
    message: String,
    author: String,
    created_at: Time,
    started_at: Option<Time>,
    finished_at: Option<Time>,
}

#[derive(Serialize, JsonSchema)]
struct BuildInFull {
    #[serde(flatten)]
    build: BuildView,
    /// The pull request whose merge it is of.
    pull_request: Option<PullRequest>,
    /// What merging that would release; null where it is of none, or did not go well.
    proposed: Option<Vec<Proposed>>,
    /// The approval that it needs before anything of it runs; null where it needs none.
    approval: Option<ApprovalView>,
    artifacts: Vec<Artifact>,
    /// The number of the build of its ref before it that succeeded, since which it brings the commits.
    since: Option<i64>,
    /// The commits that it brings, newest first; none before its checkout has ended.
    commits: Vec<CommitLine>,
    /// Who wrote those that are too many to be named.
    more_authors: Vec<String>,
    /// The apps that it did not push, and why.
    left_out: BTreeMap<String, String>,
    /// The releases that hold its artifacts, newest first, at most 20.
    releases: Vec<ReleaseOfBuild>,
    attempts: Vec<AttemptView>,
    /// Why there is more than one attempt.
    attempt_reason: Option<String>,
    /// Why it waits, while it does.
    waits_for: Option<String>,
}

/// Where a build went.
#[derive(Serialize, JsonSchema)]
struct ReleaseOfBuild {
    environment: String,
    number: i64,
    state: ReleaseState,
    /// The release that took its place.
    replaced_by: Option<i64>,
}

impl From<Outcome> for ReleaseOfBuild {
    fn from(outcome: Outcome) -> Self {
        ReleaseOfBuild {
            environment: outcome.environment,
            number: outcome.release.number,
            state: outcome.release.state,
            replaced_by: outcome.replaced_by,
        }
    }
}

impl From<Build> for BuildView {
    fn from(build: Build) -> Self {
        BuildView {
            number: build.number,
            state: build.state,
            reason: build.reason,
            event: build.event,
            r#ref: build.git_ref,
            commit: Some(build.commit_sha).filter(|commit| !commit.is_empty()),
            message: build.message,
            author: build.author,
            created_at: Time(build.created_at),
            started_at: build.started_at.map(Time),
            finished_at: build.finished_at.map(Time),
        }
    }
}

async fn list(
    State(state): State<AppState>,
    Named((owner, name)): Named<(String, String)>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<BuildView>>, Problem> {
    let cursor = Cursor::new(wanted.cursor, wanted.limit);
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let wish = build_search::Wish { git_ref: wanted.r#ref, author: wanted.author, state: wanted.state };
    let (before, most) = (cursor.parsed()?, cursor.most());
    let found = build_search::find(&mut reader.conn(), &repository.id, &wish, before, most).await?;
    let items = found.builds.into_iter().map(BuildView::from).collect();
    Ok(Json(Page::new(items, found.before.map(|number| number.to_string()))))
}

async fn show(
    State(state): State<AppState>,
    Named((owner, name, number)): Named<(String, String, i64)>,
) -> Result<Json<BuildInFull>, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let build = lookup::build(&mut reader.conn(), &repository, number).await?;
    let job = jobs::of_build(&mut reader.conn(), &build.id).await?;
    let waits_for = match &job {
        Some(job) => queue::waits_for(&mut reader.conn(), job, state.store.clock().now()).await?,
        None => None,
    };
    let plan = builds::release_plan(&mut reader.conn(), &build.id).await?.unwrap_or_default();
    Ok(Json(BuildInFull {
        since: builds::success_before(&mut reader.conn(), &build).await?,
        commits: plan.commits,
        more_authors: plan.more_authors,
        left_out: plan.left_out,
        releases: outcomes(&mut reader.conn(), &build).await?.into_iter().map(ReleaseOfBuild::from).collect(),
        waits_for,
        artifacts: artifacts::of_build(&mut reader.conn(), &build.id).await?,
        attempts: attempts(&mut reader.conn(), job.as_ref()).await?,
        pull_request: pull_requests::of_build(&mut reader.conn(), &build.id).await?,
        approval: approvals::of_build(&mut reader.conn(), &repository, &build).await?,
        proposed: proposed_by(&mut reader.conn(), &repository, &build).await?,
        attempt_reason: job.and_then(|job| job.attempt_reason),
        build: build.into(),
    }))
}

/// Has the build of this number end; whether it has ended already, and who is said to have ended it.
pub(in crate::http) async fn call_off(
    state: &AppState,
    principal: &Principal,
    (owner, name, number): (&str, &str, i64),
) -> Result<(bool, String), Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let build = lookup::build(&mut tx.conn(), &repository, number).await?;
    let reason = format!("cancelled by {}", principal.name());
    let has_ended = match domain::cancel(&mut tx, &build.id, &reason).await? {
        Cancellation::Done => true,
        Cancellation::Requested => false,
        Cancellation::AlreadyOver(state) => {
            return Err(Problem::conflict(format!("Build {number} is over already: it {}.", past(state))));
        }
    };
    let subject = format!("{} #{number}", repository.name);
    audit::append(&mut tx, &principal.actor(), "build.cancel", &subject, json!({})).await?;
    tx.commit().await?;
    Ok((has_ended, reason))
}

/// A build that is ended, at once or by its runner.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CancelledBuild")]
struct Cancelled {
    number: i64,
    /// What is said of its end.
    reason: String,
}

async fn cancel(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, number)): Named<(String, String, i64)>,
) -> Result<Told<Cancelled>, Problem> {
    let (has_ended, reason) = call_off(&state, &principal, (&owner, &name, number)).await?;
    let cancelled = Cancelled { number, reason };
    Ok(if has_ended { Told::Over(cancelled) } else { Told::GoesOn(cancelled) })
}

async fn build_again(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, number)): Named<(String, String, i64)>,
) -> Result<Made<BuildView>, Problem> {
    Ok(Made(queue_again(&state, &principal, &owner, &name, number).await?.into()))
}

/// What somebody wants built.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "WantedBuild")]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Wish {
    /// The full ref of a branch or a tag.
    pub(in crate::http) r#ref: Option<String>,
    /// A branch; the default branch where nothing is named.
    pub(in crate::http) branch: Option<String>,
    /// A tag.
    pub(in crate::http) tag: Option<String>,
    /// A commit of its history; none for its newest.
    pub(in crate::http) commit: Option<String>,
}

async fn ask(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
    Body(wish): Body<Wish>,
) -> Result<Made<BuildView>, Problem> {
    Ok(Made(request_build(&state, &principal, &owner, &name, wish).await?.into()))
}

/// Queues a build that somebody wants, for the API and for the page.
pub(in crate::http) async fn request_build(
    state: &AppState,
    principal: &Principal,
    owner: &str,
    name: &str,
    wish: Wish,
) -> Result<Build, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let git_ref = match (wish.r#ref, wish.branch, wish.tag) {
        (Some(full), None, None) => full,
        (None, Some(branch), None) => format!("refs/heads/{branch}"),
        (None, None, Some(tag)) => format!("refs/tags/{tag}"),
        (None, None, None) => format!("refs/heads/{}", repository.default_branch),
        _ => return Err(Problem::unprocessable("Name a ref, a branch or a tag, and not several of them.")),
    };
    if !is_ref(&git_ref) || !(git_ref.starts_with("refs/heads/") || git_ref.starts_with("refs/tags/")) {
        return Err(Problem::unprocessable(format!("{git_ref} cannot be a branch or a tag.")));
    }
    let commit = wish.commit.map(|commit| commit.to_ascii_lowercase());
    if commit.as_ref().is_some_and(|commit| !is_commit(commit)) {
        return Err(Problem::unprocessable("Write the commit with all of its 40 hexadecimal digits."));
    }
    let wanted = BuildRequest { repository: repository.id, git_ref, commit, asker: principal.name().to_owned() };
    let build = domain::request(&mut tx, &wanted).await?;
    let detail = json!({"ref": wanted.git_ref, "commit": wanted.commit, "build": build.number});
    audit::append(&mut tx, &principal.actor(), "build.request", &repository.name, detail).await?;
    tx.commit().await?;
    Ok(build)
}

/// Queues a commit once more, for the API and for the page.
pub(in crate::http) async fn queue_again(
    state: &AppState,
    principal: &Principal,
    owner: &str,
    name: &str,
    number: i64,
) -> Result<Build, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let build = lookup::build(&mut tx.conn(), &repository, number).await?;
    let queued = match domain::again(&mut tx, &build).await? {
        Again::Queued(queued) => *queued,
        Again::Refused(why) => return Err(Problem::conflict(format!("Build {number} cannot be built again: {why}."))),
    };
    let subject = format!("{} #{number}", repository.name);
    audit::append(&mut tx, &principal.actor(), "build.again", &subject, json!({"build": queued.number})).await?;
    tx.commit().await?;
    Ok(queued)
}

/// The build, which waits for its next attempt.
async fn retry(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, number)): Named<(String, String, i64)>,
    Asked(retry): Asked<Retry>,
) -> Result<Json<BuildView>, Problem> {
    Ok(Json(try_again(&state, &principal, (&owner, &name, number), retry).await?.into()))
}

/// What is tried again.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Retry {
    /// Only what failed or never ran; what succeeded is taken over.
    #[serde(default)]
    failed: bool,
}

/// Queues another attempt of a build, for the API and for the page.
pub(in crate::http) async fn try_again(
    state: &AppState,
    principal: &Principal,
    (owner, name, number): (&str, &str, i64),
    retry: Retry,
) -> Result<Build, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let build = lookup::build(&mut tx.conn(), &repository, number).await?;
    let retried = if retry.failed { Retried::WhatFailed } else { Retried::Everything };
    let queued = match domain::retry(&mut tx, &build, retried, principal.name()).await? {
        Again::Queued(queued) => *queued,
        Again::Refused(why) => return Err(Problem::conflict(format!("Build {number} cannot be tried again: {why}."))),
    };
    let subject = format!("{} #{number}", repository.name);
    audit::append(&mut tx, &principal.actor(), "build.retry", &subject, json!({"failed": retry.failed})).await?;
    tx.commit().await?;
    Ok(queued)
}

fn past(state: BuildState) -> &'static str {
    match state {
        BuildState::Queued | BuildState::Running | BuildState::Awaiting => "is under way",
        BuildState::Succeeded => "succeeded",
        BuildState::Failed => "failed",
        BuildState::Cancelled => "was cancelled",
    }
}
