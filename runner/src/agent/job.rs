//! One leased job, from its claim to its report.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Agent, time_limit::within};
use crate::{
    builds,
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

    async fn perform(&self, job: Assignment, reporter: Reporter) -> Result<JobResult, ReportError> {
        let Assignment { lease, entry, steps } = job;
        self.journal.keep(&entry).await;
        let cancel = reporter.lease().stop().clone();
        let engine = tokio::select! {
            engine = self.engine() => engine,
            () = cancel.cancelled() => return Ok(JobResult::Cancelled),
        };
        let engine = match engine {
            Ok(engine) => engine,
            Err(error) => return Ok(JobResult::Failed { reason: error.to_string() }),
        };
        let context = JobContext {
            engine,
            reporter,
            registries: lease.registries,
            secrets: lease.secrets,
            proxy: self.proxy.clone(),
            runner_id: self.config.id.clone(),
            incarnation: entry.life.clone(),
            attempt: lease.attempt,
            steps,
            cancel,
        };
        match lease.work {
            Work::Build(work) => {
                let _in_use = self.repositories.begin(&work.repository, "");
                let mut page = Page::new(self.journal.clone(), entry);
                let build = builds::execute(&work, &context, &self.workshop, &mut page);
                Box::pin(within(work.time_limit, &context.cancel, build)).await
            }
            Work::Rollout(work) => {
                let _in_use = self.note_images(&work, &context.engine).await;
                Ok(rollouts::execute(&work, &context).await)
            }
        }
    }

    /// Connects to the engine, and has a little patience with one that is just restarting.
    async fn engine(&self) -> Result<Engine, EngineError> {
        let give_up = Instant::now() + self.config.limits.engine_patience;
        loop {
            match Engine::connect(self.config.docker_host.as_deref()).await {
                Ok(engine) => return Ok(engine),
                Err(error) if Instant::now() >= give_up => return Err(error),
                Err(_) => tokio::time::sleep(ENGINE_RETRY).await,
            }
        }
    }
}
