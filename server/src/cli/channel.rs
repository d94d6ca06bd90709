//! `slipway channel`.

use std::io;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, listing::note_if_empty, say};

#[derive(Debug, Subcommand)]
pub(super) enum ChannelCommand {
    /// Lists the channels, with what each is told and how its newest message went.
    List(Whole),
    /// Makes a channel, or changes it. What lets anybody send there is read from standard input.
    Set(Box<Set>),
    /// Sends a message to a channel that says what it is.
    Test(One),
    /// Removes a channel, with what is on its way to it.
    Remove(One),
    /// What was told, and what is on its way, newest first.
    Log(Whole),
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
pub(super) struct One {
    /// The channel's name.
    name: String,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// The channel's name.
    name: String,
    #[command(flatten)]
    kind: Kind,
    #[command(flatten)]
    rule: Rule,
    #[command(flatten)]
    client: Client,
}

/// Where it leads; without any of these it stays where it was.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Kind {
    /// An incoming webhook of Slack, Mattermost or what speaks as they do; its URL comes on standard input.
    #[arg(long)]
    slack: bool,
    /// A POST of JSON; its URL comes on standard input and, on a second line, the secret that the body is signed with.
    #[arg(long)]
    webhook: bool,
    /// PagerDuty; the service's integration key comes on standard input and, on a second line, another address than the usual.
    #[arg(long)]
    pagerduty: bool,
    /// Mail to this address; may be given several times.
    #[arg(long = "email", value_name = "ADDRESS")]
    email: Vec<String>,
}

/// What it is told.
#[derive(Debug, Args)]
struct Rule {
    /// Of what: build-failed, build-succeeded, release-held, release-live, release-failed, release-breached,
    /// app-unwell, app-well, runner-silent, runner-heard, disk-full, disk-free;
    /// divided by commas [default: trouble].
    #[arg(long, value_name = "OCCASION", value_delimiter = ',')]
    on: Vec<String>,
    /// Of which repositories alone, as patterns; may be given several times.
    #[arg(long = "repository", value_name = "PATTERN")]
    repositories: Vec<String>,
    /// Of builds of which branches and tags, as patterns; may be given several times [default: default branches].
    #[arg(long = "branch", value_name = "PATTERN")]
    branches: Vec<String>,
    /// Of releases to which environments alone, as patterns; may be given several times.
    #[arg(long = "environment", value_name = "PATTERN")]
    environments: Vec<String>,
    /// Of trouble only when it lasts longer than so many minutes and nobody has acknowledged it.
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    after: u32,
}

pub(super) async fn run(command: ChannelCommand) -> Result<(), Failure> {
    match command {
        ChannelCommand::List(whole) => list(whole).await,
        ChannelCommand::Log(whole) => log(whole).await,
        ChannelCommand::Set(set) => set.run().await,
        ChannelCommand::Test(one) => {
            one.client.call::<Value>(Method::POST, &["channels", &one.name, "test"], None::<&Value>).await?;
            Ok(say(format_args!("A message was sent to {}.", one.name))?)
        }
        ChannelCommand::Remove(one) => {
            one.client.call::<Value>(Method::DELETE, &["channels", &one.name], None::<&Value>).await?;
            Ok(say(format_args!("{} is removed.", one.name))?)
        }
    }
}

async fn list(Whole { json, client }: Whole) -> Result<(), Failure> {
    let found: Value = client.call(Method::GET, &["channels"], None::<&Value>).await?;
    if json {
        return Ok(say(&found)?);
    }
    note_if_empty(&found["items"], "There is no channel: nobody is told of anything.");
    for channel in found["items"].as_array().into_iter().flatten() {
        let text = |field: &str| channel[field].as_str().unwrap_or_default().to_owned();
        let told = told(&channel["rule"]);
        let last = &channel["last"];
        let last = match last["state"].as_str() {
            Some(state) => format!("last: {state}{}", reason(last)),
            None => "nothing sent yet".to_owned(),
        };
        say(format_args!("{}  {}  {}  {}  {last}", text("name"), text("kind"), text("target"), told))?;
    }
    Ok(())
}

async fn log(Whole { json, client }: Whole) -> Result<(), Failure> {
    let found: Value = client.call(Method::GET, &["notifications"], None::<&Value>).await?;
    if json {
        return Ok(say(&found)?);
    }
    note_if_empty(&found["items"], "Nothing was told yet.");
    for message in found["items"].as_array().into_iter().flatten() {
        let text = |field: &str| message[field].as_str().unwrap_or_default().to_owned();
        let (at, channel, state, title) = (text("created_at"), text("channel"), text("state"), text("title"));
        say(format_args!("{at}  {channel}  {state}  {title}{}", reason(message)))?;
    }
    Ok(())
}

/// What a rule lets through.
fn told(rule: &Value) -> String {
    let list =
        |field: &str| -> Vec<&str> { rule[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect() };
    let mut text = list("on").join(",");
    for (word, field) in [("in", "repositories"), ("of", "branches"), ("to", "environments")] {
        let patterns = list(field).join(",");
        if !patterns.is_empty() {
            text = format!("{text} {word} {patterns}");
        }
    }
    match rule["after_minutes"].as_u64() {
        Some(minutes) if minutes > 0 => format!("{text} after {minutes} min"),
        _ => text,
    }
}

/// Why a message stands where it stands, in brackets.
fn reason(message: &Value) -> String {
    message["reason"].as_str().map_or_else(String::new, |reason| format!(" ({reason})"))
}

impl Set {
    async fn run(self) -> Result<(), Failure> {
        let Rule { on, repositories, branches, environments, after } = self.rule;
        let mut rule = json!({
            "repositories": repositories, "branches": branches, "environments": environments, "after_minutes": after,
        });
        if !on.is_empty() {
            rule["on"] = json!(on);
        }
        let mut body = json!({"rule": rule});
        if let Some(to) = self.kind.read()? {
            body["to"] = to;
        }
        let set: Value = self.client.call(Method::PUT, &["channels", &self.name], Some(&body)).await?;
        let target = set["target"].as_str().unwrap_or_default();
        Ok(say(format_args!("{} leads to {target}; `slipway channel test {}` tries it.", self.name, self.name))?)
    }
}

impl Kind {
    fn read(&self) -> Result<Option<Value>, Failure> {
        if !self.email.is_empty() {
            return Ok(Some(json!({"kind": "email", "to": self.email})));
        }
        if !(self.slack || self.webhook || self.pagerduty) {
            return Ok(None);
        }
        let first = line()?.ok_or_else(|| Failure::new("no address came on standard input"))?;
        Ok(Some(if self.slack {
            json!({"kind": "slack", "url": first})
        } else if self.webhook {
            json!({"kind": "webhook", "url": first, "secret": line()?})
        } else {
            json!({"kind": "pagerduty", "routing_key": first, "url": line()?})
        }))
    }
}

/// The next line of standard input; none where there is none, or an empty one.
fn line() -> Result<Option<String>, Failure> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let line = line.trim();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}
