//! Making a release: numbered, never twice for one cause, taking the place of those that still wait.

use slipway_pipelines::config::Strategy;
use slipway_runner::coordinator::ReleasedApp;

use super::{
    By, DecisionKind, ReleaseEvent, ReleaseKind, ReleaseState,
    decide::shortened,
    gate::Verdict,
    hold::note_decision,
    judge::{ACTOR, judge, without_exception},
    lifecycle,
    steer::make_way,
};
use crate::{
    ids::ReleaseId,
    queue::{self, JobEvent, JobState},
    store::{self, JsonText, StoreError, Tx, builds::Build, environments::Environment, releases::Release},
};

/// A release to make.
pub(super) struct NewRelease<'a> {
    /// The environment, its row locked by this transaction.
    pub(super) environment: &'a Environment,
    pub(super) kind: ReleaseKind,
    pub(super) build: &'a Build,
    pub(super) source: Option<&'a Release>,
    pub(super) by: By<'a>,
    pub(super) apps: Vec<ReleasedApp>,
    /// Names the cause: a second release of the same cause is not made.
    pub(super) dedup_key: String,
}

/// Makes a release, or returns the one that the same cause made before. It is queued, or held where the environment asks
/// for what is not there yet.
///
/// # Errors
/// [`StoreError::Refused`] when it may not enter the environment at all.
pub(super) async fn create(tx: &mut Tx, new: NewRelease<'_>) -> Result<Release, StoreError> {
    if let Some(known) = store::releases::by_dedup_key(&mut tx.conn(), &new.dedup_key).await? {
        return Ok(known);
    }
    let now = tx.now();
    let mut release = draft(&new, now);
    match judge(&mut tx.conn(), new.environment, &release, now).await? {
        Verdict::Admit => {}
        Verdict::Refuse { why } => return Err(StoreError::Refused(why)),
        Verdict::Wait { why, .. } => {
            release.state = ReleaseState::Held;
            release.reason = Some(why);
        }
    }
    release.number = store::environments::next_release_number(tx, &new.environment.id).await?;
    supersede_waiting(tx, &release).await?;
    store::releases::insert(tx, &release, &new.dedup_key).await?;
    if let Some(kind) = asked_for(release.kind) {
        note_decision(tx, &release, kind, new.by.actor, shortened(new.by.reason).as_deref()).await?;
    }
    if release.state == ReleaseState::Held {
        lifecycle::note(tx, &release, "release.held").await?;
        note_decision(tx, &release, DecisionKind::Held, ACTOR, release.reason.as_deref()).await?;
        return Ok(release);
    }
    if release.kind.is_way_out() {
        note_exception(tx, new.environment, &release).await?;
    }
    lifecycle::note(tx, &release, "release.queued").await?;
    make_way(tx, &release).await?;
    queue::enqueue_rollout(tx, &release).await?;
    Ok(release)
}

/// The release as it would be made now, without its number.
pub(super) fn draft(new: &NewRelease<'_>, now: i64) -> Release {
    Release {
        id: ReleaseId::new(),
        environment_id: new.environment.id.clone(),
        number: 0,
        kind: new.kind,
        build_id: new.build.id.clone(),
        build_number: new.build.number,
        commit_sha: new.build.commit_sha.clone(),
        source_release_id: new.source.map(|source| source.id.clone()),
        actor: new.by.actor.to_owned(),
        state: ReleaseState::Queued,
        reason: None,
        content: JsonText(new.apps.clone()),
        strategy: JsonText(strategy(new.kind, new.environment)),
        created_at: now,
        started_at: None,
        finished_at: None,
        retired_at: None,
    }
}

/// What somebody decided who made a release of this kind; a build's comes of itself.
fn asked_for(kind: ReleaseKind) -> Option<DecisionKind> {
    match kind {
        ReleaseKind::Build => None,
        ReleaseKind::Promotion => Some(DecisionKind::Promoted),
        ReleaseKind::Rollback => Some(DecisionKind::RolledBack),
        ReleaseKind::Restore => Some(DecisionKind::Restored),
    }
}

/// Notes what a way out did not have to wait for, if there was anything.
async fn note_exception(tx: &mut Tx, environment: &Environment, release: &Release) -> Result<(), StoreError> {
    let now = tx.now();
    let passed = match without_exception(&mut tx.conn(), environment, release, now).await? {
        Verdict::Admit => return Ok(()),
        Verdict::Wait { why, .. } | Verdict::Refuse { why } => why,
    };
    let reason = format!("a {} waits for nothing; otherwise: {passed}", release.kind);
    note_decision(tx, release, DecisionKind::Admitted, &release.actor, Some(&reason)).await
}

/// A way back is no time for a trial: what is gone back to was live before.
fn strategy(kind: ReleaseKind, environment: &Environment) -> Strategy {
    match (kind, environment.protection.strategy(&environment.settings.strategy)) {
        (ReleaseKind::Rollback | ReleaseKind::Restore, Strategy::Recreate) => Strategy::Recreate,
        (ReleaseKind::Rollback, Strategy::Canary { .. }) | (ReleaseKind::Restore, _) => Strategy::default(),
        (ReleaseKind::Rollback, Strategy::BlueGreen { .. }) => Strategy::BlueGreen { bake_ms: 0 },
        (_, strategy) => strategy.clone(),
    }
}

/// The newest waiting release wins. The job is asked first: one that a runner took meanwhile is left alone.
async fn supersede_waiting(tx: &mut Tx, newer: &Release) -> Result<(), StoreError> {
    let reason = format!("release {} took its place", newer.number);
    for waiting in store::releases::unsettled(&mut tx.conn(), &newer.environment_id).await? {
        if waiting.state == ReleaseState::Held {
            let mut waiting = waiting;
            lifecycle::apply(tx, &mut waiting, ReleaseEvent::Supersede, Some(&reason)).await?;
            continue;
        }
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
