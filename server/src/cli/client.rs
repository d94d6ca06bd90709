//! Talking to a running server by its API.

use std::time::Duration;

use clap::Args;
use reqwest::{
    Method, RequestBuilder, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use ulid::Ulid;
use url::Url;

use crate::{http::extract::ODD_BODY, secrets::Secret};

/// The server to talk to.
#[derive(Debug, Clone, Args)]
pub struct Client {
    /// The server's address.
    #[arg(
        long = "url",
        env = "SLIPWAY_URL",
        default_value = "http://127.0.0.1:7878",
        value_name = "URL",
        value_parser = server_address
    )]
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
    /// The token is the empty word, such as that of a variable that a CI does not have.
    #[error("SLIPWAY_TOKEN is empty: set it to a token of the server {0}")]
    EmptyToken(Url),
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

    /// Where people look at what the API has at `path`; without one, the server.
    #[must_use]
    pub fn page(&self, path: &[&str]) -> Url {
        let mut url = self.url.clone();
        url.set_query(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
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
            .map_err(|error| ClientError::Foreign { url: self.page(&[]), reason: error.to_string() })
    }

    /// Sends a POST, and says with the answer whether that is the one of an earlier time: the key was used before.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn once<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &(impl Serialize + Sync),
    ) -> Result<(T, bool), ClientError> {
        let (headers, bytes) = self.send(Method::POST, path, Some(body)).await?;
        let answer = serde_json::from_slice(&bytes)
            .map_err(|error| ClientError::Foreign { url: self.page(&[]), reason: error.to_string() })?;
        Ok((answer, headers.contains_key("idempotency-replayed")))
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
        let token = self.token.as_ref().ok_or_else(|| ClientError::NoToken(self.page(&[])))?;
        if token.reveal().trim().is_empty() {
            return Err(ClientError::EmptyToken(self.page(&[])));
        }
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        let unreachable =
            |error: reqwest::Error| ClientError::Unreachable { url: self.page(&[]), reason: innermost(&error) };
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().map_err(unreachable)?;
        // A POST has a key, and whatever else the API takes may be sent twice.
        let key = (method == Method::POST).then(|| self.key.clone().unwrap_or_else(|| Ulid::generate().to_string()));
        let request = || {
            let mut request = client.request(method.clone(), url.clone()).bearer_auth(token.reveal());
            if let Some(key) = &key {
                request = request.header("idempotency-key", key);
            }
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        let ((status, headers, bytes), times) = repeated(request).await.map_err(unreachable)?;
        // What an answer was lost of may have been done: then it is not there any more.
        if method == Method::DELETE && times > 1 && status == StatusCode::NOT_FOUND {
            return Ok((headers, Vec::new()));
        }
        if !status.is_success() {
            return Err(ClientError::Refused { status: status.as_u16(), detail: detail_of(&bytes) });
        }
        Ok((headers, bytes))
    }
}

/// How often a request is sent whose connection broke.
const TIMES: u32 = 3;
/// How long until it is sent again, the first time.
const PAUSE: Duration = Duration::from_millis(500);

type Whole = (StatusCode, HeaderMap, Vec<u8>);

/// Sends a request, and again where the connection broke before the answer was whole, or while the first one is still carried
/// out. With how often it was sent.
async fn repeated(request: impl Fn() -> RequestBuilder) -> Result<(Whole, u32), reqwest::Error> {
    for time in 1..TIMES {
        let answer = sent(request()).await;
        let is_to_repeat = match &answer {
            Ok((status, headers, _)) => *status == StatusCode::CONFLICT && headers.contains_key(RETRY_AFTER),
            Err(error) => !(error.is_connect() || error.is_timeout() || error.is_builder()),
        };
        if !is_to_repeat {
            return answer.map(|whole| (whole, time));
        }
        tokio::time::sleep(PAUSE * time).await;
    }
    sent(request()).await.map(|whole| (whole, TIMES))
}

async fn sent(request: RequestBuilder) -> Result<Whole, reqwest::Error> {
    let answer = request.send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    Ok((status, headers, answer.bytes().await?.to_vec()))
}

/// What a refusal says: the `detail` of a problem, or the beginning of whatever came.
fn detail_of(bytes: &[u8]) -> String {
    let problem: Option<Value> = serde_json::from_slice(bytes).ok();
    match problem.as_ref().and_then(|problem| problem["detail"].as_str()) {
        Some(detail) => without_the_body(detail).to_owned(),
        None => String::from_utf8_lossy(bytes).chars().take(200).collect(),
    }
}

/// What is wrong with a body, without where in the body: whoever gave options has written none.
fn without_the_body(detail: &str) -> &str {
    let Some(wrong) = detail.strip_prefix(ODD_BODY) else { return detail };
    let wrong = wrong.trim_start_matches(": ");
    wrong.rsplit_once(" at line ").map_or(wrong, |(wrong, _)| wrong)
}

/// The address of a server, which has a scheme.
fn server_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| {
        "the server's address was expected, such as http://127.0.0.1:7878 or https://slipway.example.com".to_owned()
    })
}

/// The cause at the bottom, which says what really happened.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::{server_address, without_the_body};

    #[test]
    fn what_is_wrong_is_told_without_the_body_that_nobody_wrote() {
        let odd = "The body is not what is expected here: give a time at line 1 column 35.";
        assert_eq!(without_the_body(odd), "give a time");
        assert_eq!(without_the_body("There is no build 7."), "There is no build 7.");
    }

    #[test]
    fn an_address_has_a_scheme() {
        assert!(server_address("https://slipway.example.com").is_ok());
        for odd in ["127.0.0.1:7878", "localhost:7878", "slipway.example.com", "", "http://"] {
            assert!(server_address(odd).is_err(), "{odd}");
        }
    }
}
