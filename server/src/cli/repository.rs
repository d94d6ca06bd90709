//! `slipway repository`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, say};

#[derive(Debug, Subcommand)]
pub(super) enum RepositoryCommand {
    /// Connects a repository and prints its webhook's address and secret, once.
    Add(Add),
    /// Lists the connected repositories.
    List(Client),
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
            say(format_args!("Connected {}. At the forge, add a webhook for pushes with", text("name")))?;
            say(format_args!("  Payload URL   {}", text("hook_url")))?;
            say("  Content type  application/json")?;
            say(format_args!("  Secret        {}", text("hook_secret")))?;
            say("The secret is shown this once.")?;
        }
        RepositoryCommand::List(client) => {
            let page: Value = client.call(Method::GET, &["repositories"], None::<&Value>).await?;
            for repository in page["items"].as_array().into_iter().flatten() {
                let text = |field: &str| repository[field].as_str().unwrap_or_default().to_owned();
                say(format_args!("{}  {}  {}", text("name"), text("default_branch"), text("clone_url")))?;
            }
        }
    }
    Ok(())
}
