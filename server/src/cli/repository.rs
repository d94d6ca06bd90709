//! `slipway repository`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Client, Failure,
    forge::{Reported, set_reported},
    listing::note,
    placement::{BuiltBy, set_builders},
    repository_path, say,
    trust::{Distrust, Rule, Trust, distrust, set_rule, trust},
};

#[derive(Debug, Subcommand)]
pub(super) enum RepositoryCommand {
    /// Connects a repository and prints its webhook's address and secret, once.
    Add(Add),
    /// Lists the connected repositories.
    List(Client),
    /// Changes what is set for a repository.
    Set(Set),
    /// Disconnects a repository: its builds, environments, releases, secrets and deliveries are removed from Slipway.
    Remove(Remove),
    /// Lets pull requests of an account of the forge run without an approval; or lists the accounts that are trusted so.
    Trust(Trust),
    /// Has pull requests of an account approved again.
    Distrust(Distrust),
    /// Gives a repository's webhook a new secret and prints it, once; deliveries with the earlier one are refused from then on.
    HookSecret(HookSecret),
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The repository, owner/name.
    name: String,
    /// Also while something of it is live or under way: what runs is broken off, what is live is looked after by nobody.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct HookSecret {
    /// The repository, owner/name.
    name: String,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// The repository, owner/name.
    name: String,
    /// How many of its builds may run at once; `default` for the server's own limit.
    #[arg(long, value_name = "NUMBER|default", value_parser = at_once, required_unless_present_any = ["clone_url", "default_branch", "runner_labels", "any_runner", "statuses", "deployments", "approvals"])]
    builds_at_once: Option<AtOnce>,
    /// Where it is fetched from, from now on.
    #[arg(long, value_name = "URL")]
    clone_url: Option<String>,
    /// The branch whose builds define the environments, from its next build on.
    #[arg(long, value_name = "BRANCH")]
    default_branch: Option<String>,
    /// Whose pull requests need an approval before anything of them runs.
    #[arg(long, value_name = "WHOSE")]
    approvals: Option<Rule>,
    #[command(flatten)]
    built_by: BuiltBy,
    #[command(flatten)]
    reported: Reported,
    #[command(flatten)]
    client: Client,
}

/// A limit of builds at once; none for the server's own.
#[derive(Debug, Clone, Copy)]
struct AtOnce(Option<u32>);

fn at_once(text: &str) -> Result<AtOnce, String> {
    match text.parse() {
        _ if text == "default" => Ok(AtOnce(None)),
        Ok(number @ 1_u32..) => Ok(AtOnce(Some(number))),
        _ => Err("it is a number from 1, or `default`".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Its name at the forge, owner/name.
    name: String,
    /// Where it is fetched from: https, ssh, git or http, without credentials.
    #[arg(long, value_name = "URL")]
    clone_url: String,
    /// The branch whose builds define the environments.
    #[arg(long, default_value = "main", value_name = "BRANCH")]
    default_branch: String,
    #[command(flatten)]
    client: Client,
}

pub(super) async fn run(command: RepositoryCommand) -> Result<(), Failure> {
    match command {
        RepositoryCommand::Add(add) => {
            let body = json!({"name": add.name, "clone_url": add.clone_url, "default_branch": add.default_branch});
            let made: Value = add.client.call(Method::POST, &["repositories"], Some(&body)).await?;
            let text = |field: &str| made[field].as_str().unwrap_or_default().to_owned();
            say(format_args!(
                "Connected {}. At the forge, add a webhook for pushes and pull requests with",
                text("name")
            ))?;
            say(format_args!("  Payload URL   {}", text("hook_url")))?;
            say("  Content type  application/json")?;
            say(format_args!("  Secret        {}", text("hook_secret")))?;
            say("The secret is shown this once.")?;
        }
        RepositoryCommand::Set(set) => {
            let (owner, name) = repository_path(&set.name)?;
            if let Some(AtOnce(limit)) = set.builds_at_once {
                let body = json!({"builds_at_once": limit});
                let path = ["repositories", owner, name, "limits"];
                let _: Value = set.client.call(Method::PUT, &path, Some(&body)).await?;
                match limit {
                    Some(number) => say(format_args!("At most {number} builds of {owner}/{name} run at once."))?,
                    None => say(format_args!("{owner}/{name} has the server's own limit of builds at once."))?,
                }
            }
            if set.clone_url.is_some() || set.default_branch.is_some() {
                let mut body = json!({});
                for (field, said) in [("clone_url", &set.clone_url), ("default_branch", &set.default_branch)] {
                    if let Some(said) = said {
                        body[field] = json!(said);
                    }
                }
                let now: Value = set.client.call(Method::PUT, &["repositories", owner, name], Some(&body)).await?;
                let text = |field: &str| now[field].as_str().unwrap_or_default().to_owned();
                say(format_args!("{owner}/{name} is fetched from {}.", text("clone_url")))?;
                say(format_args!("Its default branch is {}.", text("default_branch")))?;
            }
            if let Some(rule) = set.approvals {
                set_rule(&set.client, &set.name, rule).await?;
            }
            set_reported(&set.client, &set.name, set.reported).await?;
            set_builders(&set.client, &set.name, set.built_by).await?;
        }
        RepositoryCommand::Remove(asked) => {
            let (owner, name) = repository_path(&asked.name)?;
            let path = ["repositories", owner, name];
            let query: &[(&str, &str)] = if asked.force { &[("force", "true")] } else { &[] };
            let client = asked.client.asking(query);
            let _: Value = client.call(Method::DELETE, &path, None::<&Value>).await?;
            say(format_args!("{owner}/{name} is disconnected."))?;
        }
        RepositoryCommand::Trust(asked) => trust(asked).await?,
        RepositoryCommand::Distrust(asked) => distrust(asked).await?,
        RepositoryCommand::HookSecret(asked) => {
            let (owner, name) = repository_path(&asked.name)?;
            let path = ["repositories", owner, name, "hook-secret"];
            let made: Value = asked.client.call(Method::POST, &path, Some(&json!({}))).await?;
            let text = |field: &str| made[field].as_str().unwrap_or_default().to_owned();
            say(format_args!("At the forge, give the webhook {} the secret", text("hook_url")))?;
            say(format_args!("  {}", text("hook_secret")))?;
            say("It is shown this once.")?;
        }
        RepositoryCommand::List(client) => {
            let found = client.items(&["repositories"], &[], usize::MAX).await?;
            if found.is_empty() {
                note("No repository is connected; `slipway repository add` connects one.");
            }
            for repository in &found {
                let text = |field: &str| repository[field].as_str().unwrap_or_default().to_owned();
                say(format_args!("{}  {}  {}", text("name"), text("default_branch"), text("clone_url")))?;
            }
        }
    }
    Ok(())
}
