//! What was measured of a release's new containers, stage by stage.

use slipway_runner::coordinator::{Measure, Reading};
use slipway_web::trial::{ReadingRow, Trial};

use crate::store::{Conn, StoreError, jobs::Job, readings, steps};

/// The stages of the newest attempt that measured anything, in order.
pub(super) async fn of_job(conn: &mut Conn<'_>, job: Option<&Job>) -> Result<Vec<Trial>, StoreError> {
    let Some(job) = job else { return Ok(Vec::new()) };
    let mut measured = readings::of_job(conn, &job.id).await?;
    if measured.is_empty() {
        return Ok(Vec::new());
    }
    let steps = steps::latest_attempt(steps::of_job(conn, &job.id).await?);
    let trial = |step: steps::Step| {
        let readings = measured.remove(&step.id)?.readings;
        let rows: Vec<ReadingRow> = readings.iter().filter_map(row).collect();
        Some(Trial { key: super::steps::key(&step), name: step.name, state: step.state.into(), rows })
    };
    Ok(steps.into_iter().filter_map(trial).collect())
}

/// None for what this version has no words for.
fn row(reading: &Reading) -> Option<ReadingRow> {
    let (what, unit, digits) = match reading.measure {
        Measure::Requests => ("Requests", "", 0),
        Measure::Errors => ("Answers 5xx", "%", 1),
        Measure::Latency => ("Slowest twentieth", "ms", 0),
        Measure::Cpu => ("CPU", "%", 0),
        Measure::Memory => ("Memory", "%", 0),
        Measure::Ends => ("Ends", "", 0),
        Measure::FailedChecks => ("Failed health checks", "", 0),
        Measure::Other => return None,
    };
    let text = |value: f64| format!("{value:.digits$} {unit}").trim_end().to_owned();
    Some(ReadingRow {
        app: reading.app.clone(),
        what,
        replica: reading.replica,
        value: reading.value,
        stable: reading.stable,
        limit: reading.limit,
        texts: [Some(reading.value), reading.stable, reading.limit].map(|value| value.map(text)),
    })
}
