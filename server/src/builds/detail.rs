//! All that a build's page shows.

use slipway_runner::coordinator::Artifact;

use crate::{
    queue,
    store::{
        self, Conn, StoreError, builds::Build, jobs::Job, releases::Release, repositories::Repository, steps::Step,
    },
};

/// The most releases that a build's page names.
const RELEASES_SHOWN: i64 = 20;

/// A build with everything around it.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildDetail {
    /// The repository.
    pub repository: Repository,
    /// The build.
    pub build: Build,
    /// Its job: attempts, runner, whether it is being cancelled.
    pub job: Job,
    /// The steps of every attempt, in order.
    pub steps: Vec<Step>,
    /// What it pushed, in file order.
    pub artifacts: Vec<Artifact>,
    /// The newest releases that hold its artifacts.
    pub releases: Vec<Release>,
    /// Why it waits, while it does.
    pub waits_for: Option<String>,
}

/// The build of the repository of this name with this number, as it stands at `now` (unix milliseconds).
///
/// # Errors
/// When the database fails.
pub async fn detail(
    conn: &mut Conn<'_>,
    repository: &str,
    number: i64,
    now: i64,
) -> Result<Option<BuildDetail>, StoreError> {
    let Some(repository) = store::repositories::by_name(conn, repository).await? else { return Ok(None) };
    let Some(build) = store::builds::by_number(conn, &repository.id, number).await? else { return Ok(None) };
    let job = store::jobs::of_build(conn, &build.id).await?;
    let job = job.ok_or_else(|| StoreError::missing("job of build", &build.id))?;
    Ok(Some(BuildDetail {
        steps: store::steps::of_job(conn, &job.id).await?,
        artifacts: store::artifacts::of_build(conn, &build.id).await?,
        releases: store::releases::of_build(conn, &build.id, RELEASES_SHOWN).await?,
        waits_for: queue::waits_for(conn, &job, now).await?,
        repository,
        build,
        job,
    }))
}
