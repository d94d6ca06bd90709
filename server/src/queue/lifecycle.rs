//! The one place where jobs and steps change their state.

use super::{JobEvent, JobState, StepEvent, StepState, next_job, next_step};
use crate::{
    events::NewEvent,
    store::{
        self, StoreError, Tx,
        jobs::Job,
        steps::{Ending, Step},
    },
};

/// Applies an event to a job: checks the table, writes the state, notes what happened, and wakes who waits.
///
/// # Errors
/// [`StoreError::Illegal`] when the table does not allow it; [`StoreError::Conflict`] when someone was faster.
pub(crate) async fn apply(tx: &mut Tx, job: &mut Job, event: JobEvent, reason: Option<&str>) -> Result<(), StoreError> {
    let to = next_job(job.state, event).ok_or_else(|| StoreError::Illegal {
        what: "job",
        which: job.id.to_string(),
        state: job.state.as_str(),
        event: event.verb(),
    })?;
    store::jobs::set_state(tx, job, to, reason).await?;
    if to == JobState::Queued {
        job.lease_epoch += 1;
    }
    job.state = to;
    note(tx, job, event, reason);
    // A job that ended frees its concurrency key, one that goes back can be claimed: either may be waited for.
    tx.ring_queue();
    Ok(())
}

/// Notes what happened to a job; a claim, which writes the state itself, calls it too.
pub(crate) fn note(tx: &mut Tx, job: &Job, event: JobEvent, reason: Option<&str>) {
    let mut noted = NewEvent::new(match event {
        JobEvent::Lease => "job.leased",
        JobEvent::Hold => "job.held",
        JobEvent::Admit => "job.admitted",
        JobEvent::Lose => "job.lost",
        JobEvent::Retry => "job.retried",
        JobEvent::Succeed => "job.succeeded",
        JobEvent::Fail => "job.failed",
        JobEvent::Cancel => "job.cancelled",
    })
    .with("job", &job.id)
    .with("attempt", job.attempt)
    .with("runner", &job.lease_owner)
    .with("reason", reason);
    noted.build = job.build_id.clone();
    noted.release = job.release_id.clone();
    tx.emit(noted);
}

/// Applies an event to a step: checks the table, writes the state with what it leaves, and notes what happened.
///
/// # Errors
/// [`StoreError::Illegal`] when the table does not allow it; [`StoreError::Conflict`] when someone was faster.
pub(crate) async fn apply_to_step(
    tx: &mut Tx,
    job: &Job,
    step: &mut Step,
    event: StepEvent,
    ending: Ending<'_>,
) -> Result<(), StoreError> {
    let to = next_step(step.state, event).ok_or_else(|| StoreError::Illegal {
        what: "step",
        which: step.position.to_string(),
        state: step.state.as_str(),
        event: event.verb(),
    })?;
    store::steps::set_state(tx, step, to, ending).await?;
    step.state = to;
    note_step(tx, job, step, ending.reason);
    if to.is_final() {
        tx.ring_log(step.id.clone());
    }
    Ok(())
}

/// Notes the state that a step is in now.
pub(crate) fn note_step(tx: &mut Tx, job: &Job, step: &Step, reason: Option<&str>) {
    let mut noted = NewEvent::new(match step.state {
        StepState::Pending => "step.declared",
        StepState::Running => "step.started",
        StepState::Succeeded => "step.succeeded",
        StepState::Failed => "step.failed",
        StepState::Skipped => "step.skipped",
        StepState::Cancelled => "step.cancelled",
        StepState::Lost => "step.lost",
    })
    .step(&step.id)
    .with("attempt", step.attempt)
    .with("position", step.position)
    .with("state", step.state)
    .with("reason", reason);
    noted.build = job.build_id.clone();
    noted.release = job.release_id.clone();
    tx.emit(noted);
}
