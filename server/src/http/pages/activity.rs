//! What is at work, and what waits and why.

use slipway_web::{links, pages::Activity, time::Took};

use super::rows;
use crate::{
    builds::BuildState,
    http::{api::activity::open_jobs, errors::Problem},
    ids::{BuildId, ReleaseId},
    store::{
        Conn, Seen,
        builds::{self, Build},
        environments,
        jobs::Job,
        releases, repositories,
    },
};

/// The jobs at work or waiting that are listed.
const ACTIVE: i64 = 20;
/// How many are looked through for those that somebody sees who does not see all.
const LOOKED_THROUGH: i64 = 200;

/// The jobs at work and the first of those that wait, and how many more wait.
pub(super) async fn activity(conn: &mut Conn<'_>, seen: &Seen, now: i64) -> Result<(Vec<Activity>, i64), Problem> {
    let mut active = Vec::new();
    let (open, more) = match seen {
        Seen::All => open_jobs(conn, None, ACTIVE).await?,
        // How many others wait is no more theirs than who.
        Seen::These(_) => (of_seen(conn, seen).await?, 0),
    };
    for job in open {
        active.extend(of_job(conn, &job, now).await?);
    }
    Ok((active, more))
}

/// Of the jobs at work and the first of those that wait, those of repositories that are seen.
async fn of_seen(conn: &mut Conn<'_>, seen: &Seen) -> Result<Vec<Job>, Problem> {
    let mut found = Vec::new();
    for job in open_jobs(conn, None, LOOKED_THROUGH).await?.0 {
        let repository = repositories::find(conn, &job.repository_id).await?;
        if repository.is_some_and(|repository| seen.holds(&repository.name)) {
            found.push(job);
        }
    }
    found.truncate(usize::try_from(ACTIVE).unwrap_or(usize::MAX));
    Ok(found)
}

/// One of them.
pub(super) async fn of_job(conn: &mut Conn<'_>, job: &Job, now: i64) -> Result<Option<Activity>, Problem> {
    match (&job.build_id, &job.release_id) {
        (Some(build), _) => build_activity(conn, build, now).await,
        (None, Some(release)) => release_activity(conn, release, now).await,
        (None, None) => Ok(None),
    }
}

async fn build_activity(conn: &mut Conn<'_>, id: &BuildId, now: i64) -> Result<Option<Activity>, Problem> {
    let Some(build) = builds::find(conn, id).await? else { return Ok(None) };
    let Some(repository) = repositories::find(conn, &build.repository_id).await? else { return Ok(None) };
    let waits = rows::why_it_waits(conn, &build, now).await?;
    Ok(Some(Activity {
        state: build.state.into(),
        what: format!("{} #{}", repository.name, build.number),
        address: links::build(&repository.name, build.number),
        detail: rows::commit(&build).subject().to_owned(),
        took: Took { from: Some(since(&build)), to: build.finished_at, now },
        reason: waits.or(build.reason),
    }))
}

/// Since when it runs or, of one that does not, waits.
fn since(build: &Build) -> i64 {
    build.started_at.filter(|_| build.state == BuildState::Running).unwrap_or(build.created_at)
}

async fn release_activity(conn: &mut Conn<'_>, id: &ReleaseId, now: i64) -> Result<Option<Activity>, Problem> {
    let Some(release) = releases::find(conn, id).await? else { return Ok(None) };
    let Some(environment) = environments::find(conn, &release.environment_id).await? else { return Ok(None) };
    let Some(repository) = repositories::find(conn, &environment.repository_id).await? else { return Ok(None) };
    let waits = rows::why_release_waits(conn, &release, now).await?;
    Ok(Some(Activity {
        state: release.state.into(),
        what: format!("{} → {} #{}", repository.name, environment.name, release.number),
        address: links::release(&repository.name, &environment.name, release.number),
        detail: rows::build_of(conn, &release).await?.subject().to_owned(),
        took: Took { from: release.started_at.or(Some(release.created_at)), to: release.finished_at, now },
        reason: waits.or(release.reason),
    }))
}
