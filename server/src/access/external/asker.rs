//! Asking a provider: in bounded time, for a bounded answer, and nobody that it sends on to.

use std::{future::Future, pin::Pin, time::Duration};

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, http};
use reqwest::{Client, redirect};

/// How long one question may take.
const TIME: Duration = Duration::from_secs(10);
/// The most of an answer that is read, in bytes.
const LARGEST: usize = 512 * 1024;

/// Asks one provider.
#[derive(Debug, Clone)]
pub(super) struct Asker(Client);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("it did not answer within {} seconds", TIME.as_secs())]
    Slow,
    #[error("it cannot be reached ({0})")]
    Unreached(String),
    #[error("its answer is larger than {} KiB", LARGEST / 1024)]
    TooLarge,
    #[error("its answer cannot be read ({0})")]
    Unreadable(#[from] http::Error),
}

impl From<reqwest::Error> for AskError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return AskError::Slow;
        }
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        AskError::Unreached(cause.to_string())
    }
}

impl Asker {
    /// Asks by https alone, unless the provider is on this machine.
    pub(super) fn new(is_local: bool) -> Result<Self, reqwest::Error> {
        slipway_runner::tls::provide();
        // Whoever is sent on to would get the secret. GitHub refuses who does not name himself.
        let client = Client::builder().timeout(TIME).redirect(redirect::Policy::none()).user_agent("slipway");
        client.https_only(!is_local).build().map(Asker)
    }

    pub(super) async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, AskError> {
        let mut answer = self.0.execute(request.try_into()?).await?;
        let mut response = http::Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > LARGEST {
                return Err(AskError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(response.body(body)?)
    }
}

impl<'c> AsyncHttpClient<'c> for Asker {
    type Error = AskError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, AskError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}
