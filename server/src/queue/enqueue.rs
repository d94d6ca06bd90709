//! Putting jobs into the queue.

use super::{JobKind, JobState};
use crate::{
    ids::{EnvironmentId, JobId},
    store::{self, StoreError, Tx, builds::Build, jobs::Job, releases::Release},
};

/// Rollouts go before builds: they are short, and someone waits for them.
const ROLLOUT_PRIORITY: i64 = 10;
const BUILD_PRIORITY: i64 = 0;

/// What rollouts of one environment share, so that there is one at a time.
pub(crate) fn rollout_key(environment: &EnvironmentId) -> String {
    format!("environment {environment}")
}

/// Queues a build's job.
pub(crate) async fn enqueue_build(tx: &mut Tx, build: &Build) -> Result<(), StoreError> {
    let mut job = queued(tx, JobKind::Build);
    job.build_id = Some(build.id.clone());
    store::jobs::insert(tx, &job, BUILD_PRIORITY).await?;
    tx.ring_queue();
    Ok(())
}

/// Queues a release's rollout.
pub(crate) async fn enqueue_rollout(tx: &mut Tx, release: &Release) -> Result<(), StoreError> {
    let mut job = queued(tx, JobKind::Rollout);
    job.release_id = Some(release.id.clone());
    job.concurrency_key = Some(rollout_key(&release.environment_id));
    store::jobs::insert(tx, &job, ROLLOUT_PRIORITY).await?;
    tx.ring_queue();
    Ok(())
}

fn queued(tx: &Tx, kind: JobKind) -> Job {
    Job {
        id: JobId::new(),
        kind,
        build_id: None,
        release_id: None,
        state: JobState::Queued,
        attempt: 0,
        attempt_reason: None,
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
