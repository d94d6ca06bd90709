//! Putting jobs into the queue.

use slipway_runner::coordinator::SIGNATURES_SINCE;

use super::{JobEvent, JobKind, JobState, apply, order, takeover};
use crate::{
    ids::{BuildId, EnvironmentId, JobId, RepositoryId},
    store::{self, StoreError, Tx, builds::Build, environments::Environment, jobs::Job, releases::Release},
};

/// What rollouts of one environment share, so that there is one at a time.
pub(crate) fn rollout_key(environment: &EnvironmentId) -> String {
    format!("environment {environment}")
}

/// Queues a build's job, for runners that speak at least this version of the protocol; `asked_for` when a person wants it.
pub(crate) async fn enqueue_build(
    tx: &mut Tx,
    build: &Build,
    asked_for: bool,
    protocol: u32,
) -> Result<(), StoreError> {
    let repository = store::repositories::find(&mut tx.conn(), &build.repository_id).await?;
    let repository = repository.ok_or_else(|| StoreError::missing("repository", &build.repository_id))?;
    let priority = if asked_for { order::ASKED_FOR } else { order::of_push(build, &repository.default_branch) };
    let mut job = queued(tx, JobKind::Build, repository.id);
    job.build_id = Some(build.id.clone());
    store::jobs::insert(tx, &job, priority, protocol).await?;
    tx.ring_queue();
    Ok(())
}

/// Queues the job of a build that failed once more, for another attempt that a person wants; `takes_over` when what
/// succeeded is not to run again.
pub(crate) async fn retry_build(
    tx: &mut Tx,
    build: &BuildId,
    reason: &str,
    takes_over: bool,
) -> Result<(), StoreError> {
    let found = store::jobs::of_build(&mut tx.conn(), build).await?;
    let found = found.ok_or_else(|| StoreError::missing("job of build", build))?;
    let job = store::jobs::lock(tx, &found.id).await?;
    let mut job = job.ok_or_else(|| StoreError::missing("job", &found.id))?;
    if takes_over {
        takeover::ask(tx, &job).await?;
    } else {
        store::takeovers::forget(tx, &job.id).await?;
    }
    apply(tx, &mut job, JobEvent::Retry, Some(reason)).await?;
    store::jobs::renew(tx, &job.id, order::ASKED_FOR).await
}

/// The oldest version of the protocol whose runners roll a release out as its environment asks for.
pub(super) fn known_since(environment: &Environment, release: &Release) -> u32 {
    let checks = if environment.protection.0.signed_by.is_empty() { 0 } else { SIGNATURES_SINCE };
    release.content().known_since().max(checks)
}

/// Queues a release's rollout.
pub(crate) async fn enqueue_rollout(tx: &mut Tx, release: &Release) -> Result<(), StoreError> {
    let environment = store::environments::find(&mut tx.conn(), &release.environment_id).await?;
    let environment = environment.ok_or_else(|| StoreError::missing("environment", &release.environment_id))?;
    let mut job = queued(tx, JobKind::Rollout, environment.repository_id.clone());
    job.release_id = Some(release.id.clone());
    job.concurrency_key = Some(rollout_key(&release.environment_id));
    store::jobs::insert(tx, &job, order::ROLLOUT, known_since(&environment, release)).await?;
    tx.ring_queue();
    Ok(())
}

fn queued(tx: &Tx, kind: JobKind, repository_id: RepositoryId) -> Job {
    Job {
        id: JobId::new(),
        kind,
        build_id: None,
        release_id: None,
        state: JobState::Queued,
        attempt: 0,
        attempt_reason: None,
        losses: 0,
        repository_id,
        concurrency_key: None,
        lease_owner: None,
        lease_incarnation: None,
        lease_epoch: 0,
        lease_until: None,
        cancel_requested_at: None,
        created_at: tx.now(),
        finished_at: None,
    }
}
