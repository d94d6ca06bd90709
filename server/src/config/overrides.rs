//! Options of the command line and variables of the environment, which go over the file.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use clap::Args;

use super::{LogFormat, StepSettings};
use crate::{
    runners::Label,
    secrets::{KeyId, Secret},
};

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
