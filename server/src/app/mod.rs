//! The composition root: opens the store, starts the loops, the HTTP service and the embedded runner, and ends them.

mod data_dir;
mod notifier;
mod reporter;
mod runner;
mod runner_folder;
mod serve;
mod state;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

pub use data_dir::DataDirError;
pub(crate) use runner::proxy_config;
pub use runner_folder::{RunnerFolder, RunnerFolderError};
pub use state::AppState;

use crate::{
    access::{FirstToken, external::Providers, make_first_token},
    clock::SystemClock,
    config::Config,
    forge::Forges,
    http,
    notifications::Sender,
    queue,
    retention::Watch,
    secrets::{
        KeyError, Keyring,
        rotation::{self, RotationError},
    },
    store::{Archive, Store, StoreError},
};
use data_dir::DataDir;
use state::Parts;

/// How long requests that are being answered may take once the server shuts down.
const FAREWELL: Duration = Duration::from_secs(10);

/// How long the head of a request may take, and a connection may stay open without a request.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long a connection of nobody in particular is let be while others wait for its place.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long nothing at all of an answer may be taken.
const UNTAKEN_TIME: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    state: AppState,
    first_token: FirstToken,
    runner: Option<String>,
    serving: JoinHandle<()>,
    loops: TaskTracker,
    _data_dir: DataDir,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// There is no key to seal secrets with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key that the database is sealed with is not here.
    #[error(transparent)]
    Sealing(#[from] RotationError),
    /// Nothing can be sent to anybody.
    #[error("cannot read the certificates that HTTPS is checked with: {0}")]
    Certificates(#[from] reqwest::Error),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The embedded runner's identity cannot be kept.
    #[error("cannot keep the runner's identity in {path}: {source}")]
    RunnerIdentity {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; set `listen` to another address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}

impl App {
    /// Starts a server. When this returns, it answers.
    ///
    /// # Errors
    /// When the data directory, the key, the database or the address cannot be used.
    pub async fn start(config: Config) -> Result<App, StartError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let (key, previous) = (config.secret_key.as_ref(), config.secret_key_previous.as_ref());
        let keyring = Keyring::load_or_create(data_dir.path(), key, previous)?;
        let archive = Archive::open(&config.archive)?;
        let store = Store::open(config.database.reveal(), Arc::new(SystemClock)).await?.with_archive(archive);
        rotation::establish(&store, &keyring, config.secret_key_lost).await?;
        queue::limit_builds(&store, config.builds_per_repository).await?;
        queue::limit_build_time(&store, config.build_timeout_minutes).await?;

        let listen_failed = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen_failed)?;
        let address = listener.local_addr().map_err(listen_failed)?;

        let shutdown = CancellationToken::new();
        let public_url = config.public_url.clone().unwrap_or_else(|| url_of(address));
        let sender = Sender::new(config.mail.clone(), public_url.as_str())?;
        let forges = Forges::new(public_url.as_str(), &config.proxy.listen, Arc::clone(store.clock()))?;
        let providers = Providers::new(&config.logins, &public_url, store.clock())?;
        let watch = Watch::begin(&store).await?;
        let state = AppState::new(Parts {
            store,
            config,
            public_url,
            keyring,
            sender,
            forges,
            providers,
            watch,
            shutdown: shutdown.clone(),
        });
        let loops = TaskTracker::new();
        loops.spawn(rotation::keep(state.store.clone(), state.keyring.clone(), shutdown));
        notifier::start(&state, &loops);
        reporter::start(&state, &loops);
        let runner = runner::start(&state, data_dir.path(), &loops)?;
        // Whoever is to see it gets to see it: nothing fails after this.
        let first_token = make_first_token(&state.store).await?;
        let serving = serve(listener, &state);
        Ok(App { address, state, first_token, runner, serving, loops, _data_dir: data_dir })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its routes work with.
    #[must_use]
    pub fn state(&self) -> &AppState {
        &self.state
    }

    /// The administrator's token, where this start made it, and whether an earlier one was ever used.
    #[must_use]
    pub fn first_token(&self) -> &FirstToken {
        &self.first_token
    }

    /// The embedded runner's id, by which everything that it makes on the engine is labelled; none where it is disabled.
    #[must_use]
    pub fn runner(&self) -> Option<&str> {
        self.runner.as_deref()
    }

    /// Resolves when it serves no more, which happens on its own only when something broke.
    pub fn ended(&self) -> impl Future<Output = ()> + use<> {
        self.state.shutdown.clone().cancelled_owned()
    }

    /// Ends it: no new requests, the streams end, what is being answered is answered, the runner stops.
    pub async fn stop(self) {
        self.state.shutdown.cancel();
        let mut serving = self.serving;
        if tokio::time::timeout(FAREWELL, &mut serving).await.is_err() {
            tracing::warn!("some requests did not end in time; they are cut off");
            serving.abort();
        }
        self.loops.close();
        self.loops.wait().await;
        self.state.store.close().await;
    }
}

fn serve(listener: TcpListener, state: &AppState) -> JoinHandle<()> {
    let service = http::service(state.clone());
    let limits = serve::Limits {
        connections: state.config.max_connections,
        head: HEAD_TIME,
        patience: PATIENCE,
        untaken: UNTAKEN_TIME,
    };
    let (shutdown, proxies) = (state.shutdown.clone(), state.config.trusted_proxies.clone());
    tokio::spawn(async move {
        // Should it end by itself, everything else ends with it.
        let _ended = shutdown.clone().drop_guard();
        serve::serve(listener, service, limits, proxies, shutdown).await;
    })
}

/// The address of a server that was not told its public one.
fn url_of(address: SocketAddr) -> Url {
    let host = if address.ip().is_unspecified() { "localhost".to_owned() } else { address.ip().to_string() };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    #[expect(clippy::expect_used, reason = "an address and a port make a URL")]
    Url::parse(&format!("http://{host}:{}", address.port())).expect("a URL")
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn a_server_without_a_public_url_names_its_address() {
        let url = |ip| url_of(SocketAddr::new(ip, 7878)).to_string();
        assert_eq!(url(IpAddr::V4(Ipv4Addr::LOCALHOST)), "http://127.0.0.1:7878/");
        assert_eq!(url(IpAddr::V6(Ipv6Addr::LOCALHOST)), "http://[::1]:7878/");
        assert_eq!(url(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), "http://localhost:7878/");
    }
}
