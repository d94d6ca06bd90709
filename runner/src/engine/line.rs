//! Requests to an engine that bollard has no words for: an image build with a session of our own, and what things take on its
//! disk, of which bollard reads the newest engines' answers alone.
//!
//! bollard's own session answers BuildKit's questions for logins, and for nothing else; secrets are among the questions.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, header, redirect::Policy};
use serde::de::DeserializeOwned;

use super::{Engine, EngineError};
use crate::{failure::root_cause, tls};

/// How long the engine may take until the headers of an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// The longest refusal that is read, in characters.
const REFUSAL_LIMIT: usize = 4_096;

/// A way to one engine.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    http: Client,
    base: String,
    address: String,
}

impl Line {
    /// A way to the engine that takes no detours: no proxy of the environment's, no redirect.
    pub(crate) fn to(engine: &Engine) -> Result<Self, EngineError> {
        tls::provide();
        let address = engine.address().to_owned();
        let builder = Client::builder().no_proxy().redirect(Policy::none()).http1_only();
        let (builder, base) = match address.strip_prefix("unix://") {
            Some(path) => (builder.unix_socket(path), "http://docker".to_owned()),
            None => (builder, address.replacen("tcp://", "http://", 1)),
        };
        match builder.build() {
            Ok(http) => Ok(Line { http, base: base.trim_end_matches('/').to_owned(), address }),
            Err(error) => Err(EngineError::Unreachable { address, cause: root_cause(&error) }),
        }
    }

    /// Sends a request and waits for the headers of its answer, which is not a refusal.
    pub(crate) async fn post(
        &self,
        doing: &str,
        path: &str,
        headers: header::HeaderMap,
        body: reqwest::Body,
    ) -> Result<Response, EngineError> {
        self.answer(doing, self.http.post(format!("{}{path}", self.base)).headers(headers).body(body)).await
    }

    /// Asks for something, and reads the answer.
    pub(super) async fn get<T: DeserializeOwned>(&self, doing: &str, path: &str) -> Result<T, EngineError> {
        let answer = self.answer(doing, self.http.get(format!("{}{path}", self.base))).await?;
        answer.json().await.map_err(|error| self.unreachable(&error))
    }

    async fn answer(&self, doing: &str, request: RequestBuilder) -> Result<Response, EngineError> {
        let answer = match tokio::time::timeout(ANSWER_LIMIT, request.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.unreachable(&error)),
            Err(_) => {
                let cause = format!("no answer within {} s", ANSWER_LIMIT.as_secs());
                return Err(EngineError::Unreachable { address: self.address.clone(), cause });
            }
        };
        let status = answer.status();
        if status.is_client_error() || status.is_server_error() {
            let said = answer.text().await.unwrap_or_default();
            return Err(EngineError::Refused {
                doing: doing.to_owned(),
                status: status.as_u16(),
                message: refusal(&said),
            });
        }
        Ok(answer)
    }

    /// What a broken connection is told as.
    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> EngineError {
        EngineError::Unreachable { address: self.address.clone(), cause: root_cause(error) }
    }
}

/// The sentence in an engine's refusal.
fn refusal(said: &str) -> String {
    let message = serde_json::from_str::<serde_json::Value>(said)
        .ok()
        .and_then(|value| Some(value.get("message")?.as_str()?.to_owned()));
    message.unwrap_or_else(|| said.to_owned()).trim().chars().take(REFUSAL_LIMIT).collect()
}
