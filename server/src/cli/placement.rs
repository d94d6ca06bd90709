//! `slipway environment` and `slipway repository set`: where jobs may run, and making what ran there anew.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, releases::Which, repository_path, say};
use crate::runners::{Label, Labels};

#[derive(Debug, Subcommand)]
pub(super) enum EnvironmentCommand {
    /// Says which runner's engine an environment is on.
    Set(SetEnvironment),
    /// Makes every container of what is live anew, such as after its engine was lost.
    Restore(RestoreEnvironment),
}

#[derive(Debug, Args)]
pub(super) struct RestoreEnvironment {
    #[command(flatten)]
    which: Which,
    /// The runner on whose engine it is made, and which hosts it from then on. What runs on another engine stays there.
    #[arg(long, value_name = "NAME")]
    runner: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Come back when all of it is live; fail when it is not to be.
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct SetEnvironment {
    /// The repository, owner/name.
    repository: String,
    /// The environment.
    environment: String,
    /// The runner that rolls out there from now on. What runs on another engine stays there.
    #[arg(long, value_name = "NAME", required_unless_present = "any_runner")]
    runner: Option<String>,
    /// Lets the runner that takes the next rollout have it.
    #[arg(long, conflicts_with = "runner")]
    any_runner: bool,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

/// Who may build a repository.
#[derive(Debug, Args)]
pub(super) struct BuiltBy {
    /// A label that a runner must have to build it; may be given several times, and goes over those set before.
    #[arg(long = "runner-label", value_name = "KEY=VALUE")]
    runner_labels: Vec<Label>,
    /// Lets every runner build it.
    #[arg(long, conflicts_with = "runner_labels")]
    any_runner: bool,
}

pub(super) async fn run(command: EnvironmentCommand) -> Result<(), Failure> {
    match command {
        EnvironmentCommand::Set(set) => host(set).await,
        EnvironmentCommand::Restore(restore) => restore.run().await,
    }
}

impl RestoreEnvironment {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let path = self.which.path(&["restores"])?;
        let body = json!({"runner": self.runner, "reason": self.reason});
        let release = self.which.client.call(Method::POST, &path, Some(&body)).await?;
        self.which.tell(release, self.wait).await
    }
}

async fn host(set: SetEnvironment) -> Result<(), Failure> {
    let (owner, name) = repository_path(&set.repository)?;
    let path = ["repositories", owner, name, "environments", &set.environment, "runner"];
    let host: Value = set.client.call(Method::PUT, &path, Some(&json!({"runner": set.runner}))).await?;
    if set.json {
        return Ok(say(&host)?);
    }
    let runner = set.runner.as_deref().unwrap_or("the runner that takes the next rollout");
    Ok(say(format_args!("{} of {} is on {runner}.", set.environment, set.repository))?)
}

/// Says who may build a repository, if anything was said of that.
pub(super) async fn set_builders(client: &Client, repository: &str, built_by: BuiltBy) -> Result<(), Failure> {
    if built_by.runner_labels.is_empty() && !built_by.any_runner {
        return Ok(());
    }
    let (owner, name) = repository_path(repository)?;
    let labels: Labels = built_by.runner_labels.into_iter().map(|Label(key, value)| (key, value)).collect();
    let path = ["repositories", owner, name, "runner-labels"];
    client.call::<Value>(Method::PUT, &path, Some(&json!({"labels": labels}))).await?;
    Ok(say(format_args!("{repository} is built by {}.", by_whom(&labels)))?)
}

fn by_whom(labels: &Labels) -> String {
    if labels.is_empty() {
        return "every runner".to_owned();
    }
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("runners with {}", labels.join(", "))
}
