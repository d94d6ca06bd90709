//! The process of a runner on a machine of its own.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use slipway_runner::{
    AtShutdown, RunnerConfig,
    remote::{RemoteCoordinator, ServerAddress},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::super::{Failure, logging, say};
use crate::{
    access::token::runner_of,
    app::{RunnerFolder, proxy_config},
    config::{Config, LogFormat, Overrides, StepSettings},
    runners::Label,
    secrets::Secret,
};

/// Where its work is kept, unless it is told otherwise.
const DATA_DIR: &str = "slipway-runner";

#[derive(Debug, Args)]
pub(super) struct RunnerProcess {
    /// The server's address; several are of servers on one database, and each takes over for another.
    #[arg(long = "server", env = "SLIPWAY_RUNNER_SERVER", value_name = "URL", value_delimiter = ',', required = true)]
    servers: Vec<String>,
    /// The runner's token; better by the variable or a file, as others can read this in the list of processes.
    #[arg(long, env = "SLIPWAY_RUNNER_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<Secret>,
    /// A file that holds the token.
    #[arg(long, env = "SLIPWAY_RUNNER_TOKEN_FILE", value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// Lets the token and the secrets of builds go unencrypted to a server on another machine.
    #[arg(long, env = "SLIPWAY_RUNNER_ALLOW_PLAIN_HTTP")]
    allow_plain_http: bool,
    /// The configuration file, of which [runner] and [proxy] are read [default: slipway.toml, if there is one].
    #[arg(long, env = "SLIPWAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of its checkouts [default: slipway-runner].
    #[arg(long, env = "SLIPWAY_DATA_DIR", value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    /// A label for jobs to choose by; may be given several times. Its os and arch are known by themselves.
    #[arg(long = "label", env = "SLIPWAY_RUNNER_LABELS", value_name = "KEY=VALUE", value_delimiter = ',')]
    labels: Vec<Label>,
    /// How many jobs it takes at once.
    #[arg(long, env = "SLIPWAY_RUNNER_CAPACITY", value_name = "JOBS")]
    capacity: Option<u32>,
    /// Leaves rollouts to others, as a runner without a proxy always does.
    #[arg(long, env = "SLIPWAY_RUNNER_BUILDS_ONLY", num_args = 0..=1, default_missing_value = "true", value_name = "true|false")]
    builds_only: Option<bool>,
    /// A server that submodules and files in Git LFS may come from although its address is internal; may be given several
    /// times.
    #[arg(
        long = "internal-host",
        env = "SLIPWAY_RUNNER_INTERNAL_HOSTS",
        value_name = "HOST[:PORT]",
        value_delimiter = ','
    )]
    internal_hosts: Vec<String>,
    /// Of how many failed builds it keeps the workspace, for `slipway retry --failed`; 0 for none.
    #[arg(long, env = "SLIPWAY_RUNNER_FAILED_BUILDS", value_name = "NUMBER")]
    failed_builds: Option<u32>,
    /// How many bytes all of its cache volumes may have together.
    #[arg(long, env = "SLIPWAY_RUNNER_CACHE_BYTES", value_name = "BYTES")]
    cache_bytes: Option<u64>,
    /// How many bytes the build cache of its engine may have; without this it leaves that alone.
    #[arg(long, env = "SLIPWAY_RUNNER_BUILD_CACHE_BYTES", value_name = "BYTES")]
    build_cache_bytes: Option<u64>,
    /// How many bytes of output the log of one step holds; the rest is cut with a marker.
    #[arg(long, env = "SLIPWAY_RUNNER_STEP_LOG_BYTES", value_name = "BYTES")]
    step_log_bytes: Option<u64>,
    #[command(flatten)]
    steps: StepSettings,
    /// How often it measures its host and the containers of releases, in seconds; 0 for never.
    #[arg(long, env = "SLIPWAY_RUNNER_MEASURE_SECONDS", value_name = "SECONDS")]
    measure_seconds: Option<u32>,
    /// The Docker engine's address.
    #[arg(long, env = "SLIPWAY_RUNNER_DOCKER_HOST", value_name = "URL")]
    docker_host: Option<String>,
    /// The address of Caddy's admin API.
    #[arg(long, env = "SLIPWAY_PROXY_CADDY_ADMIN", value_name = "URL")]
    proxy_caddy_admin: Option<String>,
    /// The address of the admin API of the Caddy behind it, which takes all changes.
    #[arg(long, env = "SLIPWAY_PROXY_SWITCH_ADMIN", value_name = "URL")]
    proxy_switch_admin: Option<String>,
    /// The socket between the two Caddys, such as unix//run/slipway/switch.sock.
    #[arg(long, env = "SLIPWAY_PROXY_SWITCH_SOCKET", value_name = "ADDRESS")]
    proxy_switch_socket: Option<String>,
    /// Where Caddy listens for the releases' traffic; several are divided by commas.
    #[arg(long, env = "SLIPWAY_PROXY_LISTEN", value_name = "ADDRESS:PORT", value_delimiter = ',')]
    proxy_listen: Vec<String>,
    /// The form of the log.
    #[arg(long, env = "SLIPWAY_LOG", value_name = "FORMAT")]
    log: Option<LogFormat>,
    /// Which lines of the log to write, such as info or slipway_runner=debug,info.
    #[arg(long, env = "SLIPWAY_LOG_FILTER", value_name = "FILTER")]
    log_filter: Option<String>,
}

/// Runs until it is asked to end: then it finishes what it has and takes nothing new. Asked again, it leaves what runs
/// to its next life.
pub(super) async fn run(process: RunnerProcess) -> Result<(), Failure> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = token(process.token, process.token_file.as_deref())?;
    let id = runner_of(token.reveal()).ok_or_else(|| {
        Failure::new("this is no runner's token; `slipway runner create NAME` at the server makes one")
    })?;
    let addresses = process.servers.iter().map(|text| ServerAddress::check(text, process.allow_plain_http));
    let servers = addresses.collect::<Result<Vec<_>, _>>()?;
    let names = servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let config = Config::load(Overrides {
        config: process.config,
        data_dir: Some(process.data_dir.unwrap_or_else(|| DATA_DIR.into())),
        log: process.log,
        log_filter: process.log_filter,
        runner_labels: process.labels,
        runner_capacity: process.capacity,
        runner_builds_only: process.builds_only,
        runner_internal_hosts: process.internal_hosts,
        runner_failed_builds: process.failed_builds,
        runner_cache_bytes: process.cache_bytes,
        runner_build_cache_bytes: process.build_cache_bytes,
        runner_step_log_bytes: process.step_log_bytes,
        steps: process.steps,
        runner_measure_seconds: process.measure_seconds,
        runner_docker_host: process.docker_host,
        proxy_caddy_admin: process.proxy_caddy_admin,
        proxy_switch_admin: process.proxy_switch_admin,
        proxy_switch_socket: process.proxy_switch_socket,
        proxy_listen: process.proxy_listen,
        ..Overrides::default()
    })?;
    logging::start(&config)?;
    let folder = RunnerFolder::of(&config.data_dir, id.as_str())?;
    let coordinator = Arc::new(RemoteCoordinator::new(servers, token.reveal())?);
    let runner = runner_config(&config, id.to_string());
    say(format_args!(
        "Slipway {} runs jobs for {names}, {} at once{}",
        env!("CARGO_PKG_VERSION"),
        runner.capacity,
        if runner.builds_only { ", builds only" } else { "" }
    ))?;

    let (drain, shutdown) = (CancellationToken::new(), CancellationToken::new());
    let running = slipway_runner::run_until_drained(runner, coordinator, drain.clone(), shutdown.clone());
    let mut running = std::pin::pin!(running);
    for (signal, next) in [
        (&drain, "finishing what runs; a second signal leaves it to the next start"),
        (&shutdown, "ending now; the next start goes on with what runs"),
    ] {
        tokio::select! {
            ended = running.as_mut() => return Ok(ended?),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("{next}");
        signal.cancel();
    }
    let ended = running.await;
    drop(folder);
    Ok(ended?)
}

fn token(given: Option<Secret>, file: Option<&std::path::Path>) -> Result<Secret, Failure> {
    match (given, file) {
        (Some(token), _) => Ok(Secret::new(token.reveal().trim())),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Secret::new(text.trim())),
            Err(error) => Err(Failure::new(format!("cannot read the token from {}: {error}", path.display()))),
        },
        (None, None) => Err(Failure::new(
            "no token is given: set SLIPWAY_RUNNER_TOKEN or SLIPWAY_RUNNER_TOKEN_FILE; `slipway runner create NAME` at \
             the server makes one",
        )),
    }
}

/// A runner without a proxy cannot serve a release to anyone.
fn runner_config(config: &Config, id: String) -> RunnerConfig {
    let proxy = proxy_config(&config.proxy);
    RunnerConfig {
        id,
        name: config.runner.name.clone(),
        data_dir: config.data_dir.clone(),
        capacity: config.runner.capacity,
        labels: config.runner.labels.clone(),
        builds_only: config.runner.builds_only || proxy.is_none(),
        internal_hosts: config.runner.internal_hosts.clone(),
        step_hosts: config.runner.step_hosts.clone(),
        docker_host: config.runner.docker_host.clone(),
        proxy,
        at_shutdown: AtShutdown::Leave,
        limits: config.runner.limits(),
    }
}
