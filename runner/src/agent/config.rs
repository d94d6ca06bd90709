//! What a runner is told at its start.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::{checkout::CheckoutLimits, logs::LogLimits, proxy::ProxyConfig, steps::StepLimits, storage::StorageLimits};

/// A runner's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct RunnerConfig {
    /// Its identity, the same after every restart; objects on the engine are labelled with it.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// Where mirrors and checkouts are kept. Its own: no other runner may use the same folder.
    pub data_dir: PathBuf,
    /// How many jobs it takes at once.
    pub capacity: u32,
    /// What is said of it for jobs to choose by, besides `os` and `arch`.
    pub labels: BTreeMap<String, String>,
    /// Whether it leaves rollouts to others.
    pub builds_only: bool,
    /// Servers, `host` or `host:port`, that commits may lead its checkouts to although their addresses are internal.
    pub internal_hosts: Vec<String>,
    /// What the containers of builds reach where that is a list: `host`, `host:port`, `*.domain`.
    pub step_hosts: Vec<String>,
    /// The Docker engine, `unix:///path` or `tcp://host:port`; none means the usual socket.
    pub docker_host: Option<String>,
    /// What routes requests to releases; none on a runner that is not to serve any.
    pub proxy: Option<ProxyConfig>,
    /// What becomes of the jobs at hand when it ends in order.
    pub at_shutdown: AtShutdown,
    /// Bounds.
    pub limits: RunnerLimits,
}

/// What becomes of a runner's jobs when it ends in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AtShutdown {
    /// What runs in containers goes on there, and the runner's next life goes on with the jobs. For a runner that is
    /// restarted or upgraded.
    #[default]
    Leave,
    /// Everything is stopped and removed, and the jobs begin again on another runner. For one that does not come back.
    HandBack,
}

impl RunnerConfig {
    /// Its labels: those of its machine, unless it was told others, and those that it was told.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let own = [("os", std::env::consts::OS), ("arch", std::env::consts::ARCH)];
        let mut labels: BTreeMap<_, _> = own.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        labels.extend(self.labels.clone());
        labels
    }
}

/// The bounds that a runner keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunnerLimits {
    /// Of each step of a build.
    pub steps: StepLimits,
    /// Of each step's log.
    pub logs: LogLimits,
    /// Of each checkout.
    pub checkout: CheckoutLimits,
    /// Of what is kept between jobs.
    pub storage: StorageLimits,
    /// How often the host and the containers of releases are measured; zero for never.
    pub measured_every: Duration,
    /// How long one request for work may wait at the server.
    pub claim_wait: Duration,
    /// How long the engine is waited for at the start.
    pub engine_patience: Duration,
    /// How long a job waits for an engine that is away, such as while its machine starts, before it fails.
    pub engine_return: Duration,
    /// How long jobs, and then removals, may take to end at a shutdown.
    pub shutdown: Duration,
}

impl Default for RunnerLimits {
    fn default() -> Self {
        RunnerLimits {
            steps: StepLimits::default(),
            logs: LogLimits::default(),
            checkout: CheckoutLimits::default(),
            storage: StorageLimits::default(),
            measured_every: Duration::from_secs(15),
            claim_wait: Duration::from_secs(25),
            engine_patience: Duration::from_secs(5),
            engine_return: Duration::from_secs(300),
            shutdown: Duration::from_secs(15),
        }
    }
}

/// Why a runner does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    /// Its folder cannot be used.
    #[error("the runner cannot use its data folder {}: {cause}", path.display())]
    DataFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The server does not want it, such as when another process runs under the same identity.
    #[error("the server refused this runner: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
}
