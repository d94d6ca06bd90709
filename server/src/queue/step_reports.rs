//! What runners report of steps.

use slipway_runner::coordinator::{LeaseKey, StepDeclaration, StepKind, StepOutcome, StepResult};

use super::{
    ServerCoordinator, StepEvent, StepState, apply_to_step,
    fence::{ReportError, held},
    lifecycle::note_step,
    takeover,
};
use crate::{
    builds,
    ids::StepId,
    store::{
        self, JsonText, Tx,
        jobs::Job,
        steps::{Ending, Kind, Step},
    },
};

/// The most steps of one job.
const MOST_STEPS: usize = 2_000;
/// The longest name, reason and output of a step, in characters.
const TEXT_LIMIT: usize = 10_000;
const MOST_OUTPUTS: usize = 100;

/// Makes steps known; one whose place is taken is left as it is.
pub(super) async fn declare(
    server: &ServerCoordinator,
    lease: &LeaseKey,
    steps: &[StepDeclaration],
) -> Result<(), ReportError> {
    if steps.len() > MOST_STEPS {
        return Err(too_many());
    }
    let (mut tx, job) = held(server, lease).await?;
    for declared in steps {
        check(declared)?;
        let skipped = declared.skipped.as_deref().map(bounded);
        let taken = match declared.taken_over {
            true => Some(takeover::taken(&mut tx.conn(), &job, declared).await?),
            false => None,
        };
        let state = match (&taken, &skipped) {
            (Some(_), _) => StepState::Succeeded,
            (None, Some(_)) => StepState::Skipped,
            (None, None) => StepState::Pending,
        };
        let taken = taken.unwrap_or_default();
        let step = Step {
            log_removed_at: None,
            id: StepId::new(),
            job_id: job.id.clone(),
            attempt: job.attempt,
            position: i64::from(declared.index),
            app: declared.app.as_deref().map(bounded),
            kind: Kind(declared.kind),
            name: bounded(&declared.name),
            needs: JsonText(declared.needs.clone()),
            state,
            finished_at: state.is_final().then(|| tx.now()),
            reason: taken.reason.or(skipped),
            exit_code: taken.exit_code,
            output: JsonText(taken.output),
            started_at: None,
        };
        if store::steps::insert(&mut tx, &step).await? {
            note_step(&mut tx, &job, &step, step.reason.as_deref());
        }
    }
    tx.commit().await?;
    Ok(())
}

fn check(declared: &StepDeclaration) -> Result<(), ReportError> {
    if usize::try_from(declared.index).unwrap_or(usize::MAX) >= MOST_STEPS {
        return Err(too_many());
    }
    if declared.needs.len() > MOST_STEPS || declared.needs.iter().any(|needed| *needed >= declared.index) {
        return Err(ReportError::Refused(format!("step {} needs a step that is not before it", declared.index)));
    }
    Ok(())
}

fn too_many() -> ReportError {
    ReportError::Refused(format!("a job has at most {MOST_STEPS} steps"))
}

fn bounded(text: &str) -> String {
    text.chars().take(TEXT_LIMIT).collect()
}

/// The step at this place of the job's present attempt.
pub(super) async fn step_at(tx: &mut Tx, job: &Job, index: u32) -> Result<Step, ReportError> {
    let found = store::steps::at(&mut tx.conn(), &job.id, job.attempt, i64::from(index)).await?;
    found.ok_or_else(|| ReportError::Refused(format!("step {index} was never declared")))
}

/// Marks a step as running.
pub(super) async fn start(server: &ServerCoordinator, lease: &LeaseKey, index: u32) -> Result<(), ReportError> {
    let (mut tx, job) = held(server, lease).await?;
    let mut step = step_at(&mut tx, &job, index).await?;
    if step.state == StepState::Running {
        return Ok(());
    }
    apply_to_step(&mut tx, &job, &mut step, StepEvent::Start, Ending::default()).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends a step. Its log is complete by then: the runner sends this only after the last chunk was acknowledged.
pub(super) async fn finish(
    server: &ServerCoordinator,
    lease: &LeaseKey,
    index: u32,
    result: &StepResult,
) -> Result<(), ReportError> {
    let (event, wanted) = match result.outcome {
        StepOutcome::Succeeded => (StepEvent::Succeed, StepState::Succeeded),
        StepOutcome::Failed => (StepEvent::Fail, StepState::Failed),
        StepOutcome::Skipped => (StepEvent::Skip, StepState::Skipped),
        StepOutcome::Cancelled => (StepEvent::Cancel, StepState::Cancelled),
    };
    let size = |(name, value): (&String, &String)| name.chars().count() + value.chars().count();
    if result.output.len() > MOST_OUTPUTS || result.output.iter().map(size).sum::<usize>() > TEXT_LIMIT {
        return Err(ReportError::Refused(format!(
            "a step leaves at most {MOST_OUTPUTS} facts of {TEXT_LIMIT} characters in all"
        )));
    }
    let (mut tx, job) = held(server, lease).await?;
    let mut step = step_at(&mut tx, &job, index).await?;
    if step.state == wanted {
        return Ok(());
    }
    let reason = result.reason.as_deref().map(bounded);
    let ending = Ending { reason: reason.as_deref(), exit_code: result.exit_code, output: Some(&result.output) };
    apply_to_step(&mut tx, &job, &mut step, event, ending).await?;
    if let (StepKind::Checkout, StepState::Succeeded, Some(build)) = (step.kind.0, wanted, &job.build_id) {
        builds::found(&mut tx, build, &result.output).await?;
    }
    tx.commit().await?;
    Ok(())
}
