//! Going on with the jobs of the life before.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Agent, job::Assignment};
use crate::{
    coordinator::{CoordinatorError, JobResult, LeaseKey, Resumption, Work},
    engine::{Engine, EngineError, labels::Origin},
    journal::Entry,
    lease::HeldLease,
    reporter::Reporter,
};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Agent {
    /// Takes up the jobs of these entries, each in a task of its own. What the server has given to someone else
    /// meanwhile, or ended, is cleaned up after.
    pub(super) async fn resume(self: &Arc<Self>, entries: Vec<Entry>, shutdown: &CancellationToken) {
        for entry in entries {
            let asked = Instant::now();
            match shutdown.run_until_cancelled(self.ask_for(&entry.lease)).await {
                Some(Ok(Resumption { lease, cancelled, steps })) => {
                    let Some(held) = self.leases.take(&lease, asked) else { continue };
                    tracing::info!(job = %lease.key.job, cancelled, "going on with a job of the life before");
                    if cancelled && matches!(lease.work, Work::Build(_)) {
                        self.call_off(entry, held, shutdown);
                    } else {
                        if cancelled {
                            held.cancel();
                        }
                        self.set_to_work(Assignment { lease, entry, steps }, held);
                    }
                }
                Some(Err(error)) => {
                    tracing::info!(job = %entry.lease.job, %error, "a job of the life before does not go on");
                    let agent = self.clone();
                    tokio::spawn(shutdown.clone().run_until_cancelled_owned(async move {
                        agent.clear_away(&entry).await;
                        agent.journal.forget(&entry.lease);
                    }));
                }
                // The journal keeps it for the next life.
                None => return,
            }
        }
    }

    /// Asks until there is an answer.
    pub(super) async fn ask_for(&self, lease: &LeaseKey) -> Result<Resumption, CoordinatorError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.coordinator.resume(lease).await {
                Err(error @ CoordinatorError::Unavailable { .. }) => {
                    tracing::warn!(job = %lease.job, %error, "cannot go on with a job yet; trying again");
                }
                answer => return answer,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Stops a build that was cancelled while nobody worked on it, and says so.
    fn call_off(self: &Arc<Self>, entry: Entry, held: HeldLease, shutdown: &CancellationToken) {
        let (agent, stop) = (self.clone(), shutdown.clone());
        self.jobs.spawn(stop.run_until_cancelled_owned(async move {
            agent.clear_away(&entry).await;
            let reporter = Reporter::new(agent.coordinator.clone(), held);
            if let Err(error) = reporter.finish_job(JobResult::Cancelled).await {
                tracing::warn!(job = %entry.lease.job, %error, "the job's end was not reported");
            }
            agent.journal.forget(&entry.lease);
            agent.leases.give_back(&entry.lease);
        }));
    }

    /// Removes what a build left that does not go on. A rollout leaves nothing but its environment.
    pub(super) async fn clear_away(&self, entry: &Entry) {
        let Some(origin) = entry.origin(&self.config.id) else { return };
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.remove_build(&origin).await {
            tracing::warn!(%error, "cannot clean up after a build; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        for folder in self.workshop.folders(&origin) {
            self.workshop.leftovers.remove_now(&folder).await;
        }
        self.no_longer_resumed(&entry.lease);
    }

    async fn remove_build(&self, origin: &Origin) -> Result<(), EngineError> {
        let engine = Engine::connect(self.config.docker_host.as_deref()).await?;
        self.workshop.leftovers.remove_build(&engine, origin).await
    }
}
