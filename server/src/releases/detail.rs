//! All that a release's page shows.

use crate::{
    queue,
    store::{
        self, Conn, StoreError, environments::Environment, jobs::Job, releases::Release, repositories::Repository,
        steps::Step,
    },
};

/// A release with everything around it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseDetail {
    /// The repository.
    pub repository: Repository,
    /// The environment.
    pub environment: Environment,
    /// The release.
    pub release: Release,
    /// The release that was promoted, or returned to.
    pub source: Option<Release>,
    /// The environment of that release.
    pub source_environment: Option<Environment>,
    /// Its rollout's job; none while it is held.
    pub job: Option<Job>,
    /// The steps of every attempt of the rollout, in order.
    pub steps: Vec<Step>,
    /// Why it waits, while it does.
    pub waits_for: Option<String>,
}

/// The release with this number of the environment of the repository with these names, as it stands at `now` (unix
/// milliseconds).
///
/// # Errors
/// When the database fails.
pub async fn detail(
    conn: &mut Conn<'_>,
    repository: &str,
    environment: &str,
    number: i64,
    now: i64,
) -> Result<Option<ReleaseDetail>, StoreError> {
    let Some(repository) = store::repositories::by_name(conn, repository).await? else { return Ok(None) };
    let Some(environment) = store::environments::by_name(conn, &repository.id, environment).await? else {
        return Ok(None);
    };
    let Some(release) = store::releases::by_number(conn, &environment.id, number).await? else { return Ok(None) };
    let job = store::jobs::of_release(conn, &release.id).await?;
    let source = match &release.source_release_id {
        Some(id) => store::releases::find(conn, id).await?,
        None => None,
    };
    let source_environment = match &source {
        Some(source) => store::environments::find(conn, &source.environment_id).await?,
        None => None,
    };
    let (steps, waits_for) = match &job {
        Some(job) => (store::steps::of_job(conn, &job.id).await?, queue::waits_for(conn, job, now).await?),
        None => (Vec::new(), None),
    };
    Ok(Some(ReleaseDetail { steps, waits_for, repository, environment, release, source, source_environment, job }))
}
