//! A runner's life: it cleans up after the one before, announces itself, claims jobs, keeps their leases, and leaves
//! nothing behind when it ends.

mod claims;
mod config;
mod heartbeat;
mod job;
mod leases;
mod start;

use std::sync::Arc;

pub use config::{RunnerConfig, RunnerError, RunnerLimits};
use leases::Leases;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    builds::Workshop,
    checkout::Mirrors,
    coordinator::Coordinator,
    proxy::{Caddy, Proxy},
    steps::Leftovers,
};

/// One life of a runner's process.
struct Agent {
    config: RunnerConfig,
    incarnation: String,
    coordinator: Arc<dyn Coordinator>,
    leases: Leases,
    workshop: Workshop,
    proxy: Option<Arc<dyn Proxy>>,
    jobs: TaskTracker,
}

/// Runs until `shutdown` is cancelled; then every container of a build is stopped, and the jobs at hand are handed back:
/// they begin again on another runner, or in this one's next life.
///
/// # Errors
/// When the data folder cannot be used, or the server refuses this runner for good.
pub async fn run(
    config: RunnerConfig,
    coordinator: Arc<dyn Coordinator>,
    shutdown: CancellationToken,
) -> Result<(), RunnerError> {
    // Its own end must not be its host's.
    let shutdown = shutdown.child_token();
    let incarnation = ulid::Ulid::generate().to_string();
    let leftovers = Leftovers::default();
    let workspaces = start::folders(&config, &incarnation, &leftovers)?;
    let workshop = Workshop {
        mirrors: Mirrors::new(config.data_dir.join("mirrors"), config.limits.checkout),
        workspaces,
        limits: config.limits.steps,
        leftovers,
    };
    let proxy = config.proxy.clone().map(|proxy| Arc::new(Caddy::new(proxy)) as Arc<dyn Proxy>);
    let agent = Arc::new(Agent {
        config,
        incarnation,
        coordinator,
        leases: Leases::default(),
        workshop,
        proxy,
        jobs: TaskTracker::new(),
    });
    // 1. What earlier lives left on the engine goes before new work comes, if the engine answers in time.
    agent.clean_up(&shutdown).await;
    // 2. The server hears of this life, and takes back what the one before held.
    let outcome = match agent.register(&shutdown).await {
        Ok(()) => {
            let ended = CancellationToken::new();
            let beats = tokio::spawn(heartbeat::run(agent.clone(), ended.clone()));
            let outcome = agent.claim_until(&shutdown).await;
            // 3. What is still running stops, and is handed back.
            agent.leases.hand_back_all();
            agent.jobs.close();
            let patience = agent.config.limits.shutdown;
            if tokio::time::timeout(patience, agent.jobs.wait()).await.is_err() {
                tracing::warn!("some jobs did not stop in time; the next start cleans up after them");
            }
            ended.cancel();
            let _ = beats.await;
            outcome
        }
        Err(error) => Err(error),
    };
    shutdown.cancel();
    agent.workshop.leftovers.settle(agent.config.limits.shutdown).await;
    outcome
}
