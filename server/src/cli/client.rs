//! Talking to a running server by its API.

use std::time::Duration;

use clap::Args;
use reqwest::{Method, header::HeaderMap};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use crate::secrets::Secret;

/// The server to talk to.
#[derive(Debug, Clone, Args)]
pub struct Client {
    /// The server's address.
    #[arg(long = "url", env = "SLIPWAY_URL", default_value = "http://127.0.0.1:7878", value_name = "URL")]
    url: Url,
    /// The token to show.
    #[arg(long, env = "SLIPWAY_TOKEN", hide_env_values = true, hide = true)]
    token: Option<Secret>,
    /// By which the server knows again what is sent twice.
    #[arg(skip)]
    key: Option<String>,
}

/// Why the server did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No token is set.
    #[error("set SLIPWAY_TOKEN to a token of the server {0}")]
    NoToken(Url),
    /// The server cannot be reached.
    #[error("cannot reach the server at {url}: {reason}; set SLIPWAY_URL to its address")]
    Unreachable {
        /// The server.
        url: Url,
        /// What went wrong.
        reason: String,
    },
    /// The server refused.
    #[error("the server refused ({status}): {detail}")]
    Refused {
        /// The answer's status.
        status: u16,
        /// What the server said.
        detail: String,
    },
    /// The answer makes no sense.
    #[error("what answers at {url} does not speak Slipway's API: {reason}")]
    Foreign {
        /// The server.
        url: Url,
        /// What was wrong with the answer.
        reason: String,
    },
}

impl Client {
    /// The same, with parameters behind the path.
    #[must_use]
    pub fn asking(mut self, parameters: &[(&str, &str)]) -> Self {
        self.url.query_pairs_mut().extend_pairs(parameters);
        self
    }

    /// A client of the server at `url`.
    #[must_use]
    pub fn new(url: Url, token: Secret) -> Self {
        Client { url, token: Some(token), key: None }
    }

    /// The same, naming what it sends by a key, so that the server does it once.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Client { key: Some(key.to_owned()), ..self.clone() }
    }

    /// Sends a request to `path` below `/api/v1/` and reads the answer.
    ///
    /// # Errors
    /// When no token is set, the server cannot be reached or refuses.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, ClientError> {
        let (_, bytes) = self.send(method, path, body).await?;
        let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(text)
            .map_err(|error| ClientError::Foreign { url: self.url.clone(), reason: error.to_string() })
    }

    /// Asks for the text at `path` below `/api/v1/`; its headers come with it.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn text(&self, path: &[&str]) -> Result<(HeaderMap, String), ClientError> {
        let (headers, bytes) = self.send(Method::GET, path, None::<&Value>).await?;
        Ok((headers, String::from_utf8_lossy(&bytes).into_owned()))
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<(HeaderMap, Vec<u8>), ClientError> {
        let token = self.token.as_ref().ok_or_else(|| ClientError::NoToken(self.url.clone()))?;
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        let unreachable =
            |error: reqwest::Error| ClientError::Unreachable { url: self.url.clone(), reason: innermost(&error) };
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().map_err(unreachable)?;
        let mut request = client.request(method, url).bearer_auth(token.reveal());
        if let Some(key) = &self.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(unreachable)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.bytes().await.map_err(unreachable)?;
        if !status.is_success() {
            return Err(ClientError::Refused { status: status.as_u16(), detail: detail_of(&bytes) });
        }
        Ok((headers, bytes.to_vec()))
    }
}

/// What a refusal says: the `detail` of a problem, or the beginning of whatever came.
fn detail_of(bytes: &[u8]) -> String {
    let problem: Option<Value> = serde_json::from_slice(bytes).ok();
    match problem.as_ref().and_then(|problem| problem["detail"].as_str()) {
        Some(detail) => detail.to_owned(),
        None => String::from_utf8_lossy(bytes).chars().take(200).collect(),
    }
}

/// The cause at the bottom, which says what really happened.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
