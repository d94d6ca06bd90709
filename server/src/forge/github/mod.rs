//! GitHub, by as much of its REST API as is needed (described in <https://github.com/github/rest-api-description>, in words
//! at <https://docs.github.com/rest>).

mod answers;
mod app;
mod deployment;
mod status;

use std::{sync::Arc, time::Duration};

use reqwest::{Client, Method, redirect};
use serde_json::Value;

pub use answers::{Refusal, Standing};
pub(super) use app::check_key;
use app::{Need, Tokens};

use super::{Credential, Report};
use crate::{clock::Clock, environments::served_at, secrets::Secret, store::forge_credentials::SealedCredential};

/// The version of the API that is spoken; GitHub keeps one for at least two years after the next.
const VERSION: &str = "2022-11-28";
/// How long one request may take.
const TIME: Duration = Duration::from_secs(15);

/// Speaks to forges. Cloning it is cheap.
#[derive(Clone)]
pub struct Forges {
    http: Client,
    clock: Arc<dyn Clock>,
    tokens: Arc<Tokens>,
    /// Where people reach this server, without a slash at the end.
    base: String,
    /// Where the proxy listens.
    proxy: Vec<String>,
}

impl std::fmt::Debug for Forges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forges").field("base", &self.base).finish_non_exhaustive()
    }
}

/// A repository at its forge, with what may be done there.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    forges: &'a Forges,
    sealed: &'a SealedCredential,
    credential: &'a Credential,
    /// `owner/name`.
    repository: &'a str,
}

impl Forges {
    /// Speaks to forges, and links to the server's pages at `base` and to what is released behind a proxy that listens there.
    ///
    /// # Errors
    /// When the operating system's certificates cannot be read.
    pub fn new(base: &str, proxy: &[String], clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        slipway_runner::tls::provide();
        // GitHub refuses who does not name himself. Whoever answers with a redirect would get the credential.
        let http = Client::builder().timeout(TIME).redirect(redirect::Policy::none()).user_agent("slipway").build()?;
        Ok(Forges {
            http,
            clock,
            tokens: Arc::default(),
            base: base.trim_end_matches('/').to_owned(),
            proxy: proxy.to_vec(),
        })
    }

    /// A repository, with the credential for it.
    pub(crate) fn account<'a>(
        &'a self,
        sealed: &'a SealedCredential,
        credential: &'a Credential,
        repository: &'a str,
    ) -> Account<'a> {
        Account { forges: self, sealed, credential, repository }
    }

    fn served_at(&self, domain: &str) -> String {
        served_at(domain, &self.proxy)
    }

    async fn call(&self, method: Method, url: String, bearer: &Secret, body: Option<&Value>) -> Result<Value, Refusal> {
        let mut request = self
            .http
            .request(method, url)
            .bearer_auth(bearer.reveal())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", VERSION);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| Refusal::for_now(answers::unreached(&error)))?;
        answers::read(answer, self.clock.now()).await
    }
}

impl Account<'_> {
    /// Has the forge show something. It may show it although this fails, as when the answer is lost. `known` is the forge's
    /// own id of it, and is set as soon as that is known.
    ///
    /// # Errors
    /// [`Refusal`] says why not, and whether to try again.
    pub(crate) async fn report(&self, report: &Report, known: &mut Option<String>) -> Result<(), Refusal> {
        match report {
            Report::Status(status) => status::send(self, status).await,
            Report::Deployment(deployment) => deployment::send(self, deployment, known).await,
        }
    }

    /// Asks for the repository: whether the credential is good, and for this repository.
    ///
    /// # Errors
    /// [`Refusal`] says why not.
    pub(crate) async fn check(&self) -> Result<(), Refusal> {
        self.ask(Need::Statuses, Method::GET, "", None).await.map(drop)
    }

    /// A token by which the repository's files may be read: the credential's own, or a new one for the App, which holds for
    /// an hour from now.
    ///
    /// # Errors
    /// [`Refusal`] says why the App is given none.
    pub(crate) async fn token_to_read(&self) -> Result<Secret, Refusal> {
        match self.credential {
            Credential::Token(token) => Ok(token.clone()),
            Credential::App { id, key } => app::new_token(self, Need::Contents, id, key).await,
        }
    }

    /// Asks for something below the repository.
    async fn ask(&self, need: Need, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Refusal> {
        let url = format!("{}/repos/{}{path}", self.sealed.api, self.repository);
        let (id, key) = match self.credential {
            Credential::Token(token) => return self.forges.call(method, url, token, body).await,
            Credential::App { id, key } => (id, key),
        };
        let token = app::token(self, need, id, key).await?;
        let answer = self.forges.call(method.clone(), url.clone(), &token, body).await;
        match answer {
            // It ended before its time: the next one is asked for.
            Err(refusal) if refusal.standing == Standing::Refused && app::forget(self, need, &token) => {
                let token = app::token(self, need, id, key).await?;
                self.forges.call(method, url, &token, body).await
            }
            answer => answer,
        }
    }
}
