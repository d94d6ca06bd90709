//! Queueing a release: numbered, never twice for one cause, taking the place of those that still wait.

use slipway_pipelines::config::Strategy;
use slipway_runner::coordinator::ReleasedApp;

use super::{ReleaseEvent, ReleaseKind, ReleaseState, lifecycle};
use crate::{
    ids::ReleaseId,
    queue::{self, JobEvent, JobState},
    store::{self, JsonText, StoreError, Tx, builds::Build, environments::Environment, releases::Release},
};

/// A release to queue.
pub(super) struct NewRelease<'a> {
    /// The environment, its row locked by this transaction.
    pub(super) environment: &'a Environment,
    pub(super) kind: ReleaseKind,
    pub(super) build: &'a Build,
    pub(super) source: Option<&'a Release>,
    pub(super) actor: &'a str,
    pub(super) apps: Vec<ReleasedApp>,
    /// Names the cause: a second release of the same cause is not made.
    pub(super) dedup_key: String,
}

/// Queues a release, or returns the one that the same cause made before.
pub(super) async fn create(tx: &mut Tx, new: NewRelease<'_>) -> Result<Release, StoreError> {
    if let Some(known) = store::releases::by_dedup_key(&mut tx.conn(), &new.dedup_key).await? {
        return Ok(known);
    }
    let release = Release {
        id: ReleaseId::new(),
        environment_id: new.environment.id.clone(),
        number: store::environments::next_release_number(tx, &new.environment.id).await?,
        kind: new.kind,
        build_id: new.build.id.clone(),
        build_number: new.build.number,
        commit_sha: new.build.commit_sha.clone(),
        source_release_id: new.source.map(|source| source.id.clone()),
        actor: new.actor.to_owned(),
        state: ReleaseState::Queued,
        reason: None,
        content: JsonText(new.apps),
        strategy: JsonText(strategy(new.kind, new.environment)),
        created_at: tx.now(),
        started_at: None,
        finished_at: None,
    };
    supersede_waiting(tx, &release).await?;
    store::releases::insert(tx, &release, &new.dedup_key).await?;
    lifecycle::note(tx, &release, "release.queued").await?;
    queue::enqueue_rollout(tx, &release).await?;
    Ok(release)
}

/// A way back is no time for a trial: what is gone back to was live before.
fn strategy(kind: ReleaseKind, environment: &Environment) -> Strategy {
    match (kind, &environment.settings.strategy) {
        (ReleaseKind::Rollback, Strategy::Canary { .. }) => Strategy::Rolling,
        (_, strategy) => strategy.clone(),
    }
}

/// The newest waiting release wins. The job is asked first: one that a runner took meanwhile is left alone.
async fn supersede_waiting(tx: &mut Tx, newer: &Release) -> Result<(), StoreError> {
    let reason = format!("release {} took its place", newer.number);
    for waiting in store::releases::unsettled(&mut tx.conn(), &newer.environment_id).await? {
        let Some(job) = store::jobs::of_release(&mut tx.conn(), &waiting.id).await? else { continue };
        let Some(mut job) = store::jobs::lock(tx, &job.id).await? else { continue };
        if job.state != JobState::Queued {
            continue;
        }
        let Some(mut waiting) = store::releases::find(&mut tx.conn(), &waiting.id).await? else { continue };
        queue::apply(tx, &mut job, JobEvent::Cancel, Some(&reason)).await?;
        lifecycle::apply(tx, &mut waiting, ReleaseEvent::Supersede, Some(&reason)).await?;
    }
    Ok(())
}
