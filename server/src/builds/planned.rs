//! What captain.yml asks for, as a build planned it.

use slipway_pipelines::config::Environment;
use slipway_runner::coordinator::{StepKind, WARNING_TEXTS, WARNINGS};

use crate::{
    ids::RepositoryId,
    queue::StepState,
    store::{
        Conn, StoreError,
        builds::{self, Build},
        jobs,
        steps::{self, Step},
    },
};

/// How many of the newest builds of a ref are asked for a plan.
const LOOKED_AT: i64 = 5;

/// What a build planned of captain.yml.
#[derive(Debug)]
pub struct Planned {
    /// The build.
    pub build: Build,
    /// What is legal in captain.yml and surely not meant, with its place; as many as were kept.
    pub warnings: Vec<String>,
    /// How many warnings there were in all.
    pub warning_count: usize,
    /// The steps of its newest attempt.
    pub steps: Vec<Step>,
    /// The environments in file order; none as long as only its checkout has ended.
    pub environments: Vec<Environment>,
}

/// The plan of a build; none where its checkout has not read captain.yml.
///
/// # Errors
/// When the database fails.
pub async fn planned(conn: &mut Conn<'_>, build: Build) -> Result<Option<Planned>, StoreError> {
    let Some(job) = jobs::of_build(conn, &build.id).await? else { return Ok(None) };
    let steps = steps::latest_attempt(steps::of_job(conn, &job.id).await?);
    let is_read = |step: &&Step| step.kind.0 == StepKind::Checkout && step.state == StepState::Succeeded;
    let Some(output) = steps.iter().find(is_read).map(|step| &step.output.0) else { return Ok(None) };
    let warnings: Vec<String> =
        output.get(WARNING_TEXTS).and_then(|texts| serde_json::from_str(texts).ok()).unwrap_or_default();
    let count = output.get(WARNINGS).and_then(|count| count.parse().ok());
    let release = builds::release_plan(conn, &build.id).await?.unwrap_or_default();
    Ok(Some(Planned {
        warning_count: count.unwrap_or(warnings.len()),
        warnings,
        environments: release.environments,
        steps,
        build,
    }))
}

/// The plan of the newest build of a ref that has one.
///
/// # Errors
/// When the database fails.
pub async fn newest_planned(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    git_ref: &str,
) -> Result<Option<Planned>, StoreError> {
    for build in builds::list(conn, repository, Some(git_ref), None, LOOKED_AT).await? {
        if let Some(found) = planned(conn, build).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
