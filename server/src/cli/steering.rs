//! `slipway pause`, `resume` and `cancel`: steering a rollout that is under way.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Failure, releases::Which};

/// What a person says of a rollout that is under way.
#[derive(Debug, Args)]
struct Said {
    #[command(flatten)]
    which: Which,
    /// The release's number; the one that is being rolled out, unless it is given.
    #[arg(long, value_name = "NUMBER")]
    release: Option<i64>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Pause {
    #[command(flatten)]
    said: Said,
    /// Come back when somebody has let it go on and the release is live; fail when it is not to be.
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct Resume {
    #[command(flatten)]
    said: Said,
    /// Pass over the rest of the bake that it is in, whether it is paused or not.
    #[arg(long)]
    now: bool,
    /// Come back when the release is live; fail when it is not to be.
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct Cancel {
    #[command(flatten)]
    said: Said,
    /// Come back when the rollout has ended; fail when the release is live all the same.
    #[arg(long)]
    wait: bool,
}

impl Pause {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let body = json!({"reason": self.said.reason});
        let release = self.said.send(Method::PUT, "pause", &body).await?;
        self.said.which.tell(release, self.wait).await
    }
}

impl Resume {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let body = json!({"reason": self.said.reason, "now": self.now});
        let release = self.said.send(Method::DELETE, "pause", &body).await?;
        self.said.which.tell(release, self.wait).await
    }
}

impl Cancel {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let body = json!({"reason": self.said.reason});
        let release = self.said.send(Method::DELETE, "rollout", &body).await?;
        self.said.which.tell_the_end(release, self.wait).await
    }
}

impl Said {
    /// Says it, and answers with the release as it stands then.
    async fn send(&self, method: Method, what: &str, body: &Value) -> Result<Value, Failure> {
        let number = match self.release {
            Some(number) => number,
            None => self.which.ask(&[]).await?["rolling"]["number"]
                .as_i64()
                .ok_or_else(|| Failure::new(format!("no release of {} is being rolled out", self.which.name())))?,
        };
        let number = number.to_string();
        let path = self.which.path(&["releases", &number, what])?;
        let _: Value = self.which.client.call(method, &path, Some(body)).await?;
        self.which.ask(&["releases", &number]).await
    }
}
