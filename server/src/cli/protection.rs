//! `slipway freeze`, `unfreeze` and `protect`: what an environment asks for on the server.

use chrono::DateTime;
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};
use slipway_runner::signing::PublicKey;

use super::{Failure, listing::note, releases::Which, say};
use crate::environments::same_person;

/// What takes back what was asked for.
const NONE: &str = "none";

/// More people, or tokens, than any server has.
const MOST: usize = 10_000;

/// The server as a signer.
const SERVER: &str = "server";

#[derive(Debug, Args)]
pub(super) struct Freeze {
    #[command(flatten)]
    which: Which,
    /// Why: whoever waits is shown it.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// When it ends by itself, such as 2026-11-30T06:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
    /// Come back when nothing rolls out there any more: what has begun goes on.
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct Unfreeze {
    #[command(flatten)]
    which: Which,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Protect {
    #[command(flatten)]
    which: Which,
    /// How many people must agree, at least.
    #[arg(long, value_name = "NUMBER")]
    approvals: Option<u32>,
    /// Who may be among them; may be given several times, and goes over those set before.
    #[arg(long = "approver", value_name = "NAME")]
    approvers: Vec<String>,
    /// Lets everyone who may release there be among them.
    #[arg(long, conflicts_with = "approvers")]
    any_approver: bool,
    /// Whether whoever wrote the commit or asked for the release may be among them.
    #[arg(long, value_name = "true|false")]
    author: Option<bool>,
    /// A branch that releases may come from, or a pattern; may be given several times, and goes over those set before.
    #[arg(long = "branch", value_name = "PATTERN")]
    branches: Vec<String>,
    /// Lets releases come from every branch and tag.
    #[arg(long, conflicts_with = "branches")]
    any_branch: bool,
    /// How long a release must have been live in its source, at least, such as 10m, or "time: 10m, max_cpu: 90%"; "none" for as
    /// long as captain.yml says.
    #[arg(long, value_name = "DURATION")]
    bake: Option<String>,
    /// When releases may begin, such as "Mon-Fri 09:00-16:00 Europe/Madrid"; "none" for whenever captain.yml says.
    #[arg(long, value_name = "WINDOW")]
    window: Option<String>,
    /// Where releases come from: an environment, or "branch main"; "none" for wherever captain.yml says.
    #[arg(long, value_name = "SOURCE")]
    from: Option<String>,
    /// How a release takes the place of the one before, such as "canary: [10%, 50%], bake: 5m"; "none" for as captain.yml says.
    #[arg(long, value_name = "STRATEGY")]
    strategy: Option<String>,
    /// Who must have signed every image: "server", or a file with a public key; may be given several times, and goes over those
    /// set before.
    #[arg(long = "signed-by", value_name = "server|FILE")]
    signed_by: Vec<String>,
    /// Asks for no signature.
    #[arg(long, conflicts_with = "signed_by")]
    unsigned: bool,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Freeze {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let body = json!({"reason": self.reason, "until": self.until});
        let path = self.which.path(&["freeze"])?;
        let frozen: Value = self.which.client.call(Method::PUT, &path, Some(&body)).await?;
        if self.wait {
            let has_stopped = |environment: &Value| Ok(!is_begun(&environment["rolling"]));
            self.which.client.until(&self.which.path(&[])?, has_stopped).await?;
        }
        if self.which.json {
            return Ok(say(&frozen)?);
        }
        let until = frozen["until"].as_str().map_or_else(String::new, |until| format!(" until {until}"));
        Ok(say(format_args!("{} is frozen{until}: nothing enters it but rollbacks.", self.which.name()))?)
    }
}

/// A time in the form that the API takes.
fn time(text: &str) -> Result<String, String> {
    let found = DateTime::parse_from_rfc3339(text);
    found
        .map(|_| text.to_owned())
        .map_err(|_| "a date, a time and a zone were expected, such as 2026-11-30T06:00:00Z".to_owned())
}

/// Whether a release's rollout has begun. One that waits for it is held when a runner takes it.
fn is_begun(release: &Value) -> bool {
    release["state"] == "rolling" || release["started_at"].is_string()
}

impl Unfreeze {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let path = self.which.path(&["freeze"])?;
        let answer: Value =
            self.which.client.call(Method::DELETE, &path, Some(&json!({"reason": self.reason}))).await?;
        if self.which.json {
            return Ok(say(&answer)?);
        }
        Ok(say(format_args!("{} is frozen no more.", self.which.name()))?)
    }
}

impl Protect {
    /// Changes what was given, and tells what is asked for then; with nothing given it tells alone.
    pub(super) async fn run(self) -> Result<(), Failure> {
        let path = self.which.path(&["protection"])?;
        let mut protection: Value = self.which.client.call(Method::GET, &path, None::<&Value>).await?;
        let signers = signers(&self.signed_by)?;
        let mut changed = false;
        let lists = [
            ("approvers", !self.approvers.is_empty() || self.any_approver, json!(self.approvers)),
            ("branches", !self.branches.is_empty() || self.any_branch, json!(self.branches)),
            ("signed_by", !self.signed_by.is_empty() || self.unsigned, json!(signers)),
            ("approvals", self.approvals.is_some(), json!(self.approvals)),
            ("author", self.author.is_some(), json!(self.author)),
            ("bake", self.bake.is_some(), json!(self.bake.as_ref().filter(|bake| *bake != NONE))),
            ("window", self.window.is_some(), json!(self.window.as_ref().filter(|window| *window != NONE))),
            ("from", self.from.is_some(), json!(self.from.as_ref().filter(|from| *from != NONE))),
            ("strategy", self.strategy.is_some(), json!(self.strategy.as_ref().filter(|strategy| *strategy != NONE))),
        ];
        for (name, is_given, value) in lists.into_iter().filter(|(_, is_given, _)| *is_given) {
            changed |= is_given;
            protection[name] = value;
        }
        if changed {
            protection["reason"] = json!(self.reason);
            protection = self.which.client.call(Method::PUT, &path, Some(&protection)).await?;
            self.doubt().await?;
        }
        if self.which.json {
            return Ok(say(&protection)?);
        }
        let list = |field: &str, all: &str| {
            let names = protection[field].as_array().map(Vec::as_slice).unwrap_or_default();
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            if names.is_empty() { all.to_owned() } else { names.join(", ") }
        };
        say(format_args!("The server asks of {}:", self.which.name()))?;
        say(format_args!("  approvals  {}", protection["approvals"]))?;
        say(format_args!("  approvers  {}", list("approvers", "everyone who may release there")))?;
        say(format_args!(
            "  author     {}",
            if protection["author"] == true { "may be one of them" } else { "is none of them" }
        ))?;
        say(format_args!("  branches   {}", list("branches", "all")))?;
        for field in ["bake", "window", "from", "strategy"] {
            say(format_args!("  {field:9}  {}", protection[field].as_str().unwrap_or("as captain.yml says")))?;
        }
        say(format_args!("  signed by  {}", in_words(&protection["signed_by"])))?;
        Ok(())
    }
}

impl Protect {
    /// Names what was given and is known nowhere: it may come yet, and is more often a slip of the pen.
    async fn doubt(&self) -> Result<(), Failure> {
        let client = &self.which.client;
        if let Some(from) = self.from.as_deref().filter(|from| *from != NONE && !from.contains(' ')) {
            let found: Value = client.call(Method::GET, &self.which.siblings()?, None::<&Value>).await?;
            if !is_among(found["items"].as_array().into_iter().flatten(), from) {
                note(format_args!("No build has defined the environment “{from}” yet; check its name."));
            }
        }
        if self.approvers.is_empty() {
            return Ok(());
        }
        // Who may protect an environment may not know everybody.
        let (Ok(users), Ok(tokens)) =
            (client.items(&["users"], &[], MOST).await, client.items(&["tokens"], &[], MOST).await)
        else {
            return Ok(());
        };
        for name in self.approvers.iter().filter(|name| !is_among(users.iter().chain(&tokens), name)) {
            note(format_args!("Nobody is called “{name}” yet, neither a person nor a token; check the name."));
        }
        Ok(())
    }
}

fn is_among<'v>(mut items: impl Iterator<Item = &'v Value>, name: &str) -> bool {
    items.any(|item| item["name"].as_str().is_some_and(|other| same_person(other, name)))
}

/// What stands for each signer: the word itself, or what is in the file.
fn signers(given: &[String]) -> Result<Vec<String>, Failure> {
    let read = |given: &String| {
        if given == SERVER {
            return Ok(given.clone());
        }
        std::fs::read_to_string(given)
            .map_err(|error| Failure::new(format!("the key in {given} cannot be read: {error}")))
    };
    given.iter().map(read).collect()
}

fn in_words(signers: &Value) -> String {
    let name = |signer: &Value| match signer.as_str().unwrap_or_default() {
        SERVER => "this server".to_owned(),
        key => key
            .parse::<PublicKey>()
            .map_or_else(|_| "an odd key".to_owned(), |key| format!("the key {}", key.fingerprint())),
    };
    let names: Vec<String> = signers.as_array().into_iter().flatten().map(name).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(" or ") }
}
