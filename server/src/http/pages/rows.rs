//! From the store's rows to the parts that pages are made of.

use slipway_pipelines::config::Source;
use slipway_web::{
    links,
    parts::{BuildRow, Commit, Stage, Told, Version},
    state::State,
    time::{Took, When},
};

use crate::{
    builds::BuildState,
    forge::ReportState,
    http::errors::{Problem, sentence},
    queue::{self, StepState},
    releases::ReleaseState,
    store::{
        Conn,
        builds::{self, Build},
        deliveries::DeliveryState,
        environments::Environment,
        forge_reports::ForgeReport,
        jobs, overview,
        releases::Release,
        repositories::Repository,
    },
};

impl From<BuildState> for State {
    fn from(state: BuildState) -> State {
        match state {
            BuildState::Queued => State::Queued,
            BuildState::Running => State::Running,
            BuildState::Awaiting => State::Awaiting,
            BuildState::Succeeded => State::Succeeded,
            BuildState::Failed => State::Failed,
            BuildState::Cancelled => State::Cancelled,
        }
    }
}

impl From<StepState> for State {
    fn from(state: StepState) -> State {
        match state {
            StepState::Pending => State::Pending,
            StepState::Running => State::Running,
            StepState::Succeeded => State::Succeeded,
            StepState::Failed => State::Failed,
            StepState::Skipped => State::Skipped,
            StepState::Cancelled => State::Cancelled,
            StepState::Lost => State::Lost,
        }
    }
}

impl From<ReleaseState> for State {
    fn from(state: ReleaseState) -> State {
        match state {
            ReleaseState::Held => State::Held,
            ReleaseState::Queued => State::Queued,
            ReleaseState::Rolling => State::Rolling,
            ReleaseState::Live => State::Live,
            ReleaseState::Retired => State::Retired,
            ReleaseState::Failed => State::Failed,
            ReleaseState::Superseded => State::Superseded,
            ReleaseState::Rejected => State::Rejected,
        }
    }
}

impl From<DeliveryState> for State {
    fn from(state: DeliveryState) -> State {
        match state {
            DeliveryState::Accepted => State::Accepted,
            DeliveryState::Ignored => State::Ignored,
        }
    }
}

/// A build's commit.
pub(super) fn commit(build: &Build) -> Commit {
    let message = match build.commit_sha.as_str() {
        "" if build.message.is_empty() => format!("the newest commit of {}", build.ref_name()),
        _ => build.message.clone(),
    };
    Commit { sha: build.commit_sha.clone(), message, author: build.author.clone() }
}

/// How long a build takes.
pub(super) fn took(build: &Build, now: i64) -> Took {
    let from = build.started_at.filter(|_| build.state != BuildState::Awaiting);
    Took { from, to: build.finished_at, now }
}

/// A build in a list.
pub(super) fn build_row(repository: &str, build: &Build, waits: Option<String>, now: i64) -> BuildRow {
    BuildRow {
        number: build.number,
        address: links::build(repository, build.number),
        state: build.state.into(),
        reference: build.ref_name().to_owned(),
        commit: commit(build),
        took: took(build, now),
        when: When { at: build.created_at, now },
        // What stands below, such as lines of captain.yml, is for the build's own page.
        reason: waits.or_else(|| build.reason.as_deref().and_then(|reason| reason.lines().next()).map(str::to_owned)),
    }
}

/// Why a build waits at `now`, in the queue or at its runner; none when it does not. One that waits again says first why.
pub(super) async fn why_it_waits(conn: &mut Conn<'_>, build: &Build, now: i64) -> Result<Option<String>, Problem> {
    if build.state.is_final() {
        return Ok(None);
    }
    match jobs::of_build(conn, &build.id).await? {
        Some(job) => Ok(queue::waits_for(conn, &job, now).await?.map(|why| again(build.reason.as_deref(), &why))),
        None => Ok(None),
    }
}

/// Why a release waits at `now`, in the queue or at its runner; none when it does not. One that waits again says first why.
pub(super) async fn why_release_waits(
    conn: &mut Conn<'_>,
    release: &Release,
    now: i64,
) -> Result<Option<String>, Problem> {
    if !matches!(release.state, ReleaseState::Queued | ReleaseState::Rolling) {
        return Ok(None);
    }
    match jobs::of_release(conn, &release.id).await? {
        Some(job) => Ok(queue::waits_for(conn, &job, now).await?.map(|why| again(release.reason.as_deref(), &why))),
        None => Ok(None),
    }
}

fn again(reason: Option<&str>, waits: &str) -> String {
    match reason {
        Some(reason) => format!("{} {}", sentence(&reason), sentence(&waits)),
        None => sentence(&waits),
    }
}

/// The build of a release, for what it is called.
pub(super) async fn build_of(conn: &mut Conn<'_>, release: &Release) -> Result<Commit, Problem> {
    let found = builds::find(conn, &release.build_id).await?;
    Ok(found.as_ref().map_or_else(
        || Commit { sha: release.commit_sha.clone(), message: String::new(), author: String::new() },
        commit,
    ))
}

/// A release as a version.
pub(super) async fn version(conn: &mut Conn<'_>, release: &Release, now: i64) -> Result<Version, Problem> {
    Ok(Version {
        release: release.number,
        build: release.build_number,
        commit: build_of(conn, release).await?,
        since: When { at: release.finished_at.unwrap_or(release.created_at), now },
    })
}

/// A repository's environments with what is live in each.
pub(super) async fn stages(conn: &mut Conn<'_>, repository: &Repository, now: i64) -> Result<Vec<Stage>, Problem> {
    let found = overview::steps(conn, &repository.id).await?;
    let stage = |step: overview::Step| {
        let live = step.live.zip(step.build_number).map(|(release, build)| Version {
            release,
            build,
            commit: Commit {
                sha: step.commit_sha.unwrap_or_default(),
                message: step.message.unwrap_or_default(),
                author: step.author.unwrap_or_default(),
            },
            since: When { at: step.since.unwrap_or(now), now },
        });
        let newest = step.newest.zip(step.newest_state).filter(|(number, _)| Some(*number) != step.live);
        Stage {
            address: links::environment(&repository.name, &step.environment),
            name: step.environment,
            live,
            newest: newest.map(|(number, state)| (state.into(), number)),
        }
    };
    Ok(ordered(found, |step| (&step.environment, &step.source.0)).into_iter().map(stage).collect())
}

/// Environments as releases move through them: each behind the one that it is promoted from. Those that captain.yml no
/// longer names are left out.
pub(super) fn in_graph_order(environments: Vec<Environment>) -> Vec<Environment> {
    let named = environments.into_iter().filter(|one| one.removed_at.is_none()).collect();
    ordered(named, |one| (&one.name, &one.source.0))
}

/// As [`in_graph_order`], for whatever has an environment's name and source.
pub(super) fn ordered<T>(mut rest: Vec<T>, of: impl Fn(&T) -> (&str, &Source)) -> Vec<T> {
    let mut ordered: Vec<T> = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let is_next = |one: &T| match of(one).1 {
            Source::Branch { .. } => true,
            Source::Environment { environment } => {
                let is_it = |other: &T| of(other).0 == environment.as_str();
                ordered.iter().any(is_it) || !rest.iter().any(is_it)
            }
        };
        // A circle cannot be, as captain.yml's reader refuses it; if the rows had one, file order is as good as any.
        let next = rest.iter().position(is_next).unwrap_or(0);
        ordered.push(rest.remove(next));
    }
    ordered
}

/// Whether the forge shows what it was to be told; the worst of several.
pub(super) fn told(reports: Vec<ForgeReport>) -> Option<Told> {
    let rank = |report: &ForgeReport| match report.state {
        ReportState::Failed => 2,
        ReportState::Waiting => 1,
        ReportState::Sent => 0,
    };
    let worst = reports.into_iter().max_by_key(rank)?;
    Some(match worst.state {
        ReportState::Sent => Told::Shown,
        ReportState::Waiting => Told::Waiting(worst.reason),
        ReportState::Failed => Told::GivenUp(worst.reason.unwrap_or_default()),
    })
}
