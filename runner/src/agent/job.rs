//! One leased job, from its claim to its report.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Agent, time_limit::within};
use crate::{
    builds::{self, BrokenOff},
    coordinator::{JobResult, KnownStep, Lease, LeaseKey, Work},
    engine::{Engine, EngineError},
    job::JobContext,
    journal::{Entry, Page},
    lease::HeldLease,
    logs::Masks,
    reporter::{ReportError, Reporter},
    rollouts,
};

/// How long the server may take to hear that a job is handed back.
const HAND_BACK_LIMIT: Duration = Duration::from_secs(2);
/// How often the engine may go away under one job. After that it fails by it.
const ENGINE_LOSSES: u32 = 5;
/// How often an engine that is down is tried again.
const ENGINE_RETRY: Duration = Duration::from_millis(250);

/// A job to do, or to go on with.
#[derive(Debug)]
pub(super) struct Assignment {
    /// The lease.
    pub(super) lease: Lease,
    /// What the journal says of it.
    pub(super) entry: Entry,
    /// How far an earlier life came.
    pub(super) steps: Vec<KnownStep>,
}

impl Agent {
    /// Begins or goes on with a job in a task of its own.
    pub(super) fn set_to_work(self: &Arc<Self>, job: Assignment, held: HeldLease) {
        let agent = self.clone();
        self.jobs.spawn(async move { agent.work(job, held).await });
    }

    /// Does the work, reports how it ended unless the lease was lost, and gives the lease back.
    async fn work(self: &Arc<Self>, job: Assignment, held: HeldLease) {
        // Until the server has heard how it ended, and knows what is live.
        let _turn = match &job.lease.work {
            Work::Rollout(work) => Some(self.reconciler.make_way(&work.environment).await),
            Work::Build(_) => None,
        };
        let reporter = Reporter::new(self.coordinator.clone(), held.clone())
            .with_log_limits(self.config.limits.logs)
            .with_masks(Masks::of(&job.lease.secrets))
            .resuming(&job.steps);
        let fence = tokio::spawn({
            let held = held.clone();
            async move { held.fence().await }
        });
        // In a task of its own, so that a panic ends this job and not the runner.
        let mut doing = tokio::spawn({
            let (agent, reporter) = (self.clone(), reporter.clone());
            async move { Box::pin(agent.perform(job, reporter)).await }
        });
        let Some(result) = self.left.run_until_cancelled(&mut doing).await else {
            // Cut off as a kill would do it, for the next life to go on.
            doing.abort();
            drop(doing.await);
            held.lose();
            return;
        };
        let result = match result {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(job = %held.key().job, %error, "a job failed by an error of the runner's own");
                Ok(JobResult::Failed {
                    reason: "the runner failed by an error of its own; its log says more".to_owned(),
                })
            }
        };
        let result = result.or_else(|error| match error {
            ReportError::LeaseLost => Err(error),
            ReportError::Refused { reason } => {
                Ok(JobResult::Failed { reason: format!("the server refused a report of the runner: {reason}") })
            }
        });
        let reporting = async {
            match result {
                Ok(result) => reporter.finish_job(result).await,
                Err(error) => Err(error),
            }
        };
        let Some(reported) = self.left.run_until_cancelled(reporting).await else { return held.lose() };
        match reported {
            Err(ReportError::LeaseLost) if self.leases.are_handed_back() => self.hand_back(held.key()).await,
            Err(error) => tracing::warn!(job = %held.key().job, %error, "the job's end was not reported"),
            Ok(()) => {}
        }
        fence.abort();
        self.no_longer_resumed(held.key());
        self.journal.forget(held.key());
        self.leases.give_back(held.key());
    }

    /// Tells the server once that the job is free for another runner. A lease that was lost before is fenced there.
    async fn hand_back(&self, key: &LeaseKey) {
        let told = self.coordinator.finish_job(key, JobResult::Cancelled);
        if !matches!(tokio::time::timeout(HAND_BACK_LIMIT, told).await, Ok(Ok(()))) {
            tracing::info!(job = %key.job, "the job could not be handed back; this runner's next start frees it");
        }
    }

    /// Does the work. When the engine goes away under a job, the job goes on as in the runner's next life: under the
    /// same lease and in the same attempt, from what is left when the engine is back.
    async fn perform(self: &Arc<Self>, mut job: Assignment, mut reporter: Reporter) -> Result<JobResult, ReportError> {
        self.journal.keep(&job.entry).await;
        let mut losses = 0;
        loop {
            match self.perform_once(&mut job, reporter.clone(), losses < ENGINE_LOSSES).await {
                Ok(result) => return Ok(result),
                Err(BrokenOff::Report(error)) => return Err(error),
                Err(BrokenOff::EngineLost) => losses += 1,
            }
            let lease = reporter.lease().clone();
            tracing::warn!(job = %lease.key().job, "the engine went away under a job, which goes on when it is back");
            // What the server says of its logs must not change any more.
            reporter.settled().await;
            let asked = lease.lost().run_until_cancelled(self.ask_for(lease.key())).await;
            let Some(Ok(resumption)) = asked else {
                self.leave_nothing_of(job.entry);
                return Err(ReportError::LeaseLost);
            };
            reporter = reporter.resuming(&resumption.steps);
            job = Assignment { lease: resumption.lease, steps: resumption.steps, entry: job.entry };
        }
    }

    /// Does the work until it is done, or the engine goes away under a job that can go on with what it left.
    async fn perform_once(
        self: &Arc<Self>,
        job: &mut Assignment,
        reporter: Reporter,
        can_go_on: bool,
    ) -> Result<JobResult, BrokenOff> {
        let lease = job.lease.clone();
        let cancel = reporter.lease().stop().clone();
        let engine = tokio::select! {
            engine = self.engine(reporter.lease()) => engine.map_err(|error| JobResult::Failed { reason: error.to_string() }),
            () = cancel.cancelled() => Err(JobResult::Cancelled),
        };
        let engine = match engine {
            Ok(engine) => engine,
            Err(result) => {
                self.leave_nothing_of(job.entry.clone());
                return Ok(result);
            }
        };
        let context = JobContext {
            engine,
            reporter,
            registries: lease.registries,
            withheld_registries: lease.withheld_registries,
            secrets: lease.secrets,
            withheld_secrets: lease.withheld_secrets,
            proxy: self.proxy.clone(),
            runner_id: self.config.id.clone(),
            incarnation: job.entry.life.clone(),
            attempt: lease.attempt,
            steps: std::mem::take(&mut job.steps),
            cancel,
        };
        match lease.work {
            Work::Build(work) => {
                let _in_use = self.repositories.begin(&work.repository, "");
                let mut page = Page::new(self.journal.clone(), job.entry.clone());
                let mut workshop = self.workshop.clone();
                if can_go_on {
                    workshop.leftovers = workshop.leftovers.of_job();
                }
                let build = builds::execute(&work, &context, &workshop, &mut page);
                let ended = Box::pin(within(work.time_limit, &context.cancel, build)).await;
                job.entry = page.into_entry();
                ended
            }
            Work::Rollout(work) => {
                let _in_use = self.note_images(&work, &context.engine).await;
                match can_go_on {
                    true => rollouts::execute_with_engine(&work, &context).await,
                    false => Ok(rollouts::execute(&work, &context).await),
                }
            }
        }
    }

    /// Removes, when the engine is back, what is left of a build that does not go on.
    fn leave_nothing_of(self: &Arc<Self>, entry: Entry) {
        let agent = self.clone();
        self.workshop.leftovers.spawn(async move { agent.clear_away(&entry).await });
    }

    /// Connects to the engine, and waits for one that is away: it may be restarting, or its machine may just have started.
    /// The server is told of it as long as that lasts.
    async fn engine(&self, lease: &HeldLease) -> Result<Engine, EngineError> {
        let give_up = Instant::now() + self.config.limits.engine_return;
        let mut is_said = false;
        let connected = loop {
            match Engine::connect(self.config.docker_host.as_deref()).await {
                Err(error) if Instant::now() < give_up => {
                    if !std::mem::replace(&mut is_said, true) {
                        tracing::warn!(job = %lease.key().job, %error, "a job waits for the Docker engine");
                        lease.hinder(Some(format!("waiting for its runner's Docker engine, which is away: {error}")));
                        self.leases.hindered.notify_one();
                    }
                    tokio::time::sleep(ENGINE_RETRY).await;
                }
                connected => break connected,
            }
        };
        if is_said {
            lease.hinder(None);
            self.leases.hindered.notify_one();
        }
        connected
    }
}
