//! A gate in front of a registry, through which an image is pushed: it refuses or holds what would change the registry.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{api::http_client, registry::RegistryFixture};

/// What the gate does with requests that change the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Lets them pass.
    Open,
    /// Answers so many manifests with this status, and is open then.
    Refusing {
        /// The status.
        status: u16,
        /// How many.
        manifests: u32,
    },
    /// Holds them until it is set otherwise.
    Holding,
}

/// The gate; closed for good when it is dropped.
#[derive(Debug)]
pub struct RegistryGate {
    port: u16,
    keeper: Arc<Keeper>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Keeper {
    registry: String,
    gate: watch::Sender<Gate>,
    held: watch::Sender<u32>,
    turned_away: Mutex<u32>,
}

impl RegistryGate {
    /// An open gate in front of a registry.
    pub async fn before(registry: &RegistryFixture) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let keeper = Arc::new(Keeper {
            registry: registry.host(),
            gate: watch::Sender::new(Gate::Open),
            held: watch::Sender::new(0),
            turned_away: Mutex::new(0),
        });
        let router = Router::new().fallback(pass).with_state(keeper.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the gate is served");
        });
        RegistryGate { port, keeper, serving }
    }

    /// The name of an image behind the gate, without a tag.
    #[must_use]
    pub fn image(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// What it does from now on.
    pub fn set(&self, gate: Gate) {
        self.keeper.gate.send_replace(gate);
    }

    /// Waits until it holds a request.
    pub async fn holds(&self) {
        let mut held = self.keeper.held.subscribe();
        held.wait_for(|held| *held > 0).await.expect("the gate is there");
    }

    /// How many requests it has refused.
    #[must_use]
    pub fn turned_away(&self) -> u32 {
        *self.keeper.turned_away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RegistryGate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(State(keeper): State<Arc<Keeper>>, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    if !request.method().is_safe() {
        if let Some(status) = keeper.refuses(&path) {
            return (status, [(header::RETRY_AFTER, "1")], "the gate is closed").into_response();
        }
        let mut gate = keeper.gate.subscribe();
        if *gate.borrow_and_update() == Gate::Holding {
            keeper.held.send_modify(|held| *held += 1);
            gate.wait_for(|gate| *gate != Gate::Holding).await.expect("the gate is there");
        }
    }
    let (parts, body) = request.into_parts();
    // The registry makes addresses from the host that it was asked as: they lead through the gate again.
    let asked = http_client()
        .request(parts.method, format!("http://{}{path}", keeper.registry))
        .headers(parts.headers)
        .body(reqwest::Body::wrap_stream(body.into_data_stream()));
    let Ok(answer) = asked.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if *name != HeaderName::from_static("transfer-encoding") {
            response = response.header(name, value);
        }
    }
    response.body(Body::from_stream(answer.bytes_stream())).expect("an answer")
}

impl Keeper {
    fn refuses(&self, path: &str) -> Option<StatusCode> {
        let mut refused = None;
        self.gate.send_if_modified(|gate| {
            let Gate::Refusing { status, manifests } = *gate else { return false };
            if !path.contains("/manifests/") {
                return false;
            }
            refused = StatusCode::from_u16(status).ok();
            *self.turned_away.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            *gate = match manifests - 1 {
                0 => Gate::Open,
                manifests => Gate::Refusing { status, manifests },
            };
            true
        });
        refused
    }
}
