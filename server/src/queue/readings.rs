//! What runners tell of new containers while a step of a rollout tries them.

use slipway_runner::coordinator::{LeaseKey, MOST_READINGS, Readings};

use super::{
    ServerCoordinator, StepState,
    fence::{ReportError, held},
    step_reports::step_at,
};
use crate::{events::NewEvent, store};

/// The longest name of an app, in characters.
const NAME_LIMIT: usize = 200;

/// Keeps what was measured last in a step that was started, and tells those who watch.
pub(super) async fn note(
    server: &ServerCoordinator,
    lease: &LeaseKey,
    index: u32,
    readings: &Readings,
) -> Result<(), ReportError> {
    if readings.readings.len() > MOST_READINGS {
        return Err(ReportError::Refused(format!("a step tells of at most {MOST_READINGS} measurements")));
    }
    if readings.readings.iter().any(|reading| reading.app.chars().count() > NAME_LIMIT) {
        return Err(ReportError::Refused(format!("the name of an app has at most {NAME_LIMIT} characters")));
    }
    let (mut tx, job) = held(server, lease).await?;
    let step = step_at(&mut tx, &job, index).await?;
    if step.state == StepState::Pending {
        return Err(ReportError::Refused(format!("step {index} has not begun")));
    }
    store::readings::note(&mut tx, &step.id, readings).await?;
    let mut measured =
        NewEvent::new("step.measured").step(&step.id).with("attempt", step.attempt).with("position", step.position);
    measured.release = job.release_id;
    tx.emit(measured);
    tx.commit().await?;
    Ok(())
}
