//! A coordinator that only remembers: what a job declared, logged and ended with.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use slipway_runner::{
    coordinator::{
        ClaimReply, ClaimRequest, Coordinator, CoordinatorError, Heartbeat, Hello, JobResult, KeptImages, KnownStep,
        LeaseKey, LogChunk, LogLine, LogPosition, Resumption, Steering, SteeringRequest, StepDeclaration, StepResult,
        Verdict,
    },
    reporter::Reporter,
};

use tokio::sync::watch;

use crate::fuse::Fuse;

/// One step as it was reported.
#[derive(Debug, Clone)]
pub struct RecordedStep {
    /// What was declared.
    pub declaration: StepDeclaration,
    /// Whether it was started.
    pub started: bool,
    /// Its log, in order.
    pub lines: Vec<LogLine>,
    /// How it ended; none while it has not.
    pub result: Option<StepResult>,
    position: LogPosition,
}

impl RecordedStep {
    /// The log as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }
}

/// Remembers what one job reports. It gives out no work.
#[derive(Debug)]
pub struct Recorder {
    fuse: Fuse,
    state: Mutex<State>,
    steering: watch::Sender<Steering>,
}

#[derive(Debug, Default)]
struct State {
    steps: BTreeMap<u32, RecordedStep>,
    result: Option<JobResult>,
}

impl Recorder {
    /// Remembers everything.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::with_fuse(Fuse::never())
    }

    /// Answers no more once the fuse is blown; every report is a point of it.
    #[must_use]
    pub fn with_fuse(fuse: Fuse) -> Arc<Self> {
        Arc::new(Recorder { fuse, state: Mutex::default(), steering: watch::Sender::default() })
    }

    /// Steers the job's rollout as people would.
    pub fn steer(&self, steering: Steering) {
        self.steering.send_replace(steering);
    }

    /// A reporter of a job that reports here.
    #[must_use]
    pub fn reporter(self: &Arc<Self>) -> Reporter {
        Reporter::new(self.clone(), LeaseKey { job: "job".to_owned(), epoch: 1 })
    }

    /// A reporter of a job that goes on after its runner was killed.
    #[must_use]
    pub fn resumed(self: &Arc<Self>) -> Reporter {
        let known = |step: RecordedStep| KnownStep {
            index: step.declaration.index,
            started: step.started,
            run_ms: 0,
            result: step.result,
            log: step.position,
        };
        let steps: Vec<_> = self.steps().into_iter().map(known).collect();
        self.reporter().resuming(&steps)
    }

    /// The steps by their index.
    #[must_use]
    pub fn steps(&self) -> Vec<RecordedStep> {
        self.state().steps.values().cloned().collect()
    }

    /// The step whose name contains `part`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn step(&self, part: &str) -> RecordedStep {
        let found = self.steps().into_iter().find(|step| step.declaration.name.contains(part));
        found.unwrap_or_else(|| panic!("no step named like `{part}`:\n{}", self.transcript()))
    }

    /// How the job ended, if it did.
    #[must_use]
    pub fn result(&self) -> Option<JobResult> {
        self.state().result.clone()
    }

    /// Everything, for the message of an assertion.
    #[must_use]
    pub fn transcript(&self) -> String {
        let step = |step: RecordedStep| {
            let outcome = step.result.as_ref().map(|result| (result.outcome, result.reason.clone()));
            format!("## {} {:?} {outcome:?}\n{}", step.declaration.name, step.declaration.kind, step.text())
        };
        self.steps().into_iter().map(step).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, index: u32, change: impl FnOnce(&mut RecordedStep)) -> Result<(), CoordinatorError> {
        match self.state().steps.get_mut(&index) {
            Some(step) => {
                change(step);
                Ok(())
            }
            None => Err(CoordinatorError::Refused { reason: format!("step {index} was not declared") }),
        }
    }
}

#[async_trait]
impl Coordinator for Recorder {
    async fn register(&self, _hello: Hello) -> Result<(), CoordinatorError> {
        Ok(())
    }

    /// It handed out no lease; [`Recorder::resumed`] is how a test goes on with a job.
    async fn resume(&self, lease: &LeaseKey) -> Result<Resumption, CoordinatorError> {
        Err(CoordinatorError::LeaseLost { job: lease.job.clone() })
    }

    async fn claim(&self, _request: ClaimRequest) -> Result<ClaimReply, CoordinatorError> {
        Ok(ClaimReply::Idle)
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<Vec<(LeaseKey, Verdict)>, CoordinatorError> {
        Ok(beat.holding.into_iter().map(|lease| (lease, Verdict::GoOn)).collect())
    }

    async fn declare_steps(&self, _lease: &LeaseKey, steps: Vec<StepDeclaration>) -> Result<(), CoordinatorError> {
        self.fuse.pass().await;
        let mut state = self.state();
        for declaration in steps {
            let fresh = RecordedStep {
                started: false,
                lines: Vec::new(),
                result: None,
                position: LogPosition::default(),
                declaration,
            };
            state.steps.entry(fresh.declaration.index).or_insert(fresh);
        }
        Ok(())
    }

    async fn start_step(&self, _lease: &LeaseKey, index: u32) -> Result<(), CoordinatorError> {
        self.fuse.pass().await;
        self.change(index, |step| step.started = true)
    }

    async fn append_log(&self, _lease: &LeaseKey, index: u32, chunk: LogChunk) -> Result<(), CoordinatorError> {
        self.change(index, |step| {
            assert_eq!(chunk.seq, step.position.next_seq, "a chunk is missing or doubled");
            step.position.count(&chunk);
            assert_eq!(chunk.first_line, i64::try_from(step.lines.len()).unwrap_or(-1) + 1, "a line is missing");
            step.lines.extend(chunk.lines);
        })
    }

    async fn finish_step(&self, _lease: &LeaseKey, index: u32, result: StepResult) -> Result<(), CoordinatorError> {
        self.fuse.pass().await;
        self.change(index, |step| {
            step.result.get_or_insert(result);
        })
    }

    async fn finish_job(&self, _lease: &LeaseKey, result: JobResult) -> Result<(), CoordinatorError> {
        self.state().result.get_or_insert(result);
        Ok(())
    }

    async fn steering(&self, _lease: &LeaseKey, asked: SteeringRequest) -> Result<Steering, CoordinatorError> {
        let mut heard = self.steering.subscribe();
        let news = heard.wait_for(|steering| asked.known.as_ref() != Some(steering)).await;
        Ok(news.expect("the sender is this recorder's").clone())
    }

    async fn kept_images(&self, question: KeptImages) -> Result<Vec<String>, CoordinatorError> {
        Ok(question.digests)
    }
}
