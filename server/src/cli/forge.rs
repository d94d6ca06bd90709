//! `slipway forge`.

use std::io::{self, Read as _};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, listing::note_if_empty, repository_path, say};

/// The most that is read of standard input, in bytes.
const LARGEST: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum ForgeCommand {
    /// Sets a credential by which GitHub is shown builds; the token, or the App's private key, is read from standard input.
    Set(Box<Set>),
    /// Lists the credentials.
    List(Whole),
    /// Asks the forge for a connected repository with a credential.
    Check(Check),
    /// Removes a credential: nothing more is shown with it.
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// A name for it, such as github.
    name: String,
    /// It is a GitHub App, by its client id, and not a personal access token.
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    /// Where the API is, such as https://github.example.com/api/v3 [default: GitHub's own].
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    #[command(flatten)]
    scope: Scope,
    /// Whether these repositories are fetched with it as well, as private ones need: it must be let read their contents. Left
    /// away, that stays as it was.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    fetch: Option<bool>,
    #[command(flatten)]
    client: Client,
}

/// For which repositories it is; one of the two must be said.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Scope {
    /// A pattern of the repositories that it is for, such as shop/*; may be given several times.
    #[arg(long = "repository", value_name = "PATTERN")]
    repositories: Option<Vec<String>>,
    /// It is for every repository.
    #[arg(long)]
    all_repositories: bool,
}

#[derive(Debug, Args)]
pub(super) struct Whole {
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The credential's name.
    name: String,
    /// The repository, owner/name.
    repository: String,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The credential's name.
    name: String,
    #[command(flatten)]
    client: Client,
}

/// What of a repository its forge is shown.
#[derive(Debug, Args)]
pub(super) struct Reported {
    /// Which commit statuses its forge is shown: none, one for each build, or one for each of its steps as well.
    #[arg(long, value_name = "none|build|steps", value_parser = ["none", "build", "steps"])]
    statuses: Option<String>,
    /// Whether its forge is shown each release as a deployment.
    #[arg(long, value_name = "true|false", num_args = 1)]
    deployments: Option<bool>,
}

/// Sets what of a repository its forge is shown, as far as that is said.
pub(super) async fn set_reported(client: &Client, repository: &str, wanted: Reported) -> Result<(), Failure> {
    if wanted.statuses.is_none() && wanted.deployments.is_none() {
        return Ok(());
    }
    let (owner, name) = repository_path(repository)?;
    let path = ["repositories", owner, name, "reports"];
    let mut reports: Value = client.call(Method::GET, &path, None::<&Value>).await?;
    if let Some(statuses) = wanted.statuses {
        reports["statuses"] = json!(statuses);
    }
    if let Some(deployments) = wanted.deployments {
        reports["deployments"] = json!(deployments);
    }
    let set: Value = client.call(Method::PUT, &path, Some(&reports)).await?;
    let statuses = set["statuses"].as_str().unwrap_or_default();
    let deployments = if set["deployments"] == json!(true) { "one for each release" } else { "none" };
    Ok(say(format_args!("{repository}: commit statuses: {statuses}; deployments: {deployments}."))?)
}

pub(super) async fn run(command: ForgeCommand) -> Result<(), Failure> {
    match command {
        ForgeCommand::Set(set) => set.run().await,
        ForgeCommand::List(whole) => list(whole).await,
        ForgeCommand::Check(check) => {
            let body = json!({"repository": check.repository});
            check.client.call::<Value>(Method::POST, &["forges", &check.name, "check"], Some(&body)).await?;
            Ok(say(format_args!("{} is for {}, and the forge knows both.", check.name, check.repository))?)
        }
        ForgeCommand::Remove(remove) => {
            remove.client.call::<Value>(Method::DELETE, &["forges", &remove.name], None::<&Value>).await?;
            Ok(say(format_args!("{} is removed.", remove.name))?)
        }
    }
}

impl Set {
    async fn run(self) -> Result<(), Failure> {
        let mut secret = String::new();
        io::stdin().take(LARGEST).read_to_string(&mut secret)?;
        let secret = secret.trim();
        if secret.is_empty() {
            return Err(Failure::new(
                "nothing came on standard input: the token, or the App's .pem file, was expected",
            ));
        }
        let mut body = match &self.app {
            Some(app) => json!({"app": app, "key": secret}),
            None => json!({"token": secret}),
        };
        if let Some(fetch) = self.fetch {
            body["fetches"] = json!(fetch);
        }
        if let Some(api) = &self.api {
            body["api"] = json!(api);
        }
        match &self.scope.repositories {
            Some(patterns) => body["repositories"] = json!(patterns),
            None => body["all_repositories"] = json!(self.scope.all_repositories),
        }
        let _: Value = self.client.call(Method::PUT, &["forges", &self.name], Some(&body)).await?;
        let name = &self.name;
        Ok(say(format_args!("{name} is set; `slipway forge check {name} OWNER/NAME` tries it."))?)
    }
}

async fn list(Whole { json, client }: Whole) -> Result<(), Failure> {
    let found: Value = client.call(Method::GET, &["forges"], None::<&Value>).await?;
    if json {
        return Ok(say(&found)?);
    }
    note_if_empty(&found["items"], "There is no credential of a forge.");
    for forge in found["items"].as_array().into_iter().flatten() {
        let text = |field: &str| forge[field].as_str().unwrap_or_default().to_owned();
        let patterns: Vec<&str> =
            forge["repositories"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let scope = if patterns.is_empty() { "every repository".to_owned() } else { patterns.join(",") };
        let use_too = if forge["fetches"] == json!(true) { "  fetches too" } else { "" };
        say(format_args!("{}  {}  {}  {scope}{use_too}", text("name"), text("kind"), text("api")))?;
    }
    Ok(())
}
