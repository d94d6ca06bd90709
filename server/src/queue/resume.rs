//! A job that a runner's new life goes on with.

use slipway_runner::coordinator::{KnownStep, LeaseKey, LogPosition, Resumption, StepOutcome, StepResult};

use super::{
    ServerCoordinator, StepState,
    fence::{ReportError, held},
    hand_out::hand_out,
    limits,
};
use crate::store::{self, StoreError, jobs::Job, logs, steps::Step};

/// Tells where the job of a lease that still holds stands, and extends the lease.
///
/// The lease proves who asks. Only its holder changes the steps and logs, and it waits for this answer: they may be read
/// after the transaction, which then holds up nobody while a long log is counted.
pub(super) async fn resume(server: &ServerCoordinator, lease: &LeaseKey) -> Result<Resumption, ReportError> {
    let lost = || ReportError::Lost(lease.job.clone());
    let (mut tx, job) = held(server, lease).await?;
    let (Some(owner), Some(life)) = (&job.lease_owner, &job.lease_incarnation) else { return Err(lost()) };
    let until = tx.lease_time().await? + server.timing.lease_ms();
    if !store::jobs::extend(&mut tx, &job.id, job.lease_epoch, owner, life, until).await? {
        return Err(lost());
    }
    let handed = hand_out(&mut tx, server, &job).await?;
    let now = tx.now();
    tx.commit().await?;
    let lease = handed.ok_or_else(lost)?;
    let steps = steps(server, &job, now).await?;
    Ok(Resumption { lease, cancelled: job.cancel_requested_at.is_some(), steps })
}

async fn steps(server: &ServerCoordinator, job: &Job, now: i64) -> Result<Vec<KnownStep>, StoreError> {
    let mut reader = server.store.read().await?;
    let conn = &mut reader.conn();
    let most_ms = limits::build_minutes(conn).await?.map(|minutes| u64::from(minutes) * 60_000);
    // No step runs for longer than its build may: then its runner was away for long, or the clock was set while it was.
    let run_ms = |began: i64| u64::try_from(now - began).ok().filter(|ms| most_ms.is_none_or(|most| *ms < most));
    let mut known = Vec::new();
    for step in store::steps::of_attempt(conn, &job.id, job.attempt).await? {
        let is_running = step.state == StepState::Running;
        let log = if is_running { logs::position(conn, &step.id).await? } else { LogPosition::default() };
        let began = step.started_at.max(log.again_at).filter(|_| is_running);
        known.push(KnownStep {
            index: u32::try_from(step.position).unwrap_or(u32::MAX),
            started: step.started_at.is_some(),
            run_ms: began.and_then(run_ms).unwrap_or(0),
            result: result(step),
            log,
        });
    }
    Ok(known)
}

/// How the step ended, if it did.
fn result(step: Step) -> Option<StepResult> {
    let outcome = match step.state {
        StepState::Pending | StepState::Running | StepState::Lost => return None,
        StepState::Succeeded => StepOutcome::Succeeded,
        StepState::Failed => StepOutcome::Failed,
        StepState::Skipped => StepOutcome::Skipped,
        StepState::Cancelled => StepOutcome::Cancelled,
    };
    Some(StepResult { outcome, exit_code: step.exit_code, reason: step.reason, output: step.output.0 })
}
