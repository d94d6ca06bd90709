//! A plan's steps, each as soon as what it needs has succeeded.

use futures_util::{StreamExt, stream::FuturesUnordered};
use slipway_pipelines::plan::{Plan, PlannedStep};
use tokio_util::sync::CancellationToken;

use super::{BrokenOff, graph::Graph, step::Bench};
use crate::{
    coordinator::{JobResult, KnownStep, StepOutcome, StepResult},
    reporter::{ReportError, Reporter},
    steps::StepError,
};

const CANCELLED: &str = "the build was cancelled";

/// Carries out a plan whose steps are declared. Those that are known from an earlier life of the runner are not run again
/// where they ended, and go on first where they had begun.
///
/// # Errors
/// When the lease is gone or the server refuses a report, or the engine went away; then there is nothing more to report.
pub(super) async fn carry_out(
    plan: Plan,
    bench: Bench<'_>,
    known: &[KnownStep],
    reporter: &Reporter,
) -> Result<JobResult, BrokenOff> {
    let run = Run { bench: &bench, reporter, cancel: bench.cancel };
    let failure = run.all(&plan, known).await?;
    Ok(if bench.cancel.is_cancelled() {
        JobResult::Cancelled
    } else if let Some(reason) = failure {
        JobResult::Failed { reason }
    } else {
        JobResult::Built { artifacts: bench.into_artifacts(), release_plan: plan.release }
    })
}

struct Run<'a> {
    bench: &'a Bench<'a>,
    reporter: &'a Reporter,
    cancel: &'a CancellationToken,
}

impl Run<'_> {
    /// Runs all of them, and returns the first failure in words.
    async fn all(&self, plan: &Plan, known: &[KnownStep]) -> Result<Option<String>, BrokenOff> {
        let mut graph = Graph::new(&plan.steps);
        let mut running = FuturesUnordered::new();
        let mut failure = None;
        for step in known {
            if let Some(result) = &step.result {
                self.ended(&mut graph, step.index, result, &mut failure).await?;
            } else if step.started {
                graph.prefer(step.index);
            }
        }
        let parallel = self.bench.site.limits().parallel.max(1);
        loop {
            while running.len() < parallel && !self.cancel.is_cancelled() {
                let Some(index) = graph.start_next() else { break };
                if let Some(step) = plan.steps.iter().find(|step| step.index == index) {
                    running.push(self.one(step));
                }
            }
            if self.cancel.is_cancelled() {
                for index in graph.abandon() {
                    self.reporter.skip(index, StepOutcome::Cancelled, CANCELLED).await?;
                }
            }
            let Some(ended) = running.next().await else { return Ok(failure) };
            let (index, result) = ended?;
            self.ended(&mut graph, index, &result, &mut failure).await?;
        }
    }

    /// Notes how a step ended, and what will not run for it.
    async fn ended(
        &self,
        graph: &mut Graph,
        index: u32,
        result: &StepResult,
        failure: &mut Option<String>,
    ) -> Result<(), ReportError> {
        let left = graph.end(index, result.outcome);
        if result.outcome == StepOutcome::Failed && failure.is_none() {
            let why = result.reason.as_deref().unwrap_or_default();
            *failure = Some(format!("{} failed: {why}", graph.in_words(index)));
        }
        for (index, reason) in left {
            self.reporter.skip(index, StepOutcome::Skipped, reason).await?;
        }
        Ok(())
    }

    async fn one(&self, step: &PlannedStep) -> Result<(u32, StepResult), BrokenOff> {
        let log = self.reporter.start(step.index).await?;
        let result = match Box::pin(self.bench.run(step, &log)).await {
            Ok(result) => result,
            Err(error) => match self.bench.site.judged(error).await {
                StepError::EngineLost => return Err(BrokenOff::EngineLost),
                error => {
                    log.say(error.to_string()).await;
                    error.result()
                }
            },
        };
        log.finish(result.clone()).await?;
        self.bench.site.let_go(step.index);
        Ok((step.index, result))
    }
}
