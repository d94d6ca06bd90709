//! The server's configuration: one TOML file, `SLIPWAY_*` variables over it, options of the command line over both.

mod archive;
mod error;
mod file;
mod login;
mod mail;
mod nearest;
mod overrides;
mod proxy;
mod resolve;
mod steps;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

pub use archive::{ArchivePlace, ArchiveSettings};
use clap::ValueEnum;
pub use error::ConfigError;
pub use overrides::Overrides;
pub use proxy::{ProxySettings, SwitchSettings};
use serde::Deserialize;
use slipway_runner::{AtShutdown, RunnerLimits, StepLimits, StorageLimits, logs::LogLimits};
pub use steps::StepSettings;
use url::Url;

use crate::{
    access::{TrustedProxies, external::LoginSettings},
    notifications::MailServer,
    retention::Limits,
    runners::Labels,
    secrets::{KeyId, Secret},
};

/// The file that is read when `--config` names none and it exists.
const DEFAULT_FILE: &str = "slipway.toml";

/// The configuration, with every default filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the server listens. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where people and GitHub reach it, without a trailing slash; none until the port is known, unless it was given.
    pub public_url: Option<Url>,
    /// The directory of the embedded database, the secret key and the runner's work.
    pub data_dir: PathBuf,
    /// `sqlite:<path>` or `postgres://…`; it may hold a password.
    pub database: Secret,
    /// The key for sealing, where it is not in the data directory.
    pub secret_key: Option<Secret>,
    /// Earlier keys that still open what was sealed with them, parted by commas or spaces.
    pub secret_key_previous: Option<Secret>,
    /// The id of the key that is lost for good: what was sealed with it is given up.
    pub secret_key_lost: Option<KeyId>,
    /// Whether everything but changes and credentials can be read without a token.
    pub public_read: bool,
    /// Whether a newer push to a branch cancels that branch's older builds.
    pub supersede: bool,
    /// How many builds run at once of a repository that has no limit of its own.
    pub builds_per_repository: u32,
    /// How many minutes one attempt of a build may take.
    pub build_timeout_minutes: u32,
    /// How many seconds a runner keeps its jobs without being heard of.
    pub lease_seconds: u32,
    /// The largest body of a delivery, in bytes.
    pub max_delivery_bytes: usize,
    /// How many connections are open at once; more wait for their turn.
    pub max_connections: usize,
    /// The proxies whose word counts on whom a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// The form of the log.
    pub log: LogFormat,
    /// Which of the log's lines are written, as tracing's `EnvFilter` has it: `info`, `slipway_runner=debug,info`.
    pub log_filter: String,
    /// The embedded runner.
    pub runner: RunnerSettings,
    /// The proxy in front of the releases.
    pub proxy: ProxySettings,
    /// How long what is stored is kept.
    pub retention: Limits,
    /// Where finished logs are kept.
    pub archive: ArchiveSettings,
    /// The server that mail is sent by; none where none is sent.
    pub mail: Option<MailServer>,
    /// Where else people can prove who they are.
    pub logins: Vec<LoginSettings>,
}

/// The embedded runner.
#[derive(Debug, Clone)]
pub struct RunnerSettings {
    /// Whether the server runs jobs itself.
    pub enabled: bool,
    /// Its name for people.
    pub name: String,
    /// How many jobs it takes at once.
    pub capacity: u32,
    /// The engine's address, `unix:///PATH` or `tcp://HOST:PORT`; none for the usual socket. `DOCKER_HOST` is for people's commands.
    pub docker_host: Option<String>,
    /// What becomes of its jobs when the server ends. No setting: a server is ended to be started again, and only what
    /// embeds one knows better.
    pub at_shutdown: AtShutdown,
    /// What is said of it for jobs to choose by, besides its operating system and architecture.
    pub labels: Labels,
    /// Whether it leaves rollouts to others.
    pub builds_only: bool,
    /// Servers that commits may lead its checkouts to although their addresses are internal.
    pub internal_hosts: Vec<String>,
    /// Of how many failed builds it keeps the workspace, for another attempt that goes on from there.
    pub failed_builds: u32,
    /// How many bytes all of its cache volumes may have together.
    pub cache_bytes: u64,
    /// How many bytes its engine's build cache may have; none where the runner leaves that alone.
    pub build_cache_bytes: Option<u64>,
    /// How many bytes of output the log of one step holds; the rest is cut with a marker.
    pub step_log_bytes: u64,
    /// How often it measures its host and the containers of releases, in seconds; 0 for never.
    pub measure_seconds: u32,
    /// What each step of a build may use.
    pub steps: StepLimits,
    /// What they reach where that is a list.
    pub step_hosts: Vec<String>,
}

impl RunnerSettings {
    /// The bounds of a runner with these settings.
    #[must_use]
    pub fn limits(&self) -> RunnerLimits {
        let limits = RunnerLimits::default();
        RunnerLimits {
            storage: StorageLimits {
                failed_builds: self.failed_builds,
                caches_bytes: self.cache_bytes,
                build_cache_bytes: self.build_cache_bytes,
                ..limits.storage
            },
            steps: self.steps,
            logs: LogLimits { step_bytes: self.step_log_bytes, ..limits.logs },
            measured_every: Duration::from_secs(self.measure_seconds.into()),
            ..limits
        }
    }
}

/// The form of the log on standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads the file and lays the overrides over it.
    ///
    /// # Errors
    /// When the file is missing though named, has unknown keys, or a value cannot be used.
    pub fn load(overrides: Overrides) -> Result<Self, ConfigError> {
        let file = match &overrides.config {
            Some(path) => read(path)?,
            None if Path::new(DEFAULT_FILE).exists() => read(Path::new(DEFAULT_FILE))?,
            None => file::File::default(),
        };
        resolve::resolve(file, overrides)
    }

    /// Takes the options alone, without any file: for a server that shall not depend on the folder it is started in.
    ///
    /// # Errors
    /// When a value cannot be used.
    pub fn without_file(options: Overrides) -> Result<Self, ConfigError> {
        resolve::resolve(file::File::default(), options)
    }
}

fn read(path: &Path) -> Result<file::File, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    file::parse(&path.display().to_string(), &text)
}
