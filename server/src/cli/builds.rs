//! `slipway builds`: what was built, what became of it, and waiting for it.

use clap::Args;
use reqwest::{Method, Url};
use serde_json::Value;
use slipway_web::parts::reference;

use super::{Client, Failure, listing::note, releases::text, repository_path, say, steps};

/// The states that a build can have, as the API has them.
const STATES: [&str; 6] = ["queued", "running", "awaiting", "succeeded", "failed", "cancelled"];

#[derive(Debug, Args)]
pub(super) struct Builds {
    /// The repository, owner/name.
    repository: String,
    /// A build's number: how it stands, with its steps.
    number: Option<u32>,
    /// Only of this branch.
    #[arg(long, value_name = "BRANCH", conflicts_with_all = ["tag", "number"])]
    branch: Option<String>,
    /// Only of this tag.
    #[arg(long, value_name = "TAG", conflicts_with = "number")]
    tag: Option<String>,
    /// Only those that stand so.
    #[arg(long, value_name = "STATE", value_parser = STATES, conflicts_with = "number")]
    state: Option<String>,
    /// How many at most, newest first.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Come back when that build, or the newest one, is over; fail when it did not succeed.
    #[arg(long)]
    wait: bool,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

impl Builds {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if let Some(number) = self.number {
            let one = One::new(&self.client, &self.repository, &number.to_string(), self.json)?;
            return if self.wait { one.wait().await } else { one.show().await };
        }
        let found = self.find().await?;
        if self.wait {
            let newest = found.first().map(|build| build["number"].to_string());
            let newest = newest.ok_or_else(|| Failure::new("no such build is there to wait for"))?;
            return One::new(&self.client, &self.repository, &newest, self.json)?.wait().await;
        }
        if self.json {
            return Ok(say(Value::Array(found))?);
        }
        if found.is_empty() {
            note("No such build.");
        }
        let width = found.iter().map(|build| of(build).chars().count()).max().unwrap_or(0).min(40);
        found.iter().try_for_each(|build| say(row(build, width)))?;
        Ok(())
    }

    async fn find(&self) -> Result<Vec<Value>, Failure> {
        let (owner, name) = repository_path(&self.repository)?;
        let of = match (&self.branch, &self.tag) {
            (Some(branch), _) => Some(format!("refs/heads/{branch}")),
            (None, Some(tag)) => Some(format!("refs/tags/{tag}")),
            (None, None) => None,
        };
        let wanted = [("ref", of.as_deref()), ("state", self.state.as_deref())];
        let wanted: Vec<(&str, &str)> = wanted.iter().filter_map(|(key, value)| Some((*key, (*value)?))).collect();
        let most = if self.wait { 1 } else { self.limit.into() };
        Ok(self.client.items(&["repositories", owner, name, "builds"], &wanted, most).await?)
    }
}

/// A build in a line: number, state, branch, commit, author, when it was asked for, and the first words of its commit or of what
/// is said of its end.
fn row(build: &Value, width: usize) -> String {
    let number = format!("#{}", build["number"]);
    let first = |field: &str| build[field].as_str().unwrap_or_default().lines().next().unwrap_or_default().to_owned();
    let commit: String = text(build, "commit").chars().take(8).collect();
    let (author, at) = (text(build, "author"), text(build, "created_at"));
    let about = Some(first("reason")).filter(|reason| !reason.is_empty()).unwrap_or_else(|| first("message"));
    format!("{number:6} {:9}  {:width$}  {commit:8}  {at}  {author}  {about}", text(build, "state"), of(build))
        .trim_end()
        .to_owned()
}

/// The branch or tag that a build is of.
fn of(build: &Value) -> String {
    reference(build["ref"].as_str().unwrap_or_default()).to_owned()
}

/// One build.
#[derive(Debug)]
pub(super) struct One<'a> {
    client: &'a Client,
    owner: &'a str,
    name: &'a str,
    number: String,
    json: bool,
}

impl<'a> One<'a> {
    /// The build of this number.
    pub(super) fn new(client: &'a Client, repository: &'a str, number: &str, json: bool) -> Result<Self, Failure> {
        let (owner, name) = repository_path(repository)?;
        Ok(One { client, owner, name, number: number.to_owned(), json })
    }

    fn path(&self) -> [&str; 5] {
        ["repositories", self.owner, self.name, "builds", &self.number]
    }

    /// Where people look at it.
    pub(super) fn page(&self) -> Url {
        self.client.page(&self.path())
    }

    pub(super) async fn ask(&self) -> Result<Value, Failure> {
        Ok(self.client.call(Method::GET, &self.path(), None::<&Value>).await?)
    }

    async fn show(&self) -> Result<(), Failure> {
        let build = self.ask().await?;
        if self.json {
            return Ok(say(build)?);
        }
        say(told(&build))?;
        say(self.page())?;
        steps::lines(&build, None).iter().try_for_each(say)?;
        Ok(())
    }

    /// Comes back when it is over, having told meanwhile what it waits for; fails when it did not succeed.
    pub(super) async fn wait(&self) -> Result<(), Failure> {
        let mut last = String::new();
        let is_over = |build: &Value| {
            if !matches!(text(build, "state").as_str(), "queued" | "running" | "awaiting") {
                return Ok(true);
            }
            let now = told(build);
            if !self.json && now != last {
                say(&now)?;
                last = now;
            }
            Ok(false)
        };
        let build = self.client.until(&self.path(), is_over).await?;
        let has_succeeded = build["state"] == "succeeded";
        if self.json {
            say(&build)?;
        } else if has_succeeded {
            say(told(&build))?;
        }
        if has_succeeded { Ok(()) } else { Err(Failure::new(self.told_with_steps(&build))) }
    }

    /// How it ended, with the steps that failed and how their logs are had.
    fn told_with_steps(&self, build: &Value) -> String {
        let mut text = told(build);
        for (index, line) in steps::failed(build) {
            text += &format!("\n{line}\n     slipway logs {}/{} {} {index}", self.owner, self.name, self.number);
        }
        text
    }
}

/// A build and how it stands, in a sentence.
pub(super) fn told(build: &Value) -> String {
    let state = match build["state"].as_str().unwrap_or_default() {
        "awaiting" => "awaits an approval",
        "running" => "runs",
        "succeeded" => "succeeded",
        "failed" => "failed",
        "cancelled" => "was cancelled",
        _ => "is queued",
    };
    let reason = build["waits_for"].as_str().or(build["reason"].as_str());
    let reason = reason.map(|reason| format!(": {}", reason.trim_end_matches('.'))).unwrap_or_default();
    format!("Build {} of {} {state}{reason}.", build["number"], of(build))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{row, told};

    #[test]
    fn a_build_is_told_with_what_it_waits_for_or_how_it_ended() {
        let mut build =
            json!({"number": 7, "ref": "refs/heads/main", "state": "queued", "reason": null, "waits_for": null});
        assert_eq!(told(&build), "Build 7 of main is queued.");
        build["waits_for"] = json!("a runner with gpu=yes");
        assert_eq!(told(&build), "Build 7 of main is queued: a runner with gpu=yes.");
        let ended = json!({"number": 7, "ref": "refs/tags/v1", "state": "failed", "reason": "web: tests failed.\n more",
            "commit": "0123456789", "author": "ada", "created_at": "2026-11-20T09:30:00.000Z", "message": "One"});
        assert_eq!(
            row(&ended, 4),
            "#7     failed     v1    01234567  2026-11-20T09:30:00.000Z  ada  web: tests failed."
        );
    }
}
