//! `slipway secret`. A value never stands on the command line, where every user of the machine could read it.

mod value;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, exit, listing::note_if_empty, repository_path, say};

#[derive(Debug, Subcommand)]
pub(super) enum SecretCommand {
    /// Sets a secret; its value is read from standard input, from a file, or typed unseen.
    Set(Set),
    /// Lists the names of a repository's secrets.
    List(List),
    /// Forgets a secret.
    Remove(Remove),
    /// Has everything sealed with a new key, and the old one forgotten.
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(super) struct Set {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    given_to: Given,
    /// With --instance: a pattern of the repositories that it is for, such as shop/*; may be given several times.
    #[arg(long = "repository", value_name = "PATTERN", requires = "instance")]
    repositories: Option<Vec<String>>,
    /// With --instance: it is for every repository.
    #[arg(long, requires = "instance", conflicts_with = "repositories")]
    all_repositories: bool,
    /// Takes the value from this file, exactly as it is; without it, a last line break on standard input is left out.
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Forgets its earlier values: what runs with one gets this one from its next container on, and a rollback has it too.
    #[arg(long, conflicts_with = "instance")]
    forget_earlier: bool,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The repository, owner/name.
    #[arg(required_unless_present = "instance", conflicts_with = "instance")]
    repository: Option<String>,
    /// Those of the whole instance.
    #[arg(long)]
    instance: bool,
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

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Only begins it: the server goes on by itself.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    client: Client,
}

/// One secret.
#[derive(Debug, Args)]
struct Which {
    /// The repository, owner/name (not with --instance), and the secret's name, which is also that of the environment variable.
    #[arg(required = true, num_args = 1..=2, value_name = "REPOSITORY NAME")]
    words: Vec<String>,
    /// A secret of the whole instance.
    #[arg(long)]
    instance: bool,
    /// The one environment whose releases get it, in place of the repository's own secret of that name.
    #[arg(long, value_name = "NAME", conflicts_with = "instance")]
    environment: Option<String>,
}

/// The builds that are given it, and their releases. What is not said stays as it was.
#[derive(Debug, Args)]
struct Given {
    /// Gives it to builds of this event alone: push, tag, schedule, manual; may be given several times.
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// Gives it to builds of branches like this alone, such as release/*; may be given several times.
    #[arg(long = "branch", value_name = "PATTERN")]
    branches: Vec<String>,
    /// Gives it to builds of tags like this alone, such as v*; may be given several times.
    #[arg(long = "tag", value_name = "PATTERN")]
    tags: Vec<String>,
    /// Gives it to every build but those of pull requests, as is so of a new one.
    #[arg(long, conflicts_with_all = ["events", "branches", "tags"])]
    every_build: bool,
}

pub(super) async fn run(command: SecretCommand) -> Result<(), Failure> {
    match command {
        SecretCommand::Set(set) => set.run().await?,
        SecretCommand::List(list) => list.run().await?,
        SecretCommand::Rotate(rotate) => rotate.run().await?,
        SecretCommand::Remove(remove) => {
            let path = remove.which.path()?;
            remove.client.call::<Value>(Method::DELETE, &path, None::<&Value>).await?;
            say(format_args!("The secret {} of {} is forgotten.", remove.which.name()?, remove.which.of()))?;
        }
    }
    Ok(())
}

impl Rotate {
    async fn run(self) -> Result<(), Failure> {
        let begun: Value = self.client.call(Method::POST, &["secret-key", "rotate"], None::<&Value>).await?;
        let id = begun["id"].as_str().unwrap_or_default().to_owned();
        if self.no_wait {
            return Ok(say(format_args!("Everything is being sealed anew with the key {id}."))?);
        }
        let is_done = |key: &Value| Ok(key["id"] != id.as_str() || !key["alone_since"].is_null());
        let done = self.client.until(&["secret-key"], is_done).await?;
        say(format_args!("Everything is sealed with the key {id}: {} values anew.", done["resealed"]))?;
        match done["unopened"].as_i64() {
            Some(count) if count > 0 => Ok(say(format_args!(
                "{count} could not be opened with any key of the server, and must be set anew; its log names them."
            ))?),
            _ => Ok(()),
        }
    }
}

impl Set {
    async fn run(self) -> Result<(), Failure> {
        let (name, path) = (self.which.name()?, self.which.path()?);
        let value = value::read(name, self.from_file.as_deref())?;
        let mut body = json!({"value": value.reveal()});
        if let Some(given_to) = self.given_to.asked() {
            body["given_to"] = given_to;
        }
        if self.which.instance {
            body["all_repositories"] = json!(self.all_repositories);
            if let Some(patterns) = &self.repositories {
                body["repositories"] = json!(patterns);
            }
        } else {
            body["forget_earlier"] = json!(self.forget_earlier);
        }
        let answer: Value = self.client.call(Method::PUT, &path, Some(&body)).await?;
        say(format_args!("The secret {name} is set for {}.", self.which.of()))?;
        if answer["environment_exists"] == false {
            say("No build has defined that environment yet; check its name.")?;
        }
        Ok(())
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let path = match &self.repository {
            Some(repository) => {
                let (owner, name) = repository_path(repository)?;
                vec!["repositories", owner, name, "secrets"]
            }
            None => vec!["secrets"],
        };
        let page: Value = self.client.call(Method::GET, &path, None::<&Value>).await?;
        note_if_empty(&page["items"], "There are no secrets here.");
        for secret in page["items"].as_array().into_iter().flatten() {
            let text = |field: &str| secret[field].as_str().unwrap_or("-").to_owned();
            let place = match &self.repository {
                Some(_) => text("environment"),
                None => listed(&secret["repositories"]).unwrap_or_else(|| "every repository".to_owned()),
            };
            let (version, given_to) = (&secret["version"], &secret["given_to"]);
            let limits =
                ["events", "branches", "tags"].map(|what| Some(format!("  {what} {}", listed(&given_to[what])?)));
            let limits: String = limits.into_iter().flatten().collect();
            say(format_args!("{}  {place}  version {version}  {}{limits}", text("name"), text("updated_at")))?;
        }
        Ok(())
    }
}

/// A list of the answer in one text; none where it is empty or there is none.
fn listed(of: &Value) -> Option<String> {
    let texts: Vec<&str> = of.as_array()?.iter().filter_map(Value::as_str).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

impl Given {
    /// As the API takes it; none where nothing is said.
    fn asked(&self) -> Option<Value> {
        let Given { events, branches, tags, every_build } = self;
        let is_said = *every_build || [events, branches, tags].iter().any(|list| !list.is_empty());
        is_said.then(|| json!({"events": events, "branches": branches, "tags": tags}))
    }
}

impl Which {
    /// The secret's name.
    fn name(&self) -> Result<&str, Failure> {
        match (&self.words[..], self.instance) {
            ([name], true) | ([_, name], false) => Ok(name),
            (_, true) => {
                Err(Failure::new("a secret of the instance is named by its name alone").with_code(exit::USAGE))
            }
            (_, false) => {
                let told = "a repository and a name were expected, or --instance and a name";
                Err(Failure::new(told).with_code(exit::USAGE))
            }
        }
    }

    /// Where the API has it.
    fn path(&self) -> Result<Vec<&str>, Failure> {
        let secret = self.name()?;
        let Some(repository) = self.words.first().filter(|_| !self.instance) else {
            return Ok(vec!["secrets", secret]);
        };
        let (owner, name) = repository_path(repository)?;
        let mut path = vec!["repositories", owner, name];
        path.extend(self.environment.iter().flat_map(|environment| ["environments", environment]));
        path.extend(["secrets", secret]);
        Ok(path)
    }

    /// Where it holds, for people.
    fn of(&self) -> String {
        let Some(repository) = self.words.first().filter(|_| !self.instance) else { return "the instance".to_owned() };
        match &self.environment {
            Some(environment) => format!("{environment} of {repository}"),
            None => repository.clone(),
        }
    }
}
