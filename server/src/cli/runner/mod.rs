//! `slipway runner`: a runner on this machine, and admitting runners on others.

mod process;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, say};
use crate::runners::{Label, Labels};

/// Runs jobs for a server on another machine; with a command, looks after such runners at the server.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct RunnerCommand {
    #[command(subcommand)]
    at_the_server: Option<AtTheServer>,
    #[command(flatten)]
    process: process::RunnerProcess,
}

#[derive(Debug, Subcommand)]
enum AtTheServer {
    /// Admits a runner and prints its token, once.
    Create(Create),
    /// Lists the runners.
    List(Client),
    /// Revokes a runner's token; what it works on is given to others.
    Revoke(Revoke),
    /// Lets a runner finish what it has and take nothing new, over its restarts too.
    Drain(Drain),
    /// Lets a drained runner take jobs again.
    Undrain(Drain),
}

#[derive(Debug, Args)]
struct Create {
    /// What the runner is called.
    name: String,
    /// A label that it has, whatever it says of itself; may be given several times.
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<Label>,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
struct Drain {
    /// The runner's name.
    name: String,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
struct Revoke {
    /// The runner's name.
    name: String,
    #[command(flatten)]
    client: Client,
}

pub(super) async fn run(command: RunnerCommand) -> Result<(), Failure> {
    match command.at_the_server {
        None => process::run(command.process).await,
        Some(AtTheServer::Create(create)) => {
            let labels: Labels = create.labels.into_iter().map(|Label(key, value)| (key, value)).collect();
            let body = json!({"name": create.name, "labels": labels});
            let made: Value = create.client.call(Method::POST, &["runners"], Some(&body)).await?;
            Ok(say(made["token"].as_str().unwrap_or_default())?)
        }
        Some(AtTheServer::List(client)) => {
            let runners: Value = client.call(Method::GET, &["runners"], None::<&Value>).await?;
            for runner in runners["items"].as_array().into_iter().flatten() {
                let text = |field: &str| runner[field].as_str().unwrap_or("-").to_owned();
                let labels: Vec<String> = runner["labels"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
                    .collect();
                say(format_args!(
                    "{}  {}  {} of {} jobs  {}  {}",
                    text("name"),
                    text("state"),
                    runner["jobs"],
                    runner["capacity"],
                    labels.join(","),
                    text("last_seen_at")
                ))?;
            }
            Ok(())
        }
        Some(AtTheServer::Drain(drain)) => {
            let path = ["runners", drain.name.as_str(), "drain"];
            drain.client.call::<Value>(Method::PUT, &path, None::<&Value>).await?;
            Ok(say(format_args!("The runner {} finishes what it has, and takes nothing new.", drain.name))?)
        }
        Some(AtTheServer::Undrain(drain)) => {
            let path = ["runners", drain.name.as_str(), "drain"];
            drain.client.call::<Value>(Method::DELETE, &path, None::<&Value>).await?;
            Ok(say(format_args!("The runner {} takes jobs again.", drain.name))?)
        }
        Some(AtTheServer::Revoke(revoke)) => {
            let path = ["runners", revoke.name.as_str()];
            revoke.client.call::<Value>(Method::DELETE, &path, None::<&Value>).await?;
            Ok(say(format_args!("The runner {} is revoked.", revoke.name))?)
        }
    }
}
