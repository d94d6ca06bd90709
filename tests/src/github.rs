//! A GitHub that is told things: it stands in for the REST API, and answers in the shapes that GitHub publishes
//! (<https://github.com/github/rest-api-description>, version 2022-11-28).

mod answers;
mod app;
mod oauth;

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use answers::refusal;
use app::App;
pub use app::AppKey;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, Uri},
    response::Response,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::wait::until;

const PATIENCE: Duration = Duration::from_secs(60);

/// The stand-in. Dropped, it is gone.
#[derive(Debug)]
pub struct GitHub {
    url: String,
    held: Arc<Mutex<Held>>,
    serving: JoinHandle<()>,
}

/// What becomes of a request, instead of what usually does.
#[derive(Debug, Clone)]
pub enum Next {
    /// It is answered with this status, these headers and this message, and nothing is done.
    Refuse(u16, Vec<(&'static str, String)>, &'static str),
    /// It is done and answered, as usual.
    Answer,
    /// It is done, and no answer comes.
    Lose,
}

/// A commit status that it was told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The repository.
    pub repository: String,
    /// The commit.
    pub sha: String,
    /// The context.
    pub context: String,
    /// The state.
    pub state: String,
    /// The line for people.
    pub description: String,
    /// Where it leads.
    pub target_url: String,
}

/// A deployment that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The repository.
    pub repository: String,
    /// The commit.
    pub sha: String,
    /// The environment.
    pub environment: String,
    /// What it was made with.
    pub body: Value,
    /// The statuses that it was given, in order, as they came.
    pub statuses: Vec<Value>,
}

impl Deployed {
    /// The states that it was given, in order.
    #[must_use]
    pub fn states(&self) -> Vec<String> {
        self.statuses.iter().map(|status| status["state"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method and path, such as `POST /repos/acme/shop/statuses/…`.
    pub line: String,
    /// Its body; null where there is none.
    pub body: Value,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<String>,
    app: Option<App>,
    next: VecDeque<Next>,
    calls: Vec<Call>,
    statuses: Vec<Shown>,
    deployments: Vec<Deployed>,
    oauth: oauth::OAuth,
}

impl GitHub {
    /// Opens one that admits nobody.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("a port"));
        let held = Arc::new(Mutex::new(Held::default()));
        let service = Router::new().fallback(take).with_state(Arc::clone(&held));
        let serving = tokio::spawn(async move { axum::serve(listener, service).await.expect("a server") });
        GitHub { url, held, serving }
    }

    /// The address of its API.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits this personal access token, and no other any more.
    pub fn admit(&self, token: &str) {
        self.held().token = Some(token.to_owned());
    }

    /// Installs an App for a repository, with these permissions.
    pub fn install(&self, id: &str, key: &AppKey, repository: &str, permissions: Value) {
        self.held().app = Some(App {
            id: id.to_owned(),
            public_key: key.public.clone(),
            repository: repository.to_owned(),
            permissions,
            tokens: BTreeMap::new(),
            made: 0,
        });
    }

    /// Has an application that people log in to.
    pub fn register(&self, client_id: &str, client_secret: &str) {
        self.held().oauth.client = (client_id.to_owned(), client_secret.to_owned());
    }

    /// Whoever comes next is logged in there as this account, which belongs to organisations and teams (`acme/ops`), or is
    /// invited to them (`pending`).
    pub fn log_in(&self, id: u64, login: &str, memberships: &[(&str, &str)]) {
        let memberships = memberships.iter().map(|(group, state)| ((*group).to_owned(), (*state).to_owned())).collect();
        self.held().oauth.account = oauth::Account { id, login: login.to_owned(), memberships };
    }

    /// Ends every token that was given to the App.
    pub fn end_tokens(&self) {
        if let Some(app) = &mut self.held().app {
            app.tokens.clear();
        }
    }

    /// Has this become of the next request, the one after that of the next.
    pub fn next(&self, next: Next) {
        self.held().next.push_back(next);
    }

    /// What came so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.held().calls.clone()
    }

    /// How many requests came whose method and path begin like this.
    #[must_use]
    pub fn count(&self, beginning: &str) -> usize {
        self.held().calls.iter().filter(|call| call.line.starts_with(beginning)).count()
    }

    /// Waits until so many requests came.
    pub async fn called(&self, count: usize) -> Vec<Call> {
        let what = format!("{count} requests");
        until(&what, PATIENCE, async || Some(self.calls()).filter(|calls| calls.len() >= count)).await
    }

    /// Every status that it was told of, in order.
    #[must_use]
    pub fn statuses(&self) -> Vec<Shown> {
        self.held().statuses.clone()
    }

    /// Every deployment that was made, in order.
    #[must_use]
    pub fn deployments(&self) -> Vec<Deployed> {
        self.held().deployments.clone()
    }

    /// What it shows of a context of a commit: the newest that it was told of.
    #[must_use]
    pub fn shown(&self, sha: &str, context: &str) -> Option<Shown> {
        self.statuses().into_iter().rfind(|shown| shown.sha == sha && shown.context == context)
    }

    /// Waits until it shows a commit's context in a state.
    pub async fn shows(&self, sha: &str, context: &str, state: &str) -> Shown {
        let what = format!("{context} of {sha} to be {state}");
        until(&what, PATIENCE, async || self.shown(sha, context).filter(|shown| shown.state == state)).await
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(
    State(held): State<Arc<Mutex<Held>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let raw = body;
    let body: Value = serde_json::from_slice(&raw).unwrap_or(Value::Null);
    let (answer, is_lost) = {
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = held.oauth.answer(&method, &uri, &headers, &raw) {
            return answer;
        }
        held.calls.push(Call { line: format!("{method} {uri}"), body: body.clone() });
        match held.next.pop_front() {
            Some(Next::Refuse(status, headers, message)) => (refusal(status, &headers, message), false),
            Some(Next::Answer) | None => (held.answer(&method, &uri, &headers, &body), false),
            Some(Next::Lose) => (held.answer(&method, &uri, &headers, &body), true),
        }
    };
    if is_lost { pending().await } else { answer }
}
