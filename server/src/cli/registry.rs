//! `slipway registry`.

use std::io;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, listing::note_if_empty, releases::text, say};

#[derive(Debug, Subcommand)]
pub(super) enum RegistryCommand {
    /// Sets the login for a registry; the password is read from standard input.
    Login(Login),
    /// Lists the logins, without their passwords.
    List(List),
    /// Forgets the login for a registry.
    Logout(Logout),
}

#[derive(Debug, Args)]
pub(super) struct Login {
    /// The registry's host and port, as it stands in image names.
    host: String,
    /// The user name.
    #[arg(long, value_name = "NAME")]
    username: String,
    #[command(flatten)]
    scope: LoginScope,
    #[command(flatten)]
    client: Client,
}

/// For which repositories it is; one of the two must be said.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct LoginScope {
    /// A pattern of the repositories whose jobs may use it, such as shop/*; may be given several times.
    #[arg(long = "repository", value_name = "PATTERN")]
    repositories: Option<Vec<String>>,
    /// Lets every repository use it.
    #[arg(long)]
    all_repositories: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Logout {
    /// The registry's host and port, as it stands in image names.
    host: String,
    #[command(flatten)]
    client: Client,
}

pub(super) async fn run(command: RegistryCommand) -> Result<(), Failure> {
    match command {
        RegistryCommand::Login(login) => {
            let mut password = String::new();
            io::stdin().read_line(&mut password)?;
            let password = password.trim_end_matches(['\r', '\n']);
            if password.is_empty() {
                return Err(Failure::new("no password came on standard input"));
            }
            let mut body = json!({"username": login.username, "password": password});
            match &login.scope.repositories {
                Some(patterns) => body["repositories"] = json!(patterns),
                None => body["all_repositories"] = json!(login.scope.all_repositories),
            }
            login.client.call::<Value>(Method::PUT, &["registries", &login.host], Some(&body)).await?;
            say(format_args!("The login for {} is set.", login.host))?;
        }
        RegistryCommand::List(list) => list.run().await?,
        RegistryCommand::Logout(logout) => {
            logout.client.call::<Value>(Method::DELETE, &["registries", &logout.host], None::<&Value>).await?;
            say(format_args!("The login for {} is forgotten.", logout.host))?;
        }
    }
    Ok(())
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let found: Value = self.client.call(Method::GET, &["registries"], None::<&Value>).await?;
        if self.json {
            return Ok(say(&found)?);
        }
        note_if_empty(&found["items"], "There is no login for any registry.");
        for login in found["items"].as_array().into_iter().flatten() {
            let patterns = login["repositories"].as_array();
            let scope = patterns.map_or_else(
                || "every repository".to_owned(),
                |patterns| patterns.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            );
            let [host, username, at] = ["host", "username", "updated_at"].map(|field| text(login, field));
            say(format_args!("{host}  {username}  {scope}  {at}"))?;
        }
        Ok(())
    }
}
