//! One call to one of the servers.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{
    Client, Method, RequestBuilder,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{AddressError, ServerAddress, answer};
use crate::{
    coordinator::{CoordinatorError, LeaseKey},
    tls,
};

/// Says which life of a runner asks: what one that was killed had sent may still be on its way when the next one reports.
pub const LIFE_HEADER: &str = "slipway-life";

const CONNECT: Duration = Duration::from_secs(4);
/// Shorter than a server keeps a connection open on which nothing is asked.
const KEPT_OPEN: Duration = Duration::from_secs(20);
/// Smaller bodies are sent as they are.
const WORTH_PACKING: usize = 1_024;
/// Of zstd, the fastest.
const LEVEL: i32 = 1;

/// The line to the servers: one of them at a time.
#[derive(Debug)]
pub(super) struct Line {
    client: Client,
    servers: Vec<ServerAddress>,
    current: AtomicUsize,
    /// The life of the runner, once it has announced itself.
    life: OnceLock<String>,
}

/// A call to be made.
#[derive(Debug)]
pub(super) struct Call<'a> {
    method: Method,
    path: &'a str,
    limit: Duration,
    lease: Option<&'a LeaseKey>,
    body: Option<(Vec<u8>, bool)>,
}

impl<'a> Call<'a> {
    /// A call without a body; it is given up after `limit`.
    pub(super) fn new(method: Method, path: &'a str, limit: Duration) -> Self {
        Call { method, path, limit, lease: None, body: None }
    }

    /// The same for what is reported under a lease.
    pub(super) fn under(self, lease: &'a LeaseKey) -> Self {
        Call { lease: Some(lease), ..self }
    }

    /// The same with a body.
    pub(super) fn with(self, body: &impl Serialize) -> Result<Self, CoordinatorError> {
        Ok(Call { body: Some((json(body)?, false)), ..self })
    }

    /// The same with a body that is packed if that is worth it.
    pub(super) fn with_packed(self, body: &impl Serialize) -> Result<Self, CoordinatorError> {
        let text = json(body)?;
        if text.len() < WORTH_PACKING {
            return Ok(Call { body: Some((text, false)), ..self });
        }
        match zstd::bulk::compress(&text, LEVEL) {
            Ok(packed) => Ok(Call { body: Some((packed, true)), ..self }),
            Err(_) => Ok(Call { body: Some((text, false)), ..self }),
        }
    }

    fn put_on(&self, request: RequestBuilder) -> RequestBuilder {
        let Some((body, packed)) = &self.body else { return request };
        let request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        if *packed { request.header(CONTENT_ENCODING, "zstd") } else { request }
    }
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, CoordinatorError> {
    serde_json::to_vec(body).map_err(|error| CoordinatorError::Refused { reason: format!("it is no JSON: {error}") })
}

impl Line {
    pub(super) fn new(servers: Vec<ServerAddress>, token: &str) -> Result<Self, AddressError> {
        if servers.is_empty() {
            return Err(AddressError::None);
        }
        tls::provide();
        let no_client = |cause: String| AddressError::NoClient(cause);
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| no_client("the token has characters that none has".to_owned()))?;
        bearer.set_sensitive(true);
        let client = Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            // Whoever could send a runner elsewhere would be shown its token.
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(KEPT_OPEN)
            .tcp_keepalive(KEPT_OPEN)
            .build()
            .map_err(|error| no_client(error.to_string()))?;
        Ok(Line { client, servers, current: AtomicUsize::new(0), life: OnceLock::new() })
    }

    /// All calls from now on are of this life of the runner, of which there is one in a process.
    pub(super) fn live(&self, life: &str) {
        let _ = self.life.set(life.to_owned());
    }

    /// The server that is spoken to now.
    pub(super) fn server(&self) -> &ServerAddress {
        &self.servers[self.current.load(Ordering::Relaxed) % self.servers.len()]
    }

    /// Makes a call. A server that cannot answer makes way for the next one.
    pub(super) async fn make<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CoordinatorError> {
        let turn = self.current.load(Ordering::Relaxed);
        let server = &self.servers[turn % self.servers.len()];
        let mut request = call.put_on(self.client.request(call.method.clone(), server.route(call.path)));
        if let Some(life) = self.life.get() {
            request = request.header(LIFE_HEADER, life);
        }
        let answered = async { answer::read(request.send().await, call.lease).await };
        let answer = tokio::time::timeout(call.limit, answered).await;
        let answer = answer.unwrap_or_else(|_| Err(CoordinatorError::Unavailable { reason: "no answer".to_owned() }));
        answer.map_err(|error| match error {
            CoordinatorError::Unavailable { reason } => {
                // Whichever call finds it out first; the others have their own turn behind them.
                let _ = self.current.compare_exchange(turn, turn + 1, Ordering::Relaxed, Ordering::Relaxed);
                CoordinatorError::Unavailable { reason: format!("{server}: {reason}") }
            }
            other => other,
        })
    }
}
