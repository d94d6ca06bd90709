//! An attempt that takes over what succeeded in the one that failed: what its runner is told of that, which runner has
//! it first, and what it may claim.

use std::collections::BTreeMap;

use slipway_runner::coordinator::{EarlierAttempt, EarlierStep, StepDeclaration, StepOutcome, StepResult, TAKEN_OVER};

use super::{StepState, fence::ReportError};
use crate::{
    runners::Presence,
    store::{
        self, Conn, StoreError, Tx,
        jobs::Job,
        runners::Runner,
        steps::{Kind, Step},
        takeovers::Takeover,
    },
};

/// How long the job waits for the runner that may still have what its last attempt left, in milliseconds.
pub(crate) const PREFERRED_MS: i64 = 60_000;

/// Lets the job's next attempt take over from its last one. Its runner has it first, if it is there at all.
pub(super) async fn ask(tx: &mut Tx, job: &Job) -> Result<(), StoreError> {
    let now = tx.now();
    let runner = match &job.lease_owner {
        Some(owner) => store::runners::find(&mut tx.conn(), owner).await?,
        None => None,
    };
    let is_there = |runner: &Runner| runner.revoked_at.is_none() && Presence::of(runner, now) == Presence::Present;
    let runner_id = runner.filter(is_there).map(|runner| runner.id);
    let takeover = Takeover { attempt: job.attempt, runner_id, preferred_until: now + PREFERRED_MS };
    store::takeovers::note(tx, &job.id, &takeover).await
}

/// What a runner is told of the attempt that the job takes over from.
pub(super) async fn earlier(conn: &mut Conn<'_>, job: &Job) -> Result<Option<EarlierAttempt>, StoreError> {
    let Some(takeover) = store::takeovers::of_job(conn, &job.id).await? else { return Ok(None) };
    let steps = store::steps::of_attempt(conn, &job.id, takeover.attempt).await?;
    let succeeded = steps.into_iter().filter(|step| step.state == StepState::Succeeded);
    let told = succeeded.map(|step| EarlierStep {
        index: u32::try_from(step.position).unwrap_or(u32::MAX),
        result: StepResult {
            outcome: StepOutcome::Succeeded,
            exit_code: step.exit_code,
            reason: None,
            output: step.output.0,
        },
    });
    let attempt = u32::try_from(takeover.attempt).unwrap_or(u32::MAX);
    Ok(Some(EarlierAttempt { attempt, steps: told.collect() }))
}

/// What is kept of a step that is taken over.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) reason: Option<String>,
    pub(super) exit_code: Option<i64>,
    pub(super) output: BTreeMap<String, String>,
}

/// What the same step left in the attempt that the job takes over from. No runner's word is taken for it.
///
/// # Errors
/// [`ReportError::Refused`] when it did not succeed there, or is another step.
pub(super) async fn taken(conn: &mut Conn<'_>, job: &Job, declared: &StepDeclaration) -> Result<Taken, ReportError> {
    let refused = || ReportError::Refused(format!("there is no success of step {} to take over", declared.index));
    let takeover = store::takeovers::of_job(conn, &job.id).await?.ok_or_else(refused)?;
    let earlier = store::steps::at(conn, &job.id, takeover.attempt, i64::from(declared.index)).await?;
    let is_same = |step: &Step| {
        step.state == StepState::Succeeded
            && step.kind == Kind(declared.kind)
            && step.app == declared.app
            // A very long name is cut where it is kept.
            && declared.name.starts_with(&step.name)
    };
    let earlier = earlier.filter(is_same).ok_or_else(refused)?;
    let mut output = earlier.output.0;
    // What it took over itself is further back.
    let attempt = output.entry(TAKEN_OVER.to_owned()).or_insert_with(|| takeover.attempt.to_string());
    let reason = Some(format!("not run again: it succeeded in attempt {attempt}"));
    Ok(Taken { reason, exit_code: earlier.exit_code, output })
}

/// The step that ran, where this one was taken over: it has the log.
///
/// # Errors
/// When the database fails.
pub(crate) async fn ran(conn: &mut Conn<'_>, step: Step) -> Result<Step, StoreError> {
    let Some(attempt) = step.output.0.get(TAKEN_OVER).and_then(|attempt| attempt.parse().ok()) else {
        return Ok(step);
    };
    Ok(store::steps::at(conn, &step.job_id, attempt, step.position).await?.unwrap_or(step))
}

/// Which runner the job waits for, while it does.
pub(super) async fn waits(
    conn: &mut Conn<'_>,
    job: &Job,
    runners: &[Runner],
    now: i64,
) -> Result<Option<String>, StoreError> {
    let Some(takeover) = store::takeovers::of_job(conn, &job.id).await? else { return Ok(None) };
    let Some(runner) = runners.iter().find(|runner| Some(&runner.id) == takeover.runner_id.as_ref()) else {
        return Ok(None);
    };
    // One that would wait for longer was asked for before the clock was set back.
    let left_ms = takeover.preferred_until - now;
    Ok((1..=PREFERRED_MS).contains(&left_ms).then(|| {
        let (name, attempt) = (&runner.name, takeover.attempt);
        format!(
            "waiting for the runner {name}, which may still have what attempt {attempt} left; after a minute any other \
             takes it, and runs everything again"
        )
    }))
}
