//! `slipway secret`. A value never stands on the command line, where every user of the machine could read it.

mod value;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, repository_path, say};

#[derive(Debug, Subcommand)]
pub(super) enum SecretCommand {
    /// Sets a secret; its value is read from standard input, from a file, or typed unseen.
    Set(Set),
    /// Lists the names of a repository's secrets.
    List(List),
    /// Forgets a secret.
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Set {
    #[command(flatten)]
    which: Which,
    /// Takes the value from this file, exactly as it is; without it, a last line break on standard input is left out.
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Forgets its earlier values: what runs with one gets this one from its next container on, and a rollback has it too.
    #[arg(long)]
    forget_earlier: bool,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The repository, owner/name.
    repository: String,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    client: Client,
}

/// One secret.
#[derive(Debug, Args)]
struct Which {
    /// The repository, owner/name.
    repository: String,
    /// The secret's name, which is also that of the environment variable.
    name: String,
    /// The one environment whose releases get it, in place of the repository's own secret of that name.
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
}

pub(super) async fn run(command: SecretCommand) -> Result<(), Failure> {
    match command {
        SecretCommand::Set(set) => {
            let value = value::read(&set.which.name, set.from_file.as_deref())?;
            let body = json!({"value": value.reveal(), "forget_earlier": set.forget_earlier});
            let path = set.which.path()?;
            let answer: Value = set.client.call(Method::PUT, &path, Some(&body)).await?;
            say(format_args!("The secret {} is set for {}.", set.which.name, set.which.of()))?;
            if answer["environment_exists"] == false {
                say("No build has defined that environment yet; check its name.")?;
            }
        }
        SecretCommand::List(list) => {
            let (owner, name) = repository_path(&list.repository)?;
            let path = ["repositories", owner, name, "secrets"];
            let page: Value = list.client.call(Method::GET, &path, None::<&Value>).await?;
            for secret in page["items"].as_array().into_iter().flatten() {
                let text = |field: &str| secret[field].as_str().unwrap_or("-").to_owned();
                let version = &secret["version"];
                say(format_args!(
                    "{}  {}  version {version}  {}",
                    text("name"),
                    text("environment"),
                    text("updated_at")
                ))?;
            }
        }
        SecretCommand::Remove(remove) => {
            let path = remove.which.path()?;
            remove.client.call::<Value>(Method::DELETE, &path, None::<&Value>).await?;
            say(format_args!("The secret {} of {} is forgotten.", remove.which.name, remove.which.of()))?;
        }
    }
    Ok(())
}

impl Which {
    /// Where the API has it.
    fn path(&self) -> Result<Vec<&str>, Failure> {
        let (owner, name) = repository_path(&self.repository)?;
        let mut path = vec!["repositories", owner, name];
        path.extend(self.environment.iter().flat_map(|environment| ["environments", environment]));
        path.extend(["secrets", &self.name]);
        Ok(path)
    }

    /// Where it holds, for people.
    fn of(&self) -> String {
        match &self.environment {
            Some(environment) => format!("{environment} of {}", self.repository),
            None => self.repository.clone(),
        }
    }
}
