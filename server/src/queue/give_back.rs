//! A job whose runner is gone: its steps are lost, and it waits for the next runner, or is given up.

use super::{JobEvent, JobState, StepEvent, apply, apply_to_step};
use crate::{
    builds::{self, BuildEvent},
    releases::{self, ReleaseEvent},
    store::{self, StoreError, Tx, builds::Build, jobs::Job, releases::Release, steps::Ending},
};

/// How often a job may lose its runner before it is given up: a job that kills its runner must not do so for ever.
const MAX_LOSSES: i64 = 5;

/// What a job is about.
pub(super) enum Subject {
    /// A build.
    Build(Build),
    /// A release.
    Release(Release),
}

/// What the job is about, as it stands now.
pub(super) async fn subject(tx: &mut Tx, job: &Job) -> Result<Subject, StoreError> {
    if let Some(id) = &job.build_id {
        let build = store::builds::find(&mut tx.conn(), id).await?;
        return build.map(Subject::Build).ok_or_else(|| StoreError::missing("build", id));
    }
    let id = job.release_id.as_ref().ok_or_else(|| StoreError::corrupt("job", &job.id, "it is about nothing"))?;
    let release = store::releases::find(&mut tx.conn(), id).await?;
    release.map(Subject::Release).ok_or_else(|| StoreError::missing("release", id))
}

/// Takes a leased job from a runner that was lost. That is counted: one that lost its runner too often has failed.
///
/// # Errors
/// When the database fails, or the job is not leased.
pub(super) async fn give_back(tx: &mut Tx, mut job: Job, reason: &str) -> Result<(), StoreError> {
    job.losses = store::jobs::count_loss(tx, &job.id).await?;
    if job.losses < MAX_LOSSES || job.cancel_requested_at.is_some() {
        return hand_back(tx, job, reason).await;
    }
    end_steps(tx, &job, StepEvent::Lose, StepEvent::Lose, reason).await?;
    let subject = subject(tx, &job).await?;
    let given_up = format!("given up after {} attempts; the last one ended because {reason}", job.losses);
    match subject {
        Subject::Build(_) => failed(tx, &mut job, subject, &given_up).await,
        Subject::Release(release) => give_up(tx, &mut job, release, &given_up).await,
    }
}

/// Ends a rollout that no runner has brought to an end: somebody else sets the environment right.
pub(super) async fn give_up(tx: &mut Tx, job: &mut Job, release: Release, reason: &str) -> Result<(), StoreError> {
    let next = releases::after_giving_up(tx, &release).await?;
    let told = format!("{reason}; {}", next.told());
    failed(tx, job, Subject::Release(release.clone()), &told).await?;
    releases::return_to(tx, &release, next).await
}

/// Takes a leased job from a runner that gives it back by itself, such as one that is told to end.
///
/// 1. The steps of the attempt that had not ended are lost.
/// 2. A job that was to be cancelled is cancelled.
/// 3. Any other goes back to the queue, and its build or release with it, so that everyone sees it wait again.
///
/// # Errors
/// When the database fails, or the job is not leased.
pub(super) async fn hand_back(tx: &mut Tx, mut job: Job, reason: &str) -> Result<(), StoreError> {
    end_steps(tx, &job, StepEvent::Lose, StepEvent::Lose, reason).await?;
    let subject = subject(tx, &job).await?;
    if job.cancel_requested_at.is_some() {
        return cancelled(tx, &mut job, subject, reason).await;
    }
    apply(tx, &mut job, JobEvent::Lose, Some(reason)).await?;
    match subject {
        Subject::Build(mut build) => builds::apply(tx, &mut build, BuildEvent::Requeue, Some(reason)).await,
        Subject::Release(mut release) => releases::apply(tx, &mut release, ReleaseEvent::Requeue, Some(reason)).await,
    }
}

/// Takes every job that it works on from a runner.
pub(crate) async fn give_back_all(tx: &mut Tx, runner: &str, reason: &str) -> Result<(), StoreError> {
    for held in store::jobs::held_by(&mut tx.conn(), runner).await? {
        // The rescuer may have taken it between our look and now.
        let Some(held) = store::jobs::lock(tx, &held.id).await? else { continue };
        if held.state == JobState::Leased && held.lease_owner.as_deref() == Some(runner) {
            give_back(tx, held, reason).await?;
        }
    }
    Ok(())
}

/// Ends a leased job as failed.
pub(super) async fn failed(tx: &mut Tx, job: &mut Job, subject: Subject, reason: &str) -> Result<(), StoreError> {
    apply(tx, job, JobEvent::Fail, None).await?;
    match subject {
        Subject::Build(mut build) => builds::apply(tx, &mut build, BuildEvent::Fail, Some(reason)).await,
        Subject::Release(mut release) => {
            releases::apply(tx, &mut release, ReleaseEvent::Fail, Some(reason)).await?;
            releases::return_from_breached(tx, &release).await
        }
    }
}

/// Ends a leased job as cancelled. A build keeps the reason that the cancelling gave.
pub(super) async fn cancelled(tx: &mut Tx, job: &mut Job, subject: Subject, reason: &str) -> Result<(), StoreError> {
    match subject {
        Subject::Build(mut build) => {
            apply(tx, job, JobEvent::Cancel, None).await?;
            let kept = build.reason.clone().unwrap_or_else(|| reason.to_owned());
            builds::apply(tx, &mut build, BuildEvent::Cancel, Some(&kept)).await
        }
        Subject::Release(release) => {
            let told = releases::why_cancelled(tx, &release).await?;
            let told = told.map_or_else(|| reason.to_owned(), |told| format!("{told}; {reason}"));
            give_up(tx, job, release, &told).await
        }
    }
}

/// Ends the steps of the job's attempt that have not ended: those that ran by one event, those that did not by another.
pub(super) async fn end_steps(
    tx: &mut Tx,
    job: &Job,
    running: StepEvent,
    pending: StepEvent,
    reason: &str,
) -> Result<(), StoreError> {
    for mut step in store::steps::unfinished(&mut tx.conn(), &job.id, job.attempt).await? {
        let event = if step.started_at.is_some() { running } else { pending };
        apply_to_step(tx, job, &mut step, event, Ending { reason: Some(reason), ..Ending::default() }).await?;
    }
    Ok(())
}
