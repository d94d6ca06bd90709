//! The demo as a user of the API: everything it observes, it observes over HTTP with a token.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt};
use reqwest::{Method, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;

use super::{DemoError, sample::Push};
use crate::{cli, deliveries::signature, secrets::Secret};

/// The sample repository's owner and name.
const REPOSITORY: [&str; 2] = ["shop", "web"];

/// The API with its token.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Secret,
    api: cli::Client,
}

/// The answer to connecting a repository.
#[derive(Deserialize)]
pub(super) struct Connected {
    hook_url: String,
    hook_secret: String,
}

/// A build, as far as the demo looks at it.
#[derive(Deserialize)]
pub(super) struct Build {
    pub(super) number: i64,
    commit: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) artifacts: Vec<Image>,
    #[serde(default)]
    pub(super) attempts: Vec<Attempt>,
}

/// What a build pushed for an app, or a release runs of it.
#[derive(Deserialize)]
pub(super) struct Image {
    pub(super) image: String,
    pub(super) digest: String,
    #[serde(default)]
    pub(super) tags: Vec<String>,
}

/// A release, as far as the demo looks at it.
#[derive(Deserialize)]
pub(super) struct Release {
    pub(super) number: i64,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) apps: Vec<Image>,
    #[serde(default)]
    pub(super) attempts: Vec<Attempt>,
}

/// One try of a build's or a release's job.
#[derive(Deserialize)]
pub(super) struct Attempt {
    pub(super) attempt: i64,
    pub(super) steps: Vec<Step>,
}

/// A step of either.
#[derive(Deserialize)]
pub(super) struct Step {
    pub(super) index: i64,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl Step {
    /// How long it ran, once it has ended.
    pub(super) fn took(&self) -> Option<Duration> {
        (self.finished_at? - self.started_at?).to_std().ok()
    }
}

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Environment {
    name: String,
    last_release_number: i64,
}

impl Client {
    pub(super) fn new(http: reqwest::Client, base: Url, token: Secret) -> Self {
        let api = cli::Client::new(base.clone(), token.clone());
        Client { http, base, token, api }
    }

    /// Connects the sample repository.
    pub(super) async fn connect(&self, clone_url: &str) -> Result<Connected, DemoError> {
        let body = json!({"name": REPOSITORY.join("/"), "clone_url": clone_url, "default_branch": "main"});
        Ok(self.api.call(Method::POST, &["repositories"], Some(&body)).await?)
    }

    /// Sends the delivery that GitHub would send for a push, and gives the status that answered it.
    pub(super) async fn deliver(&self, hook: &Connected, push: &Push) -> Result<u16, DemoError> {
        let body = payload(push).to_string();
        let signed = signature::sign(&Secret::new(hook.hook_secret.as_str()), body.as_bytes());
        let response = self
            .http
            .post(&hook.hook_url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("X-GitHub-Event", "push")
            .header("X-GitHub-Delivery", format!("demo-{}", push.after))
            .header(signature::HEADER, signed)
            .body(body)
            .send()
            .await?;
        Ok(response.status().as_u16())
    }

    /// The newest build of a commit, if there is one.
    pub(super) async fn build_of(&self, commit: &str) -> Result<Option<Build>, DemoError> {
        let builds: List<Build> = self.get(&["builds"]).await?;
        match builds.items.into_iter().find(|build| build.commit == commit) {
            None => Ok(None),
            Some(build) => self.get(&["builds", &build.number.to_string()]).await.map(Some),
        }
    }

    /// The newest release of an environment, if there is one.
    pub(super) async fn newest_release(&self, environment: &str) -> Result<Option<Release>, DemoError> {
        let environments: List<Environment> = self.get(&["environments"]).await?;
        match environments.items.into_iter().find(|found| found.name == environment) {
            Some(Environment { last_release_number: number @ 1.., .. }) => {
                self.get(&["environments", environment, "releases", &number.to_string()]).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Promotes to an environment what is live in the one before it, or rolls it back.
    pub(super) async fn change(&self, environment: &str, what: &str) -> Result<(), DemoError> {
        let path = [&["repositories"], &REPOSITORY[..], &["environments", environment, what]].concat();
        let _: Value = self.api.call(Method::POST, &path, Some(&json!({}))).await?;
        Ok(())
    }

    /// Something for every event that the server tells of, until the server ends.
    pub(super) async fn events(&self) -> Result<impl Stream<Item = ()> + Unpin + use<>, DemoError> {
        let url = self.base.join("/api/v1/events").map_err(|error| DemoError::Address(error.to_string()))?;
        let request = self.http.get(url).bearer_auth(self.token.reveal()).header(header::ACCEPT, "text/event-stream");
        let response = request.send().await?.error_for_status()?;
        Ok(Box::pin(response.bytes_stream().map(|_| ())))
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, DemoError> {
        let path = [&["repositories"], &REPOSITORY[..], path].concat();
        Ok(self.api.call(Method::GET, &path, None::<&()>).await?)
    }
}

/// GitHub's push payload, reduced to the fields that a receiver needs ("Webhook events and payloads: push").
fn payload(push: &Push) -> Value {
    let [owner, name] = REPOSITORY;
    let commit = json!({
        "id": push.after,
        "message": push.message,
        "author": {"name": "Ada Lovelace", "email": "ada@example.com", "username": "ada"},
    });
    json!({
        "ref": push.git_ref,
        "before": push.before,
        "after": push.after,
        "created": push.before.bytes().all(|byte| byte == b'0'),
        "deleted": false,
        "forced": false,
        "head_commit": commit,
        "commits": [commit],
        "pusher": {"name": "ada"},
        "sender": {"login": "ada", "id": 1},
        "repository": {"id": 1, "name": name, "full_name": format!("{owner}/{name}"), "default_branch": "main"},
    })
}
