//! The server's configuration: one TOML file, `SLIPWAY_*` variables over it, options of the command line over both.

mod archive;
mod file;
mod login;
mod mail;
mod nearest;
mod proxy;
mod steps;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

pub use archive::{ArchivePlace, ArchiveSettings};
use clap::{Args, ValueEnum};
pub use proxy::{ProxySettings, SwitchSettings};
use serde::Deserialize;
use slipway_runner::{AtShutdown, RunnerLimits, StepLimits, StorageLimits, logs::LogLimits};
pub use steps::StepSettings;
use url::Url;

use crate::{
    access::{TrustedProxies, external::LoginSettings},
    notifications::MailServer,
    retention::Limits,
    runners::{Label, Labels, check_labels},
    secrets::{KeyId, Secret},
};

/// The file that is read when `--config` names none and it exists.
const DEFAULT_FILE: &str = "slipway.toml";
/// GitHub sends no delivery that is larger ("Webhook events and payloads: payload cap").
const GITHUB_MAX_DELIVERY_BYTES: usize = 25 * 1024 * 1024;
/// Often enough to see what goes on, and seldom enough to cost nothing.
const MEASURE_SECONDS: u32 = 15;
/// A week.
const LONGEST_BUILD_MINUTES: u32 = 7 * 24 * 60;
/// A longer lease would only leave the jobs of a lost runner waiting.
const LONGEST_LEASE_SECONDS: u32 = 60;
/// More than any one process serves well.
const MOST_CONNECTIONS: usize = 100_000;

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

/// Options of the command line and variables of the environment; both go over the file.
#[derive(Debug, Clone, Default, Args)]
pub struct Overrides {
    /// The configuration file [default: slipway.toml, if there is one].
    #[arg(long, env = "SLIPWAY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen.
    #[arg(long, env = "SLIPWAY_LISTEN", value_name = "ADDRESS:PORT", value_parser = listen_address)]
    pub listen: Option<SocketAddr>,
    /// Where people and GitHub reach this server.
    #[arg(long, env = "SLIPWAY_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// The directory for the database, the secret key and the runner's work.
    #[arg(long, env = "SLIPWAY_DATA_DIR", value_name = "DIRECTORY")]
    pub data_dir: Option<PathBuf>,
    /// sqlite:<path> or postgres://…
    #[arg(long, env = "SLIPWAY_DATABASE", value_name = "URL", hide_env_values = true)]
    pub database: Option<Secret>,
    /// The key that secrets are sealed with: 32 bytes in base64. By variable only, so that no process list shows it.
    #[arg(skip)]
    pub secret_key: Option<Secret>,
    /// The keys before it, while what they sealed is sealed anew. By variable only.
    #[arg(skip)]
    pub secret_key_previous: Option<Secret>,
    /// The id of the key of the secrets, where that is lost for good: every secret is then to be set anew.
    #[arg(long, env = "SLIPWAY_SECRET_KEY_LOST", value_name = "ID", hide = true)]
    pub secret_key_lost: Option<KeyId>,
    /// Whether reading needs no token.
    #[arg(long, env = "SLIPWAY_PUBLIC_READ", value_name = "true|false")]
    pub public_read: Option<bool>,
    /// Whether a newer push cancels the branch's older builds.
    #[arg(long, env = "SLIPWAY_SUPERSEDE", value_name = "true|false")]
    pub supersede: Option<bool>,
    /// How many builds of one repository run at once.
    #[arg(long, env = "SLIPWAY_BUILDS_PER_REPOSITORY", value_name = "NUMBER")]
    pub builds_per_repository: Option<u32>,
    /// How many minutes one attempt of a build may take.
    #[arg(long, env = "SLIPWAY_BUILD_TIMEOUT_MINUTES", value_name = "MINUTES")]
    pub build_timeout_minutes: Option<u32>,
    /// How many seconds a runner keeps its jobs without being heard of.
    #[arg(long, env = "SLIPWAY_LEASE_SECONDS", value_name = "SECONDS")]
    pub lease_seconds: Option<u32>,
    /// The largest webhook body, in bytes.
    #[arg(long, env = "SLIPWAY_MAX_DELIVERY_BYTES", value_name = "BYTES")]
    pub max_delivery_bytes: Option<usize>,
    /// How many connections are open at once.
    #[arg(long, env = "SLIPWAY_MAX_CONNECTIONS", value_name = "NUMBER")]
    pub max_connections: Option<usize>,
    /// A proxy, or a network of proxies, whose word counts on whom a request comes from; several are divided by commas.
    #[arg(
        long = "trusted-proxy",
        env = "SLIPWAY_TRUSTED_PROXIES",
        value_name = "ADDRESS[/BITS]",
        value_delimiter = ','
    )]
    pub trusted_proxies: Vec<String>,
    /// The form of the log.
    #[arg(long, env = "SLIPWAY_LOG", value_name = "FORMAT")]
    pub log: Option<LogFormat>,
    /// Which lines of the log to write, such as info or slipway_runner=debug,info.
    #[arg(long, env = "SLIPWAY_LOG_FILTER", value_name = "FILTER")]
    pub log_filter: Option<String>,
    /// Whether the server runs jobs itself.
    #[arg(long, env = "SLIPWAY_RUNNER_ENABLED", value_name = "true|false")]
    pub runner_enabled: Option<bool>,
    /// The embedded runner's name.
    #[arg(long, env = "SLIPWAY_RUNNER_NAME", value_name = "NAME")]
    pub runner_name: Option<String>,
    /// How many jobs the embedded runner takes at once.
    #[arg(long, env = "SLIPWAY_RUNNER_CAPACITY", value_name = "JOBS")]
    pub runner_capacity: Option<u32>,
    /// The Docker engine's address.
    #[arg(long, env = "SLIPWAY_RUNNER_DOCKER_HOST", value_name = "URL")]
    pub runner_docker_host: Option<String>,
    /// What is said of the embedded runner, for jobs to choose by; several are divided by commas.
    #[arg(long = "runner-label", env = "SLIPWAY_RUNNER_LABELS", value_name = "KEY=VALUE", value_delimiter = ',')]
    pub runner_labels: Vec<Label>,
    /// Whether the embedded runner leaves rollouts to others.
    #[arg(long, env = "SLIPWAY_RUNNER_BUILDS_ONLY", value_name = "true|false")]
    pub runner_builds_only: Option<bool>,
    /// A server that submodules and files in Git LFS may come from although its address is internal; several are divided
    /// by commas.
    #[arg(
        long = "runner-internal-host",
        env = "SLIPWAY_RUNNER_INTERNAL_HOSTS",
        value_name = "HOST[:PORT]",
        value_delimiter = ','
    )]
    pub runner_internal_hosts: Vec<String>,
    /// Of how many failed builds the runner keeps the workspace, for `slipway retry --failed`; 0 for none.
    #[arg(long, env = "SLIPWAY_RUNNER_FAILED_BUILDS", value_name = "NUMBER")]
    pub runner_failed_builds: Option<u32>,
    /// How many bytes all cache volumes of the runner may have together.
    #[arg(long, env = "SLIPWAY_RUNNER_CACHE_BYTES", value_name = "BYTES")]
    pub runner_cache_bytes: Option<u64>,
    /// How many bytes the build cache of the runner's engine may have; without this the runner leaves it alone.
    #[arg(long, env = "SLIPWAY_RUNNER_BUILD_CACHE_BYTES", value_name = "BYTES")]
    pub runner_build_cache_bytes: Option<u64>,
    /// How many bytes of output the log of one step holds; the rest is cut with a marker.
    #[arg(long, env = "SLIPWAY_RUNNER_STEP_LOG_BYTES", value_name = "BYTES")]
    pub runner_step_log_bytes: Option<u64>,
    /// How often the runner measures its host and the containers of releases, in seconds; 0 for never.
    #[arg(long, env = "SLIPWAY_RUNNER_MEASURE_SECONDS", value_name = "SECONDS")]
    pub runner_measure_seconds: Option<u32>,
    /// What each step of a build may use.
    #[command(flatten)]
    pub steps: StepSettings,
    /// The address of Caddy's admin API.
    #[arg(long, env = "SLIPWAY_PROXY_CADDY_ADMIN", value_name = "URL")]
    pub proxy_caddy_admin: Option<String>,
    /// The address of the admin API of the Caddy behind it, which takes all changes.
    #[arg(long, env = "SLIPWAY_PROXY_SWITCH_ADMIN", value_name = "URL")]
    pub proxy_switch_admin: Option<String>,
    /// The socket between the two Caddys, such as unix//run/slipway/switch.sock.
    #[arg(long, env = "SLIPWAY_PROXY_SWITCH_SOCKET", value_name = "ADDRESS")]
    pub proxy_switch_socket: Option<String>,
    /// Where Caddy listens for the releases' traffic; several are divided by commas.
    #[arg(long, env = "SLIPWAY_PROXY_LISTEN", value_name = "ADDRESS:PORT", value_delimiter = ',')]
    pub proxy_listen: Vec<String>,
    /// Where finished logs are kept outside of the database: file:///FOLDER or s3://BUCKET/PREFIX.
    #[arg(long, env = "SLIPWAY_ARCHIVE_URL", value_name = "URL")]
    pub archive_url: Option<String>,
    /// The address of the bucket's store, where it is not Amazon's.
    #[arg(long, env = "SLIPWAY_ARCHIVE_ENDPOINT", value_name = "URL")]
    pub archive_endpoint: Option<String>,
    /// The bucket's region.
    #[arg(long, env = "SLIPWAY_ARCHIVE_REGION", value_name = "NAME")]
    pub archive_region: Option<String>,
    /// The id of the access key.
    #[arg(long, env = "SLIPWAY_ARCHIVE_ACCESS_KEY_ID", value_name = "ID")]
    pub archive_access_key_id: Option<String>,
    /// The secret of the access key. By variable only, so that no process list shows it.
    #[arg(skip)]
    pub archive_secret_access_key: Option<Secret>,
    /// The secrets of `[[login]]`, by what stands for each in its variable's name. By variable only.
    #[arg(skip)]
    pub login_secrets: BTreeMap<String, Secret>,
    /// The address of the server that mail is sent by, with its login. By variable only, so that no process list shows it.
    #[arg(skip)]
    pub mail_url: Option<Secret>,
    /// In whose name mail is sent.
    #[arg(long, env = "SLIPWAY_MAIL_FROM", value_name = "ADDRESS")]
    pub mail_from: Option<String>,
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an IP address and a port were expected, such as 127.0.0.1:7878 or [::]:7878".to_owned())
}

/// Why there is no configuration to start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not TOML, or a value has the wrong type.
    #[error("{path}, line {line}: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// What was expected.
        reason: String,
    },
    /// The file has a key that means nothing.
    #[error("{path}, line {line}: unknown key `{key}`; {hint}")]
    UnknownKey {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// The key with its table.
        key: String,
        /// The nearest known key, or all of them.
        hint: String,
    },
    /// Keys that mean something only together.
    #[error("{given} is set, but {missing} is not; {remedy}")]
    Incomplete {
        /// The key that is there.
        given: &'static str,
        /// The key that is missing.
        missing: &'static str,
        /// What the keys do together.
        remedy: &'static str,
    },
    /// A value that cannot be used.
    #[error("{key} = \"{value}\" cannot be used: {reason}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it and what is expected.
        reason: String,
    },
}

impl Overrides {
    /// Takes what no option may hold, since options can be read in the list of processes.
    #[expect(clippy::disallowed_methods, reason = "this is the one place, and clap has no options without names")]
    pub fn take_secrets_from_environment(&mut self) {
        let secret = |name| std::env::var(name).ok().map(Secret::new);
        self.secret_key = secret("SLIPWAY_SECRET_KEY");
        self.secret_key_previous = secret("SLIPWAY_SECRET_KEY_PREVIOUS");
        self.archive_secret_access_key = secret("SLIPWAY_ARCHIVE_SECRET_ACCESS_KEY");
        self.mail_url = secret("SLIPWAY_MAIL_URL");
        self.login_secrets = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                let provider = name.strip_prefix("SLIPWAY_LOGIN_")?.strip_suffix("_SECRET")?;
                Some((provider.to_owned(), Secret::new(value.into_string().ok()?)))
            })
            .collect();
    }
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
        resolve(file, overrides)
    }

    /// Takes the options alone, without any file: for a server that shall not depend on the folder it is started in.
    ///
    /// # Errors
    /// When a value cannot be used.
    pub fn without_file(options: Overrides) -> Result<Self, ConfigError> {
        resolve(file::File::default(), options)
    }
}

fn read(path: &Path) -> Result<file::File, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    file::parse(&path.display().to_string(), &text)
}

fn resolve(file: file::File, over: Overrides) -> Result<Config, ConfigError> {
    let steps = over.steps.clone().or(file.runner.steps());
    let (step_hosts, steps) = (steps.hosts()?, steps.limits()?);
    let data_dir = over.data_dir.or(file.data_dir).unwrap_or_else(|| "slipway-data".into());
    let database = over
        .database
        .or(file.database)
        .unwrap_or_else(|| Secret::new(format!("sqlite:{}", data_dir.join("slipway.db").display())));
    if !["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| database.reveal().starts_with(scheme)) {
        return Err(ConfigError::Invalid {
            key: "database",
            value: "…".to_owned(),
            reason: "it starts with neither sqlite: nor postgres:".to_owned(),
        });
    }
    let capacity = over.runner_capacity.or(file.runner.capacity).unwrap_or(2);
    if capacity == 0 {
        return Err(ConfigError::Invalid {
            key: "runner.capacity",
            value: "0".to_owned(),
            reason: "a runner takes at least one job; to run none here, set runner.enabled to false".to_owned(),
        });
    }
    let builds_per_repository = over.builds_per_repository.or(file.builds_per_repository).unwrap_or(8);
    if builds_per_repository == 0 {
        return Err(ConfigError::Invalid {
            key: "builds_per_repository",
            value: "0".to_owned(),
            reason: "no build would ever begin; it is at least 1".to_owned(),
        });
    }
    let build_timeout_minutes = over.build_timeout_minutes.or(file.build_timeout_minutes).unwrap_or(120);
    if !(1..=LONGEST_BUILD_MINUTES).contains(&build_timeout_minutes) {
        return Err(ConfigError::Invalid {
            key: "build_timeout_minutes",
            value: build_timeout_minutes.to_string(),
            reason: format!("it is from 1 to {LONGEST_BUILD_MINUTES}, a week"),
        });
    }
    let step_log_bytes =
        over.runner_step_log_bytes.or(file.runner.step_log_bytes).unwrap_or(LogLimits::default().step_bytes);
    if step_log_bytes == 0 {
        return Err(ConfigError::Invalid {
            key: "runner.step_log_bytes",
            value: "0".to_owned(),
            reason: "no step's output would be kept; it is at least 1".to_owned(),
        });
    }
    let lease_seconds = over.lease_seconds.or(file.lease_seconds).unwrap_or(LONGEST_LEASE_SECONDS);
    if !(5..=LONGEST_LEASE_SECONDS).contains(&lease_seconds) {
        return Err(ConfigError::Invalid {
            key: "lease_seconds",
            value: lease_seconds.to_string(),
            reason: format!("it is from 5 to {LONGEST_LEASE_SECONDS}"),
        });
    }
    let mut labels = file.runner.labels.unwrap_or_default();
    labels.extend(over.runner_labels.into_iter().map(|Label(key, value)| (key, value)));
    check_labels(&labels).map_err(|reason| ConfigError::Invalid {
        key: "runner.labels",
        value: "…".to_owned(),
        reason,
    })?;
    let max_connections = over.max_connections.or(file.max_connections).unwrap_or(512);
    if !(1..=MOST_CONNECTIONS).contains(&max_connections) {
        return Err(ConfigError::Invalid {
            key: "max_connections",
            value: max_connections.to_string(),
            reason: format!("it is from 1 to {MOST_CONNECTIONS}"),
        });
    }
    if let Some((key, value, reason)) = file.retention.refusal() {
        return Err(ConfigError::Invalid { key, value: value.to_string(), reason: reason.to_owned() });
    }
    Ok(Config {
        retention: file.retention,
        archive: archive::resolve(
            file.archive,
            archive::Overrides {
                url: over.archive_url,
                endpoint: over.archive_endpoint,
                region: over.archive_region,
                access_key_id: over.archive_access_key_id,
                secret_access_key: over.archive_secret_access_key,
            },
        )?,
        logins: login::resolve(file.login, &over.login_secrets)?,
        mail: mail::resolve(over.mail_url.or(file.mail.url), over.mail_from.or(file.mail.from))?,
        listen: over.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 7878))),
        public_url: web_address("public_url", over.public_url.or(file.public_url))?,
        database,
        data_dir,
        secret_key: over.secret_key,
        secret_key_previous: over.secret_key_previous,
        secret_key_lost: over.secret_key_lost,
        public_read: over.public_read.or(file.public_read).unwrap_or(false),
        supersede: over.supersede.or(file.supersede).unwrap_or(true),
        builds_per_repository,
        build_timeout_minutes,
        lease_seconds,
        max_delivery_bytes: over.max_delivery_bytes.or(file.max_delivery_bytes).unwrap_or(GITHUB_MAX_DELIVERY_BYTES),
        max_connections,
        trusted_proxies: trusted_proxies(file.trusted_proxies.into_iter().flatten().chain(over.trusted_proxies))?,
        log: over.log.or(file.log).unwrap_or_default(),
        log_filter: over.log_filter.or(file.log_filter).unwrap_or_else(|| "info".to_owned()),
        runner: RunnerSettings {
            enabled: over.runner_enabled.or(file.runner.enabled).unwrap_or(true),
            name: over.runner_name.or(file.runner.name).unwrap_or_else(|| "embedded".to_owned()),
            capacity,
            docker_host: over.runner_docker_host.or(file.runner.docker_host).map(engine_address).transpose()?,
            at_shutdown: AtShutdown::default(),
            labels,
            builds_only: over.runner_builds_only.or(file.runner.builds_only).unwrap_or(false),
            internal_hosts: [file.runner.internal_hosts.unwrap_or_default(), over.runner_internal_hosts].concat(),
            failed_builds: over
                .runner_failed_builds
                .or(file.runner.failed_builds)
                .unwrap_or(StorageLimits::default().failed_builds),
            cache_bytes: over
                .runner_cache_bytes
                .or(file.runner.cache_bytes)
                .unwrap_or(StorageLimits::default().caches_bytes),
            build_cache_bytes: over.runner_build_cache_bytes.or(file.runner.build_cache_bytes),
            step_log_bytes,
            measure_seconds: over.runner_measure_seconds.or(file.runner.measure_seconds).unwrap_or(MEASURE_SECONDS),
            steps,
            step_hosts,
        },
        proxy: proxy::resolve(
            file.proxy,
            proxy::Overrides {
                caddy_admin: over.proxy_caddy_admin,
                switch_admin: over.proxy_switch_admin,
                switch_socket: over.proxy_switch_socket,
                listen: over.proxy_listen,
            },
        )?,
    })
}

/// The address of an engine in one of the forms that a runner understands.
fn engine_address(value: String) -> Result<String, ConfigError> {
    let is_known =
        ["unix:///", "tcp://", "http://"].iter().any(|form| value.len() > form.len() && value.starts_with(form));
    if is_known {
        return Ok(value);
    }
    let reason = "expected unix:///PATH, such as unix:///var/run/docker.sock, or tcp://HOST:PORT".to_owned();
    Err(ConfigError::Invalid { key: "runner.docker_host", value, reason })
}

fn trusted_proxies(written: impl Iterator<Item = String>) -> Result<TrustedProxies, ConfigError> {
    let mut proxies = TrustedProxies::default();
    for value in written {
        proxies = proxies.with(&value).map_err(|error| ConfigError::Invalid {
            key: "trusted_proxies",
            value,
            reason: error.to_string(),
        })?;
    }
    Ok(proxies)
}

/// An address that starts with `http://` or `https://` and names a host.
fn web_address(key: &'static str, value: Option<String>) -> Result<Option<Url>, ConfigError> {
    let Some(value) = value else { return Ok(None) };
    let invalid = |reason: String| ConfigError::Invalid { key, value: value.clone(), reason };
    let url = Url::parse(&value).map_err(|error| invalid(format!("{error}; expected http://host or https://host")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(invalid("expected http://host or https://host".to_owned()));
    }
    if url.query().is_some() || url.fragment().is_some() || url.path() != "/" {
        return Err(invalid("expected an address without a path".to_owned()));
    }
    Ok(Some(url))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn resolved(text: &str, over: Overrides) -> Result<Config, ConfigError> {
        resolve(file::parse("slipway.toml", text).unwrap(), over)
    }

    #[test]
    fn defaults_need_no_file() {
        let config = resolved("", Overrides::default()).unwrap();
        assert_eq!(config.database.reveal(), "sqlite:slipway-data/slipway.db");
        assert!(!config.public_read && config.supersede && config.runner.enabled);
    }

    #[test]
    fn options_go_over_the_file() {
        let over = Overrides { public_read: Some(false), ..Overrides::default() };
        let config = resolved("public_read = true\nsupersede = false", over).unwrap();
        assert!(!config.public_read && !config.supersede);
    }

    #[test]
    fn values_that_cannot_work_are_refused_with_the_reason() {
        let said = |text| resolved(text, Overrides::default()).unwrap_err().to_string();
        assert!(said("database = \"mysql://root:pw@x/y\"").contains("neither sqlite: nor postgres:"));
        assert!(!said("database = \"mysql://root:pw@x/y\"").contains("pw"), "no password in a message");
        assert!(said("public_url = \"slipway.example\"").contains("expected http://host"));
        assert!(said("public_url = \"https://a.example/slipway\"").contains("without a path"));
        assert!(said("[runner]\ncapacity = 0").contains("at least one job"));
        assert!(said("[runner]\ndocker_host = \"/var/run/docker.sock\"").contains("expected unix:///PATH"));
        assert!(
            said("trusted_proxies = [\"10.0.0.1\", \"0.0.0.0/0\"]").contains("name the network of the proxy alone")
        );
        assert!(said("[runner]\nstep_log_bytes = 0").contains("no step's output would be kept"));
    }
}
