//! What was measured last of new containers while a step of a rollout tried them.

use std::collections::BTreeMap;

use slipway_runner::coordinator::Readings;

use super::{Conn, JsonText, StoreError, Tx, execute, rows};
use crate::ids::{JobId, StepId};

/// Notes what was measured last in a step, in place of what was noted before.
pub(crate) async fn note(tx: &mut Tx, step: &StepId, readings: &Readings) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO reading (step_id, readings) VALUES ($1, $2)
         ON CONFLICT (step_id) DO UPDATE SET readings = excluded.readings",
        step,
        JsonText(readings)
    )?;
    Ok(())
}

/// What was measured in the steps of a job, of those that measured anything.
pub(crate) async fn of_job(conn: &mut Conn<'_>, job: &JobId) -> Result<BTreeMap<StepId, Readings>, StoreError> {
    let found: Vec<(StepId, JsonText<Readings>)> = rows!(
        conn,
        "SELECT r.step_id, r.readings FROM reading r JOIN step s ON s.id = r.step_id WHERE s.job_id = $1",
        job
    )?;
    Ok(found.into_iter().map(|(step, JsonText(readings))| (step, readings)).collect())
}
