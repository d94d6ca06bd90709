//! What a job says to the server while it runs: its steps, their logs, their ends.
//!
//! A report is repeated until the server has acknowledged it or the lease is gone, so that a server that restarts loses
//! nothing. A step's end is sent only after every chunk of its log is acknowledged (the flush barrier).

mod delivery;
mod run_time;
mod step_log;

use std::{collections::HashMap, sync::Arc};

pub use delivery::ReportError;
use delivery::deliver;
pub(crate) use run_time::RunTime;
pub use step_log::StepLog;
use tokio_util::task::TaskTracker;

use crate::{
    coordinator::{
        Coordinator, CoordinatorError, JobResult, KnownStep, Lending, LogPosition, Readings, Signature,
        SignatureRequest, Steering, SteeringRequest, StepDeclaration, StepOutcome, StepResult,
    },
    lease::HeldLease,
    logs::{LogLimits, Masks},
};

/// A step that an earlier life of the runner began.
#[derive(Debug, Clone)]
struct Begun {
    log: LogPosition,
    time: RunTime,
}

/// The voice of one leased job. Cheap to clone.
#[derive(Clone)]
pub struct Reporter {
    coordinator: Arc<dyn Coordinator>,
    lease: HeldLease,
    limits: LogLimits,
    masks: Masks,
    /// Where the logs of the steps go on that an earlier life began.
    begun: Arc<HashMap<u32, Begun>>,
    /// What sends the logs.
    senders: TaskTracker,
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporter").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl Reporter {
    /// Reports under a lease: the agent's [`HeldLease`], or a bare key for a lease that does not end by itself.
    pub fn new(coordinator: Arc<dyn Coordinator>, lease: impl Into<HeldLease>) -> Self {
        Reporter {
            coordinator,
            lease: lease.into(),
            limits: LogLimits::default(),
            masks: Masks::default(),
            begun: Arc::default(),
            senders: TaskTracker::new(),
        }
    }

    /// The same for a job that an earlier life of the runner began: the logs of steps go on where they are stored.
    #[must_use]
    pub fn resuming(mut self, steps: &[KnownStep]) -> Self {
        let begun = steps.iter().filter(|step| step.started && step.result.is_none());
        let begun = begun.map(|step| (step.index, Begun { log: step.log.clone(), time: RunTime::after(step.run_ms) }));
        self.begun = Arc::new(begun.collect());
        self.senders = TaskTracker::new();
        self
    }

    /// Waits until nothing more is sent of logs that were dropped. None may be opened any more.
    pub(crate) async fn settled(&self) {
        self.senders.close();
        self.senders.wait().await;
    }

    /// The same with other limits for the logs.
    #[must_use]
    pub fn with_log_limits(mut self, limits: LogLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with secrets that are masked in all that it says.
    #[must_use]
    pub fn with_masks(mut self, masks: Masks) -> Self {
        self.masks = masks;
        self
    }

    /// A step's end without secrets.
    fn masked(&self, mut result: StepResult) -> StepResult {
        let masked = |text: String| self.masks.text(&text).into_owned();
        result.reason = result.reason.map(masked);
        result.output = result.output.into_iter().map(|(fact, value)| (fact, masked(value))).collect();
        result
    }

    /// The lease that everything is reported under.
    #[must_use]
    pub fn lease(&self) -> &HeldLease {
        &self.lease
    }

    /// Makes steps known.
    ///
    /// # Errors
    /// When the lease is gone or the server refuses the steps.
    pub async fn declare(&self, steps: Vec<StepDeclaration>) -> Result<(), ReportError> {
        deliver(&self.lease, || self.coordinator.declare_steps(self.lease.key(), steps.clone())).await
    }

    /// Marks a declared step as running and opens its log.
    ///
    /// # Errors
    /// When the lease is gone or the server refuses it.
    pub async fn start(&self, index: u32) -> Result<StepLog, ReportError> {
        deliver(&self.lease, || self.coordinator.start_step(self.lease.key(), index)).await?;
        Ok(StepLog::open(self.clone(), index, self.begun.get(&index).cloned()))
    }

    /// Ends a declared step that was never started.
    ///
    /// # Errors
    /// When the lease is gone or the server refuses it.
    pub async fn skip(&self, index: u32, outcome: StepOutcome, reason: impl Into<String>) -> Result<(), ReportError> {
        let result = self.masked(StepResult { reason: Some(reason.into()), ..StepResult::of(outcome) });
        deliver(&self.lease, || self.coordinator.finish_step(self.lease.key(), index, result.clone())).await
    }

    /// Has an image signed that a step has pushed.
    ///
    /// # Errors
    /// When the lease is gone or the server refuses it.
    pub(crate) async fn sign(&self, index: u32, asked: &SignatureRequest) -> Result<Signature, ReportError> {
        deliver(&self.lease, || self.coordinator.sign(self.lease.key(), index, asked.clone())).await
    }

    /// Asks for the login that the job's repository is fetched with.
    ///
    /// # Errors
    /// When the lease is gone or the server refuses it.
    pub(crate) async fn clone_login(&self) -> Result<Lending, ReportError> {
        deliver(&self.lease, || self.coordinator.clone_login(self.lease.key())).await
    }

    /// Tells once what was measured last in a step.
    ///
    /// # Errors
    /// As the server answers, also that it cannot answer now.
    pub(crate) async fn readings(&self, index: u32, readings: Readings) -> Result<(), CoordinatorError> {
        self.coordinator.report_readings(self.lease.key(), index, readings).await
    }

    /// Asks once how people steer the rollout.
    ///
    /// # Errors
    /// As the server answers, also that it cannot answer now.
    pub(crate) async fn steering(&self, asked: SteeringRequest) -> Result<Steering, CoordinatorError> {
        self.coordinator.steering(self.lease.key(), asked).await
    }

    /// Ends the job.
    ///
    /// # Errors
    /// When the lease is gone or the server refuses it.
    pub async fn finish_job(&self, result: JobResult) -> Result<(), ReportError> {
        let result = match result {
            JobResult::Failed { reason } => JobResult::Failed { reason: self.masks.text(&reason).into_owned() },
            other => other,
        };
        deliver(&self.lease, || self.coordinator.finish_job(self.lease.key(), result.clone())).await
    }
}

impl StepResult {
    /// A result with nothing but its outcome.
    #[must_use]
    pub fn of(outcome: StepOutcome) -> Self {
        StepResult { outcome, exit_code: None, reason: None, output: std::collections::BTreeMap::new() }
    }

    /// A failure and its reason: a sentence with a remedy.
    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        StepResult { reason: Some(reason.into()), ..StepResult::of(StepOutcome::Failed) }
    }

    /// A success.
    #[must_use]
    pub fn succeeded() -> Self {
        StepResult::of(StepOutcome::Succeeded)
    }

    /// The same with one more fact.
    #[must_use]
    pub fn with(mut self, fact: &str, value: impl Into<String>) -> Self {
        self.output.insert(fact.to_owned(), value.into());
        self
    }
}
