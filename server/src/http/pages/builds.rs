//! `/repositories/{owner}/{name}/builds/{n}`: one build.

use std::collections::BTreeMap;

use axum::{extract::State, response::Redirect};
use slipway_pipelines::plan::CommitLine;
use slipway_runner::coordinator::{CHANGED, CHANGED_PATHS};
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{ArtifactRow, Attempt, BuildPage, Change, ChangedFiles, Place, ProposedRow, Standing, Tab},
    parts::{Commit, Digest, size},
    state::State as Shown,
    time::{When, duration},
};

use super::{
    Html, approvals,
    repositories::ref_address,
    rows, steps,
    steps::Listed,
    viewer::{repository_head, viewer},
};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    builds::BuildState,
    http::{
        api::{Retry, call_off, lookup, queue_again, try_again},
        errors::Problem,
        extract::{Asked, Named},
    },
    releases::{Outcome, Proposed, ReleaseState, outcomes, proposed_by},
    store::{
        Conn, artifacts,
        builds::{self, Build},
        events, forge_reports, jobs, pull_requests,
        repositories::Repository,
    },
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/repositories/{owner}/{name}/builds/{number}", Permission::Read, show)
        .get("/repositories/{owner}/{name}/builds/{number}/attempts/{attempt}", Permission::Read, show_attempt)
        .post("/repositories/{owner}/{name}/builds/{number}/cancel", Permission::Develop, stop)
        .post("/repositories/{owner}/{name}/builds/{number}/again", Permission::Develop, again)
        .post("/repositories/{owner}/{name}/builds/{number}/retry", Permission::Develop, retry)
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, number)): Named<(String, String, i64)>,
) -> Result<Html<BuildPage>, Problem> {
    page(&state, &principal, (&owner, &name, number), None).await
}

/// The same with the steps of one attempt.
async fn show_attempt(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, number, attempt)): Named<(String, String, i64, i64)>,
) -> Result<Html<BuildPage>, Problem> {
    page(&state, &principal, (&owner, &name, number), Some(attempt)).await
}

async fn page(
    state: &AppState,
    principal: &Principal,
    (owner, name, number): (&str, &str, i64),
    attempt: Option<i64>,
) -> Result<Html<BuildPage>, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let event = events::last_id(conn).await?;
    let repository = lookup::repository(conn, owner, name).await?;
    let build = lookup::build(conn, &repository, number).await?;
    let job = jobs::of_build(conn, &build.id).await?;
    let address = links::build(&repository.name, number);
    let listed = attempt.map_or_else(|| address.clone(), |attempt| links::attempt(&address, attempt));
    drop(reader);
    let on = Listed { page: &listed, repository: &repository.name };
    let steps = steps::of_job(&state.store, job.as_ref(), attempt, on, event, now).await?;
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let waits = rows::why_it_waits(conn, &build, now).await?;
    let shown = Shown::from(build.state);
    let viewer = viewer(principal);
    let approval = approvals::part(conn, (state, principal), &repository, &build, viewer.may_develop()).await?;
    // What it waits for is said there at length.
    let waits = waits.filter(|_| !approval.as_ref().is_some_and(|approval| approval.is_wanted));
    let is_stopping = job.as_ref().is_some_and(|job| job.cancel_requested_at.is_some());
    let culprit = steps.failed.as_ref().map(|step| {
        let page = links::step(&listed, u32::try_from(step.position).unwrap_or(0));
        let words = [step.app.as_deref(), Some(step.kind.as_str()), Some(&step.name)];
        (words.into_iter().flatten().collect::<Vec<_>>().join(" · "), page)
    });
    let pull = pull_requests::of_build(conn, &build.id).await?;
    Ok(Html::ok(BuildPage {
        may_build_again: viewer.may_develop() && matches!(build.state, BuildState::Failed | BuildState::Cancelled),
        may_retry: viewer.may_develop() && build.state == BuildState::Failed,
        may_retry_failed: steps.is_worth_taking_over,
        attempts: steps
            .attempts
            .iter()
            .map(|number| Attempt {
                number: *number,
                address: links::attempt(&address, *number),
                is_shown: Some(*number) == steps.shown,
            })
            .collect(),
        may_cancel: viewer.may_develop() && shown.is_open() && !is_stopping,
        frame: Frame::new(format!("#{number} {} of {}", shown.word(), repository.name), Section::Repositories, viewer)
            .live(format!("/stream{address}?from={}", links::encode(&steps.cursor.to_string())))
            .toned(shown.tone()),
        head: repository_head(principal, repository.name.clone(), Tab::Builds),
        number,
        state: shown,
        kind: match &pull {
            Some(_) => "Merge of",
            None if build.git_ref.starts_with("refs/tags/") => "Tag",
            None => "Branch",
        },
        reference: match pull {
            Some(pull) => format!("pull request {}: {} into {}", pull.number, pull.head, pull.base),
            None => build.ref_name().to_owned(),
        },
        reference_address: ref_address(&repository.name, &build.git_ref),
        commit: rows::commit(&build),
        when: When { at: build.created_at, now },
        took: rows::took(&build, now),
        attempt: steps.notice,
        told: rows::told(forge_reports::of_build(conn, &build.id).await?),
        steps: steps.list,
        artifacts: artifact_rows(conn, &repository, &build, &steps.reused).await?,
        waited: build.started_at.map(|started| duration(started - build.created_at)),
        change: change(conn, &repository, &build, &steps.found).await?,
        proposed: proposed_by(conn, &repository, &build).await?.map(proposed_rows),
        approval,
        places: places(conn, &repository, &build, now).await?,
        event: build.event,
        reason: waits.or(build.reason),
        culprit,
        address,
    }))
}

async fn artifact_rows(
    conn: &mut Conn<'_>,
    repository: &Repository,
    build: &Build,
    reused: &BTreeMap<String, i64>,
) -> Result<Vec<ArtifactRow>, Problem> {
    let found = artifacts::of_build(conn, &build.id).await?;
    let row = |artifact: slipway_runner::coordinator::Artifact| ArtifactRow {
        reused: reused.get(&artifact.app).map(|number| (*number, links::build(&repository.name, *number))),
        app: artifact.app,
        image: artifact.image,
        digest: Digest { whole: artifact.digest },
        tags: artifact.tags,
        size: size(artifact.size),
        platform: artifact.platform,
        attached: artifact.attached.into_iter().collect(),
    };
    Ok(found.into_iter().map(row).collect())
}

/// What merging a pull request would release, in words.
fn proposed_rows(proposed: Vec<Proposed>) -> Vec<ProposedRow> {
    let row = |one: Proposed| ProposedRow {
        apps: one.apps_in_words(),
        environment: one.environment,
        after: one.after,
        asks: one.asks.join(", "),
    };
    proposed.into_iter().map(row).collect()
}

/// What a build brings: its commits once it succeeded, and what its checkout found before.
async fn change(
    conn: &mut Conn<'_>,
    repository: &Repository,
    build: &Build,
    found: &BTreeMap<String, String>,
) -> Result<Change, Problem> {
    let since = builds::success_before(conn, build).await?;
    let plan = builds::release_plan(conn, &build.id).await?.unwrap_or_default();
    let line = |one: CommitLine| Commit { sha: one.name, message: one.subject, author: one.author };
    let count = found.get(CHANGED).and_then(|count| count.parse().ok());
    let paths = found.get(CHANGED_PATHS).and_then(|paths| serde_json::from_str(paths).ok()).unwrap_or_default();
    Ok(Change {
        since: since.map(|number| (number, links::build(&repository.name, number))),
        commits: plan.commits.into_iter().map(line).collect(),
        more_authors: plan.more_authors,
        files: count.map(|count| ChangedFiles { count, paths }),
        left_out: plan.left_out.into_iter().collect(),
    })
}

async fn places(conn: &mut Conn<'_>, repository: &Repository, build: &Build, now: i64) -> Result<Vec<Place>, Problem> {
    let place = |outcome: Outcome| {
        let release = outcome.release;
        let page = |number: i64| links::release(&repository.name, &outcome.environment, number);
        let standing = match (release.state, outcome.replaced_by) {
            (ReleaseState::Live, _) => {
                Standing::Live(When { at: release.finished_at.unwrap_or(release.created_at), now })
            }
            (_, Some(number)) => Standing::Replaced(number, page(number)),
            (_, None) => Standing::None,
        };
        Place {
            state: release.state.into(),
            address: page(release.number),
            number: release.number,
            when: When { at: release.created_at, now },
            standing,
            environment: outcome.environment,
        }
    };
    Ok(outcomes(conn, build).await?.into_iter().map(place).collect())
}

async fn again(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, number)): Named<(String, String, i64)>,
) -> Result<Redirect, Problem> {
    let queued = queue_again(&state, &principal, &owner, &name, number).await?;
    Ok(Redirect::to(&links::build(&format!("{owner}/{name}"), queued.number)))
}

async fn retry(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, number)): Named<(String, String, i64)>,
    Asked(retry): Asked<Retry>,
) -> Result<Redirect, Problem> {
    try_again(&state, &principal, (&owner, &name, number), retry).await?;
    Ok(Redirect::to(&links::build(&format!("{owner}/{name}"), number)))
}

async fn stop(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, number)): Named<(String, String, i64)>,
) -> Result<Redirect, Problem> {
    call_off(&state, &principal, (&owner, &name, number)).await?;
    Ok(Redirect::to(&links::build(&format!("{owner}/{name}"), number)))
}
