//! Steps as builds and releases show them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use slipway_runner::coordinator::Reading;

use super::time::Time;
use crate::{
    http::errors::Problem,
    queue::StepState,
    store::{
        Conn,
        jobs::Job,
        readings,
        steps::{self, Step},
    },
};

/// One try of a job.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Attempt")]
pub(super) struct AttemptView {
    attempt: i64,
    steps: Vec<StepView>,
}

/// One step.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Step")]
pub(super) struct StepView {
    index: i64,
    app: Option<String>,
    kind: &'static str,
    name: String,
    needs: Vec<u32>,
    state: StepState,
    reason: Option<String>,
    exit_code: Option<i64>,
    output: BTreeMap<String, String>,
    /// What was measured last of new containers, where the step tried any.
    readings: Vec<Reading>,
    started_at: Option<Time>,
    finished_at: Option<Time>,
    log_removed_at: Option<Time>,
}

impl StepView {
    pub(super) fn new(step: Step, readings: Vec<Reading>) -> Self {
        StepView {
            index: step.position,
            app: step.app,
            kind: step.kind.as_str(),
            name: step.name,
            needs: step.needs.0,
            state: step.state,
            reason: step.reason,
            exit_code: step.exit_code,
            output: step.output.0,
            readings,
            started_at: step.started_at.map(Time),
            finished_at: step.finished_at.map(Time),
            log_removed_at: step.log_removed_at.map(Time),
        }
    }
}

/// The attempts of a job with their steps, oldest first; none while no runner has taken it.
pub(super) async fn attempts(conn: &mut Conn<'_>, job: Option<&Job>) -> Result<Vec<AttemptView>, Problem> {
    let Some(job) = job else { return Ok(Vec::new()) };
    let mut attempts: Vec<AttemptView> = Vec::new();
    let mut measured = match job.release_id {
        Some(_) => readings::of_job(conn, &job.id).await?,
        None => BTreeMap::new(),
    };
    for step in steps::of_job(conn, &job.id).await? {
        let (attempt, readings) = (step.attempt, measured.remove(&step.id).unwrap_or_default().readings);
        let step = StepView::new(step, readings);
        match attempts.last_mut() {
            Some(last) if last.attempt == attempt => last.steps.push(step),
            _ => attempts.push(AttemptView { attempt, steps: vec![step] }),
        }
    }
    Ok(attempts)
}
