//! A server in memory, as a runner sees it: it hands out jobs, remembers every report, and enforces leases.
//!
//! Every argument and every answer goes through JSON, so that whatever works here also works over HTTP.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use slipway_runner::coordinator::{
    ClaimReply, ClaimRequest, CollectionOrder, CollectionReport, Coordinator, CoordinatorError, Heartbeat, Hello,
    JobResult, KeptImages, KnownStep, Lease, LeaseKey, LogChunk, LogLine, LogPosition, LogStream, RegistryCredential,
    Resumption, SecretValue, StepDeclaration, StepOutcome, StepResult, Stored, Verdict, Work,
};
use tokio::{sync::Notify, time::Instant};

use crate::wait::until;

/// The model. Give it to a runner as its coordinator.
#[derive(Debug, Default)]
pub struct ServerModel {
    state: Mutex<State>,
    /// Something happened.
    bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Lease>,
    jobs: HashMap<String, Job>,
    hellos: Vec<Hello>,
    /// The digests that releases hold.
    kept_images: Vec<String>,
    /// What is to be collected, and what came of it.
    orders: VecDeque<CollectionOrder>,
    collected: Vec<CollectionReport>,
    /// How long it says that steps have been run which it is asked for.
    run_ms: u64,
    /// The registries whose login is for no job.
    withheld: Vec<String>,
    down: bool,
    /// How many reports met the server down.
    turned_away: usize,
}

#[derive(Debug)]
struct Job {
    lease: Lease,
    epoch: i64,
    cancelled: bool,
    record: JobRecord,
}

/// What was reported of a job.
#[derive(Debug, Clone, Default)]
pub struct JobRecord {
    /// The steps by their index.
    pub steps: BTreeMap<u32, StepRecord>,
    /// How it ended; none while it has not.
    pub result: Option<JobResult>,
}

/// What was reported of a step.
#[derive(Debug, Clone)]
pub struct StepRecord {
    /// What was declared.
    pub declaration: StepDeclaration,
    /// Whether it was started.
    pub started: bool,
    /// Its log.
    pub lines: Vec<LogLine>,
    /// How it ended; none while it has not.
    pub result: Option<StepResult>,
    position: LogPosition,
}

impl StepRecord {
    /// The log as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    /// The lines of one stream, in order.
    #[must_use]
    pub fn said_on(&self, stream: LogStream) -> Vec<&str> {
        self.lines.iter().filter(|line| line.stream == stream).map(|line| line.text.as_str()).collect()
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Option<StepOutcome> {
        self.result.as_ref().map(|result| result.outcome)
    }
}

impl ServerModel {
    /// An empty server.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// From now on it says of every step that has not ended that it has been run for this long.
    pub fn has_run(&self, time: Duration) {
        self.state().run_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    }

    /// Queues a job.
    pub fn queue(&self, job: &str, lease_ms: u64, work: Work, registries: Vec<RegistryCredential>) {
        self.queue_with(job, lease_ms, work, registries, Vec::new());
    }

    /// Queues a job that may use secrets.
    pub fn queue_with(
        &self,
        job: &str,
        lease_ms: u64,
        work: Work,
        registries: Vec<RegistryCredential>,
        secrets: Vec<SecretValue>,
    ) {
        let withheld_registries = self.state().withheld.clone();
        let key = LeaseKey { job: job.to_owned(), epoch: 1 };
        let lease = Lease {
            key,
            attempt: 1,
            lease_ms,
            work,
            registries,
            withheld_registries,
            secrets,
            withheld_secrets: Vec::new(),
        };
        let mut state = self.state();
        state.jobs.insert(
            job.to_owned(),
            Job { lease: lease.clone(), epoch: 1, cancelled: false, record: JobRecord::default() },
        );
        state.queue.push_back(lease);
        drop(state);
        self.bell.notify_waiters();
    }

    /// Says from now on that there is a login for a registry which is not for the job.
    pub fn withhold(&self, host: &str) {
        self.state().withheld.push(host.to_owned());
    }

    /// Says that releases hold an image.
    pub fn keep_image(&self, digest: &str) {
        self.state().kept_images.push(digest.to_owned());
    }

    /// Asks the runner what it keeps, and unless it is a `dry_run` to collect; answers with what it reports.
    ///
    /// # Panics
    /// When it does not within the limit.
    pub async fn collect(&self, dry_run: bool, limit: Duration) -> Vec<Stored> {
        let order = {
            let mut state = self.state();
            let id = format!("order {}", state.collected.len());
            state.orders.push_back(CollectionOrder { id: id.clone(), dry_run });
            id
        };
        self.bell.notify_waiters();
        until(&order, limit, async || {
            let state = self.state();
            let report = state.collected.iter().find(|report| report.order == order)?;
            Some(report.stored.clone())
        })
        .await
    }

    /// Asks for a job to be cancelled.
    pub fn cancel(&self, job: &str) {
        if let Some(job) = self.state().jobs.get_mut(job) {
            job.cancelled = true;
        }
        self.bell.notify_waiters();
    }

    /// Gives a job to another attempt, so that its lease is lost.
    pub fn take_over(&self, job: &str) {
        if let Some(job) = self.state().jobs.get_mut(job) {
            job.epoch += 1;
        }
    }

    /// Stops or goes on answering.
    pub fn set_down(&self, down: bool) {
        self.state().down = down;
        self.bell.notify_waiters();
    }

    /// Waits until this many reports met the server down.
    ///
    /// # Panics
    /// When they do not come within the limit.
    pub async fn turned_away(&self, reports: usize, limit: Duration) {
        let enough = async || (self.state().turned_away >= reports).then_some(());
        until(&format!("{reports} reports to be turned away"), limit, enough).await;
    }

    /// What was reported of a job so far.
    #[must_use]
    pub fn record(&self, job: &str) -> JobRecord {
        self.state().jobs.get(job).map(|job| job.record.clone()).unwrap_or_default()
    }

    /// The announcements of runners so far.
    #[must_use]
    pub fn hellos(&self) -> Vec<Hello> {
        self.state().hellos.clone()
    }

    /// Waits until what was reported of a job satisfies `condition`, and returns it.
    ///
    /// # Panics
    /// When it does not within the limit.
    pub async fn wait_for(&self, job: &str, limit: Duration, condition: impl Fn(&JobRecord) -> bool) -> JobRecord {
        let deadline = Instant::now() + limit;
        loop {
            let bell = self.bell.notified();
            tokio::pin!(bell);
            bell.as_mut().enable();
            let record = self.record(job);
            if condition(&record) {
                return record;
            }
            let rung = tokio::time::timeout_at(deadline, bell).await;
            assert!(rung.is_ok(), "not within {limit:?}; so far: {record:#?}");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks a report's lease, and lets it change the job.
    fn report<T>(
        &self,
        lease: &LeaseKey,
        change: impl FnOnce(&mut Job) -> Result<T, CoordinatorError>,
    ) -> Result<T, CoordinatorError> {
        let lease: LeaseKey = over_the_wire(lease);
        let mut state = self.state();
        if state.down {
            state.turned_away += 1;
            return Err(over_the_wire(&unavailable()));
        }
        let lost = CoordinatorError::LeaseLost { job: lease.job.clone() };
        let job = state.jobs.get_mut(&lease.job).filter(|job| job.epoch == lease.epoch).ok_or(lost)?;
        let changed = change(job).map_err(|error| over_the_wire(&error));
        drop(state);
        self.bell.notify_waiters();
        changed
    }

    fn step<T>(
        &self,
        lease: &LeaseKey,
        index: u32,
        change: impl FnOnce(&mut StepRecord) -> Result<T, CoordinatorError>,
    ) -> Result<T, CoordinatorError> {
        self.report(lease, |job| match job.record.steps.get_mut(&index) {
            Some(step) => change(step),
            None => Err(refused(format!("step {index} was never declared"))),
        })
    }

    fn try_claim(&self, request: &ClaimRequest) -> Option<Result<ClaimReply, CoordinatorError>> {
        let mut state = self.state();
        if state.down {
            return Some(Err(unavailable()));
        }
        let cancelled = |key: &&LeaseKey| state.jobs.get(&key.job).is_some_and(|job| job.cancelled);
        let leases: Vec<_> = request.holding.iter().filter(cancelled).cloned().collect();
        if !leases.is_empty() {
            return Some(Ok(ClaimReply::Cancel { leases }));
        }
        if let Some(order) = state.orders.pop_front() {
            return Some(Ok(ClaimReply::Collect { order }));
        }
        if request.free == 0 {
            return None;
        }
        state.queue.pop_front().map(|lease| Ok(ClaimReply::Work { lease: Box::new(lease) }))
    }
}

#[async_trait]
impl Coordinator for ServerModel {
    async fn register(&self, hello: Hello) -> Result<(), CoordinatorError> {
        let mut state = self.state();
        if state.down {
            return Err(unavailable());
        }
        state.hellos.push(over_the_wire(&hello));
        Ok(())
    }

    async fn resume(&self, lease: &LeaseKey) -> Result<Resumption, CoordinatorError> {
        let run_ms = self.state().run_ms;
        self.report(lease, |job| {
            let known = |(&index, step): (&u32, &StepRecord)| {
                let skipped = step.declaration.skipped.as_ref();
                let skipped =
                    skipped.map(|why| StepResult { reason: Some(why.clone()), ..StepResult::of(StepOutcome::Skipped) });
                let result = step.result.clone().or(skipped);
                let log = if result.is_none() { step.position.clone() } else { LogPosition::default() };
                KnownStep { index, started: step.started, run_ms, result, log }
            };
            let steps = job.record.steps.iter().map(known).collect();
            Ok(over_the_wire(&Resumption { lease: job.lease.clone(), cancelled: job.cancelled, steps }))
        })
    }

    async fn claim(&self, request: ClaimRequest) -> Result<ClaimReply, CoordinatorError> {
        let request: ClaimRequest = over_the_wire(&request);
        let deadline = Instant::now() + Duration::from_millis(request.wait_ms);
        loop {
            let bell = self.bell.notified();
            tokio::pin!(bell);
            bell.as_mut().enable();
            if let Some(reply) = self.try_claim(&request) {
                return reply.map(|reply| over_the_wire(&reply)).map_err(|error| over_the_wire(&error));
            }
            if tokio::time::timeout_at(deadline, bell).await.is_err() {
                return Ok(ClaimReply::Idle);
            }
        }
    }

    async fn collected(&self, report: CollectionReport) -> Result<(), CoordinatorError> {
        let mut state = self.state();
        if state.down {
            return Err(unavailable());
        }
        state.collected.push(over_the_wire(&report));
        Ok(())
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<Vec<(LeaseKey, Verdict)>, CoordinatorError> {
        let beat: Heartbeat = over_the_wire(&beat);
        let state = self.state();
        if state.down {
            return Err(unavailable());
        }
        let verdict = |key: LeaseKey| {
            let verdict = match state.jobs.get(&key.job) {
                Some(job) if job.epoch == key.epoch && job.cancelled => Verdict::Cancel,
                Some(job) if job.epoch == key.epoch => Verdict::GoOn,
                _ => Verdict::Lost,
            };
            (key, verdict)
        };
        let verdicts: Vec<_> = beat.holding.into_iter().map(verdict).collect();
        Ok(over_the_wire(&verdicts))
    }

    async fn declare_steps(&self, lease: &LeaseKey, steps: Vec<StepDeclaration>) -> Result<(), CoordinatorError> {
        let steps: Vec<StepDeclaration> = over_the_wire(&steps);
        self.report(lease, |job| {
            for declaration in steps {
                job.record.steps.entry(declaration.index).or_insert_with(|| StepRecord {
                    declaration,
                    started: false,
                    lines: Vec::new(),
                    result: None,
                    position: LogPosition::default(),
                });
            }
            Ok(())
        })
    }

    async fn start_step(&self, lease: &LeaseKey, index: u32) -> Result<(), CoordinatorError> {
        self.step(lease, index, |step| {
            step.started = true;
            Ok(())
        })
    }

    async fn append_log(&self, lease: &LeaseKey, index: u32, chunk: LogChunk) -> Result<(), CoordinatorError> {
        let chunk: LogChunk = over_the_wire(&chunk);
        self.step(lease, index, |step| {
            if step.result.is_some() {
                return Err(refused(format!("step {index} has ended")));
            }
            if chunk.seq < step.position.next_seq {
                return Ok(());
            }
            let next_line = i64::try_from(step.lines.len()).unwrap_or(i64::MAX) + 1;
            if chunk.seq != step.position.next_seq || chunk.first_line != next_line || chunk.lines.is_empty() {
                return Err(refused(format!("chunk {} of step {index} leaves a gap", chunk.seq)));
            }
            step.position.count(&chunk);
            step.lines.extend(chunk.lines);
            Ok(())
        })
    }

    async fn finish_step(&self, lease: &LeaseKey, index: u32, result: StepResult) -> Result<(), CoordinatorError> {
        let result: StepResult = over_the_wire(&result);
        self.step(lease, index, |step| {
            let skipped = matches!(result.outcome, StepOutcome::Skipped | StepOutcome::Cancelled);
            if !step.started && !skipped {
                return Err(refused(format!("step {index} ended without having begun")));
            }
            match &step.result {
                Some(before) if *before != result => Err(refused(format!("step {index} ended twice"))),
                _ => {
                    step.result = Some(result);
                    Ok(())
                }
            }
        })
    }

    async fn finish_job(&self, lease: &LeaseKey, result: JobResult) -> Result<(), CoordinatorError> {
        let result: JobResult = over_the_wire(&result);
        self.report(lease, |job| {
            job.record.result = Some(result);
            Ok(())
        })
    }

    async fn kept_images(&self, question: KeptImages) -> Result<Vec<String>, CoordinatorError> {
        let question: KeptImages = over_the_wire(&question);
        let state = self.state();
        if state.down {
            return Err(unavailable());
        }
        Ok(question.digests.into_iter().filter(|digest| state.kept_images.contains(digest)).collect())
    }
}

fn unavailable() -> CoordinatorError {
    CoordinatorError::Unavailable { reason: "the model was told to be down".to_owned() }
}

fn refused(reason: String) -> CoordinatorError {
    CoordinatorError::Refused { reason }
}

/// What is left of a value after it was sent as JSON.
fn over_the_wire<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).expect("every type of the contract can be written as JSON");
    serde_json::from_str(&text).expect("what was written can be read")
}
