//! The way from the outside to an environment's containers: routes by host name, moved from container to container
//! without a request being lost.
//!
//! Caddy ends the server of its earlier configuration with every change: what is asked is answered, but connections that
//! wait for their next request are closed, and an HTTP/1.1 client that writes at that moment loses its request. So two
//! Caddys share the work. The *edge* holds the clients' connections and hardly ever changes; it hands each request on to
//! the *switch*, over a unix socket and a connection of the request's own. The switch takes all changes: it has no
//! connection that waits, and its socket with those who queue at it goes over to each next server.

mod admin;
mod caddy;
mod document;
mod lanes;
mod order;
mod settings;
pub(crate) mod site;
mod traffic;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use caddy::Caddy;
pub use settings::{ProxyConfig, SwitchConfig};
pub use traffic::{Lane, Traffic};

/// What a rollout asks of a proxy. Every call may be repeated; a route changes in one step that no request sees half of.
#[async_trait]
pub trait Proxy: Send + Sync + std::fmt::Debug + 'static {
    /// Makes sure that the proxy is there and listens where it should, and leaves alone whatever else it serves.
    async fn prepare(&self) -> Result<(), ProxyError>;

    /// The route as it stands; none if there is none of this name.
    async fn route(&self, id: &str) -> Result<Option<Route>, ProxyError>;

    /// What all routes answer for, and whose they are.
    async fn claims(&self) -> Result<Vec<Claim>, ProxyError>;

    /// Makes the route be exactly this, whether or not it was there before. Where it is this already, nothing changes.
    async fn put(&self, id: &str, route: &Route) -> Result<(), ProxyError>;

    /// Takes the route away. What was counted of its upstreams is forgotten.
    async fn remove(&self, id: &str) -> Result<(), ProxyError>;

    /// What was counted of a route that is divided or [counted](Route::counted), since some moment in the past: the difference
    /// of two answers is what happened between them.
    async fn traffic(&self, id: &str) -> Result<Traffic, ProxyError>;

    /// Takes away what a route needed that was divided or counted, once no request is on its way there. One that still is, is
    /// left alone.
    async fn close_lanes(&self, id: &str) -> Result<(), ProxyError>;

    /// How many requests an upstream of any route (draining ones included) is answering now.
    async fn requests_in_flight(&self, upstream: &str) -> Result<u64, ProxyError>;

    /// A sentence for people when the way it is set up may lose requests; none when it does not.
    fn advice(&self) -> Option<&'static str>;
}

/// Where the requests for some host names, or for some paths of them, go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// Whose it is, in words: `web in production of acme/shop`.
    pub owner: String,
    /// The host names, each with the path that its requests begin with where the route is not for all of them, as in
    /// `shop.example.com/api`; without any, the route gets no requests. A request that fits several routes is for the one with
    /// the longest path, and is passed on as it came.
    pub hosts: Vec<String>,
    /// `address:port` of every container that takes new requests; without any, the route gets no requests.
    pub upstreams: Vec<String>,
    /// Containers that take no new requests but whose open ones are still counted.
    pub draining: Vec<String>,
    /// The part of the requests that goes to other containers, and is counted apart.
    pub canary: Option<Canary>,
    /// Whether its requests are counted although they are not divided, as the stable part of [`Proxy::traffic`].
    pub counted: bool,
}

/// A part of a route's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// How many of a hundred requests.
    pub share: u8,
    /// `address:port` of every container that takes them.
    pub upstreams: Vec<String>,
}

impl Route {
    /// Whether requests are sent anywhere by it.
    #[must_use]
    pub fn serves(&self) -> bool {
        !self.hosts.is_empty() && self.all_upstreams().next().is_some()
    }

    /// Whether its requests take lanes, where they are counted.
    #[must_use]
    pub fn takes_lanes(&self) -> bool {
        self.counted || self.canary.is_some()
    }

    /// Every container that takes new requests.
    pub fn all_upstreams(&self) -> impl Iterator<Item = &String> {
        self.upstreams.iter().chain(self.canary.iter().flat_map(|canary| &canary.upstreams))
    }
}

/// What a route holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The route's name.
    pub id: String,
    /// [`Route::owner`]; empty where the route does not say.
    pub owner: String,
    /// [`Route::hosts`].
    pub hosts: Vec<String>,
}

/// What went wrong between Slipway and the proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Nothing answers at the proxy's admin address.
    #[error("the proxy cannot be reached at {address}: {reason}. Check that Caddy runs and that its admin API is on")]
    Unreachable {
        /// The admin address.
        address: String,
        /// What the attempt met.
        reason: String,
    },
    /// The proxy is changed by somebody else whenever a change is made.
    #[error(
        "the proxy at {address} is being changed by others again and again, and could not {doing}. See what else configures it"
    )]
    Contended {
        /// The admin address.
        address: String,
        /// What was asked of it.
        doing: String,
    },
    /// The proxy refused a change; what it did before, it still does.
    #[error("the proxy at {address} would not {doing}: {reason}")]
    Refused {
        /// The admin address.
        address: String,
        /// What was asked of it.
        doing: String,
        /// What it said.
        reason: String,
    },
}
