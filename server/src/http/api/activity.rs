//! What is at work, and what waits and why.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{lookup, time::Time};
use crate::{
    access::{ApiRoutes, Permission},
    app::AppState,
    http::{errors::Problem, extract::Asked},
    ids::RepositoryId,
    queue::{self, JobKind, JobState},
    store::{
        Conn, StoreError, builds,
        jobs::{self, Job},
        releases, repositories, runners,
    },
};

/// The most jobs of an answer.
const MOST: i64 = 100;

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Activity").get(
        "/api/v1/activity",
        Permission::Read,
        "getActivity",
        "What is at work, and the first of what waits and why.",
        show,
    )
}

#[derive(Serialize, JsonSchema)]
struct Activity {
    /// What is at work, then what waits, the most urgent first; at most 100.
    items: Vec<JobView>,
    /// How many more wait.
    more: i64,
}

/// A build or a rollout that is not over.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Job")]
struct JobView {
    kind: JobKind,
    state: JobState,
    repository: String,
    /// The build's number, where it is one.
    build: Option<i64>,
    /// The environment that is released to, where it is a rollout.
    environment: Option<String>,
    /// The release's number.
    release: Option<i64>,
    attempt: i64,
    /// The runner that has it.
    runner: Option<String>,
    /// Why it waits, while it does.
    waits_for: Option<String>,
    created_at: Time,
}

/// Which jobs are asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Those of this repository, `owner/name`, alone.
    repository: Option<String>,
}

async fn show(State(state): State<AppState>, Asked(wanted): Asked<Wanted>) -> Result<Json<Activity>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let of = match wanted.repository.as_deref().map(|name| name.split_once('/').unwrap_or((name, ""))) {
        Some((owner, name)) => Some(lookup::repository(conn, owner, name).await?.id),
        None => None,
    };
    let (open, more) = open_jobs(conn, of.as_ref(), MOST).await?;
    let now = state.store.clock().now();
    let mut items = Vec::with_capacity(open.len());
    for job in open {
        items.extend(view(conn, job, now).await?);
    }
    Ok(Json(Activity { items, more }))
}

/// The jobs at work and the first of those that wait, at most `most`, and how many more wait.
/// Where a repository is given, of that alone.
pub(in crate::http) async fn open_jobs(
    conn: &mut Conn<'_>,
    of: Option<&RepositoryId>,
    most: i64,
) -> Result<(Vec<Job>, i64), StoreError> {
    let mut open = jobs::leased(conn).await?;
    let all = match of {
        None => {
            let waiting = jobs::queued_count(conn).await? + jobs::held_count(conn).await?;
            let all = i64::try_from(open.len()).unwrap_or(i64::MAX).saturating_add(waiting);
            open.extend(jobs::queued(conn, most).await?);
            open.extend(jobs::held(conn, most).await?);
            all
        }
        Some(of) => {
            open.retain(|job| job.repository_id == *of);
            let all =
                i64::try_from(open.len()).unwrap_or(i64::MAX).saturating_add(jobs::waiting_count_of(conn, of).await?);
            open.extend(jobs::waiting_of(conn, of, most).await?);
            all
        }
    };
    open.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok((open, (all - most).max(0)))
}

async fn view(conn: &mut Conn<'_>, job: Job, now: i64) -> Result<Option<JobView>, StoreError> {
    let Some(repository) = repositories::find(conn, &job.repository_id).await? else { return Ok(None) };
    let build = match &job.build_id {
        Some(build) => builds::find(conn, build).await?.map(|build| build.number),
        None => None,
    };
    let (release, environment) = match &job.release_id {
        Some(release) => releases::named(conn, release).await?.unzip(),
        None => (None, None),
    };
    let runner = match &job.lease_owner {
        Some(runner) => runners::find(conn, runner).await?.map(|runner| runner.name),
        None => None,
    };
    Ok(Some(JobView {
        waits_for: queue::waits_for(conn, &job, now).await?,
        kind: job.kind,
        state: job.state,
        repository: repository.name,
        build,
        environment,
        release,
        attempt: job.attempt,
        runner,
        created_at: Time(job.created_at),
    }))
}
