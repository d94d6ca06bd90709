//! A runner's life: it cleans up after the one before, announces itself, goes on with the jobs that were under way,
//! claims more, and keeps their leases.

mod claims;
mod config;
mod heartbeat;
mod images;
mod job;
mod leases;
mod resume;
mod start;
mod time_limit;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use config::{AtShutdown, RunnerConfig, RunnerError, RunnerLimits};
use leases::Leases;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    builds::Workshop,
    checkout::Mirrors,
    coordinator::{CollectionOrder, Coordinator, LeaseKey, LogQuestion},
    engine::labels::Origin,
    inside::Inside,
    journal::{Entry, Journal},
    kept::KeptBuilds,
    log_reader::{self, LogReader},
    measurements::Surveyor,
    proxy::{Caddy, Proxy},
    reconciler::{Means, Reconciler},
    steps::{Leftovers, Relay},
    storage::{BuiltImages, Collector, Records, Space},
};

/// One life of a runner's process.
struct Agent {
    config: RunnerConfig,
    incarnation: String,
    coordinator: Arc<dyn Coordinator>,
    leases: Leases,
    workshop: Workshop,
    proxy: Option<Arc<dyn Proxy>>,
    journal: Journal,
    /// Builds of earlier lives that go on: what is theirs is not cleaned up.
    resumed: Mutex<Vec<Origin>>,
    /// Cancelled when this life ends and the next one is to go on with its jobs.
    left: CancellationToken,
    jobs: TaskTracker,
    /// When a repository was last built here.
    repositories: Records,
    /// The images that were fetched for releases.
    images: Records,
    /// When this runner collected.
    rounds: Records,
    space: Arc<Space>,
    /// To the collector.
    orders: mpsc::Sender<CollectionOrder>,
    /// To the reader of logs.
    questions: mpsc::Sender<LogQuestion>,
    /// Keeps what is live on this runner's engine as it should be.
    reconciler: Arc<Reconciler>,
}

impl Agent {
    fn resumed(&self) -> MutexGuard<'_, Vec<Origin>> {
        self.resumed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn no_longer_resumed(&self, lease: &LeaseKey) {
        self.resumed().retain(|origin| origin.job != lease.job);
    }

    /// Ends every job in one way or the other.
    async fn end_jobs(&self) {
        match self.config.at_shutdown {
            AtShutdown::Leave => {
                self.workshop.leftovers.leave();
                self.left.cancel();
            }
            AtShutdown::HandBack => self.leases.hand_back_all(),
        }
        self.jobs.close();
        if tokio::time::timeout(self.config.limits.shutdown, self.jobs.wait()).await.is_err() {
            tracing::warn!("some jobs did not stop in time; the next start cleans up after them");
        }
    }
}

/// Runs until `shutdown` is cancelled. What becomes of the jobs at hand then, [`AtShutdown`] says.
///
/// # Errors
/// When the data folder cannot be used, or the server refuses this runner for good.
pub async fn run(
    config: RunnerConfig,
    coordinator: Arc<dyn Coordinator>,
    shutdown: CancellationToken,
) -> Result<(), RunnerError> {
    run_until_drained(config, coordinator, CancellationToken::new(), shutdown).await
}

/// The same, which also ends once `drain` is cancelled and what it works on by then is finished: it takes nothing new.
///
/// # Errors
/// As [`run`].
pub async fn run_until_drained(
    config: RunnerConfig,
    coordinator: Arc<dyn Coordinator>,
    drain: CancellationToken,
    shutdown: CancellationToken,
) -> Result<(), RunnerError> {
    // Its own end must not be its host's.
    let shutdown = shutdown.child_token();
    let incarnation = ulid::Ulid::generate().to_string();
    let leftovers = Leftovers::default();
    let origins = |entries: &[Entry]| entries.iter().filter_map(|entry| entry.origin(&config.id)).collect::<Vec<_>>();
    let (journal, entries) = start::journal(&config, "jobs")?;
    let (failed, failures) = start::journal(&config, "failed")?;
    let resumed = origins(&entries);
    let kept = [resumed.clone(), origins(&failures)].concat();
    let workspaces = start::folders(&config, &incarnation, &kept, &leftovers)?;
    let storage = config.limits.storage;
    let space = Arc::new(Space::new("the runner's disk", &config.data_dir, storage.free_bytes));
    let records = |kind| {
        let path = config.data_dir.join("records");
        Records::new(path.join(kind)).map_err(|error| RunnerError::DataFolder { path, cause: error.to_string() })
    };
    let workshop = Workshop {
        mirrors: Mirrors::new(config.data_dir.join("mirrors"), config.limits.checkout)
            .with_internal_hosts(config.internal_hosts.clone()),
        kept: KeptBuilds::new(failed, &config.id, workspaces.clone(), leftovers.clone(), storage, space.clone()),
        workspaces,
        limits: config.limits.steps,
        leftovers,
        built: BuiltImages::new(records("built")?),
        inside: Inside::in_folder(config.data_dir.join("inside")),
        relay: Relay::to(&config.step_hosts),
    };
    let (repositories, images, rounds) = (records("repositories")?, records("images")?, records("rounds")?);
    let proxy = config.proxy.clone().map(|proxy| Arc::new(Caddy::new(proxy)) as Arc<dyn Proxy>);
    let reconciler = Reconciler::new(Means {
        coordinator: coordinator.clone(),
        proxy: proxy.clone(),
        runner: config.id.clone(),
        incarnation: incarnation.clone(),
        docker_host: config.docker_host.clone(),
    });
    let (orders, ordered) = mpsc::channel(1);
    let (questions, asked) = mpsc::channel(log_reader::MOST_WAITING);
    let agent = Arc::new(Agent {
        config,
        incarnation,
        coordinator,
        leases: Leases::default(),
        workshop,
        proxy,
        journal,
        resumed: Mutex::new(resumed),
        left: CancellationToken::new(),
        jobs: TaskTracker::new(),
        repositories,
        images,
        rounds,
        space,
        orders,
        questions,
        reconciler,
    });
    // 1. What earlier lives left on the engine goes before new work comes, if the engine answers in time.
    agent.clean_up(&shutdown).await;
    // 2. The server hears of this life, and takes back what the one before held and this one does not go on with.
    let outcome = match agent.register(&entries, &shutdown).await {
        Ok(()) => {
            let ended = CancellationToken::new();
            let beats = tokio::spawn(heartbeat::run(agent.clone(), ended.clone()));
            // 3. The jobs under way, and then new ones.
            agent.resume(entries, &shutdown).await;
            tokio::spawn(agent.collector(ordered).run(ended.clone()));
            tokio::spawn(agent.surveyor().run(ended.clone()));
            tokio::spawn(agent.log_reader().run(asked, ended.clone()));
            // 4. What is live already. Rollouts that go on are left alone: the server names no environment of theirs.
            let keeping = tokio::spawn(agent.reconciler.clone().run(ended.clone()));
            let outcome = agent.claim_until(&drain, &shutdown).await;
            agent.end_jobs().await;
            ended.cancel();
            let _ = beats.await;
            let _ = keeping.await;
            outcome
        }
        Err(error) => Err(error),
    };
    shutdown.cancel();
    agent.workshop.leftovers.settle(agent.config.limits.shutdown).await;
    outcome
}

impl Agent {
    /// What collects for this runner.
    fn collector(&self, orders: mpsc::Receiver<CollectionOrder>) -> Collector {
        Collector {
            docker_host: self.config.docker_host.clone(),
            runner: self.config.id.clone(),
            limits: self.config.limits.storage,
            mirrors: self.workshop.mirrors.clone(),
            repositories: self.repositories.clone(),
            images: self.images.clone(),
            built: self.workshop.built.clone(),
            kept: self.workshop.kept.clone(),
            rounds: self.rounds.clone(),
            space: self.space.clone(),
            coordinator: self.coordinator.clone(),
            orders,
        }
    }

    /// What answers for this runner what its releases write.
    fn log_reader(&self) -> Arc<LogReader> {
        Arc::new(LogReader {
            coordinator: self.coordinator.clone(),
            runner: self.config.id.clone(),
            docker_host: self.config.docker_host.clone(),
        })
    }

    /// What measures for this runner.
    fn surveyor(&self) -> Surveyor {
        Surveyor {
            coordinator: self.coordinator.clone(),
            runner: self.config.id.clone(),
            incarnation: self.incarnation.clone(),
            docker_host: self.config.docker_host.clone(),
            folder: self.config.data_dir.clone(),
            every: self.config.limits.measured_every,
        }
    }
}
