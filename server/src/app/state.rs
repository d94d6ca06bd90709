//! What every route works with.

use std::{net::IpAddr, ops::Deref, sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    access::{
        LoginLimit,
        external::{AttemptCookie, Providers},
        session::SessionCookie,
    },
    config::Config,
    deliveries::{Decoy, Refusals},
    forge::Forges,
    http::{Bodies, UnderWay},
    ids::SessionId,
    intake::Intake,
    notifications::Sender,
    queue::{ServerCoordinator, Timing},
    retention::Watch,
    secrets::{Keyring, Sealer},
    store::Store,
    users::Passwords,
};

/// The server as its routes see it. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Shared>);

/// The parts of [`AppState`].
#[derive(Debug)]
pub struct Shared {
    /// The database, with its clock and its bells.
    pub store: Store,
    /// The configuration.
    pub config: Config,
    /// Where people and GitHub reach this server.
    pub public_url: Url,
    /// The keys of the secrets.
    pub keyring: Keyring,
    /// Seals and opens what must not be read from the database.
    pub sealer: Sealer,
    /// Sends what people are told.
    pub sender: Sender,
    /// Shows forges what happens.
    pub forges: Forges,
    /// Whether the clock is believed by which things get old.
    pub watch: Arc<Watch>,
    /// Cancelled when the server shuts down: every stream ends then.
    pub shutdown: CancellationToken,
    /// Where else people can prove who they are.
    pub providers: Providers,
    /// How logins under way are kept in browsers.
    pub attempt_cookie: AttemptCookie,
    /// How sessions are kept in browsers.
    pub cookie: SessionCookie,
    /// What runners speak to: the embedded one directly, others through their routes.
    pub coordinator: ServerCoordinator,
    /// The brake on guessing at the login.
    pub login_limit: LoginLimit<IpAddr>,
    /// Of each name, by its hash, whether or not somebody is called so.
    pub account_limit: LoginLimit<Vec<u8>>,
    /// On guessing at one's old password, of each session.
    pub password_limit: LoginLimit<SessionId>,
    /// Works on passwords.
    pub passwords: Passwords,
    /// The room that deliveries are read in.
    pub bodies: Bodies,
    /// The requests with a key that are being carried out.
    pub under_way: UnderWay,
    /// The way in for deliveries whose signature held.
    pub intake: Intake,
    /// Stands in for the hook that does not exist.
    pub decoy: Decoy,
    /// Why deliveries were refused lately.
    pub refusals: Refusals,
    /// How many pages are followed live at once: half of the connections, so that pages left open keep nobody out.
    /// Beyond that, pages are still shown, but not live.
    pub live_pages: Arc<Semaphore>,
}

/// What a state is made of; the rest follows.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) store: Store,
    pub(super) config: Config,
    pub(super) public_url: Url,
    pub(super) keyring: Keyring,
    pub(super) sender: Sender,
    pub(super) forges: Forges,
    pub(super) providers: Providers,
    pub(super) watch: Watch,
    pub(super) shutdown: CancellationToken,
}

impl AppState {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { store, config, public_url, keyring, sender, forges, providers, watch, shutdown } = parts;
        let sealer = keyring.sealer();
        let credentials = Arc::new(sealer.clone());
        let coordinator = ServerCoordinator::new(store.clone(), credentials, timing(&config)).lending(forges.clone());
        AppState(Arc::new(Shared {
            attempt_cookie: AttemptCookie::new(public_url.scheme() == "https"),
            providers,
            cookie: SessionCookie::new(public_url.scheme() == "https"),
            coordinator: coordinator
                .at(public_url.as_str())
                .ending_with(shutdown.clone())
                .keeping_releases(config.retention.releases_keep),
            login_limit: LoginLimit::default(),
            account_limit: LoginLimit::default(),
            password_limit: LoginLimit::default(),
            passwords: Passwords::default(),
            bodies: Bodies::new(config.max_delivery_bytes),
            under_way: UnderWay::default(),
            intake: Intake::start(store.clone()),
            decoy: Decoy::new(&sealer),
            refusals: Refusals::default(),
            live_pages: Arc::new(Semaphore::new((config.max_connections / 2).max(1))),
            store,
            config,
            public_url,
            keyring,
            sealer,
            sender,
            forges,
            watch: Arc::new(watch),
            shutdown,
        }))
    }

    /// The address of a path of this server, as it is given to others.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// How long leases hold, and how often they are looked at.
pub(super) fn timing(config: &Config) -> Timing {
    Timing::of_lease(Duration::from_secs(config.lease_seconds.into()))
}
