//! An OpenID provider that nobody here wrote: oidc-provider-mock, from PyPI. It lets in whoever names themselves.

use std::{path::Path, process::Stdio, time::Duration};

use reqwest::Client;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::{
    api::{Answer, http_client},
    ports,
};

/// Python may take a while on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A provider. Dropped, it is gone.
#[derive(Debug)]
pub struct OpenIdProvider {
    issuer: String,
    client: Client,
    _child: Child,
}

impl OpenIdProvider {
    /// Starts one.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    pub async fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/oidc-provider-mock");
        assert!(program.exists(), "scripts/setup test installs oidc-provider-mock");
        let port = ports::free();
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string(), "--require-nonce"]).kill_on_drop(true);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the provider");
        ports::wait_until_open(port, START).await;
        OpenIdProvider { issuer: format!("http://127.0.0.1:{port}"), client: http_client(), _child: child }
    }

    /// How it calls itself.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What it says of somebody from now on.
    ///
    /// # Panics
    /// When it does not take that.
    pub async fn says(&self, subject: &str, claims: &Value) {
        let set = self.client.put(format!("{}/users/{subject}", self.issuer)).json(claims).send().await;
        Answer::of(set.expect("an answer")).await.expect(204);
    }

    /// Logs in there as somebody, on the page that a login leads to; tells where that sends the browser.
    ///
    /// # Panics
    /// When it sends nowhere.
    pub async fn log_in(&self, page: &str, subject: &str) -> String {
        self.send(page, &format!("sub={subject}")).await
    }

    /// Says no there.
    ///
    /// # Panics
    /// When it sends nowhere.
    pub async fn deny(&self, page: &str) -> String {
        self.send(page, "action=deny").await
    }

    async fn send(&self, page: &str, form: &str) -> String {
        let form =
            self.client.post(page).header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
        let answer = Answer::of(form.send().await.expect("an answer")).await.expect(302);
        answer.header("location").to_owned()
    }
}
