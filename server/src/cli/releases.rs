//! `slipway environments`, `promote`, `rollback`, `approve`, `reject`: what moves on, and who says so.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, repository_path, say};

/// An environment of a repository.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The repository, owner/name.
    repository: String,
    /// The environment.
    environment: String,
    /// As JSON, for programs.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Environments {
    /// The repository, owner/name.
    repository: String,
    /// Come back when nothing rolls out and every container is healthy; fail when one crashes again and again.
    #[arg(long)]
    wait: bool,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Promote {
    #[command(flatten)]
    which: Which,
    /// Only say what would be promoted: commits, configuration and digests.
    #[arg(long)]
    dry_run: bool,
    /// The number of the release that was seen live where it comes from: fail where it is another by now.
    #[arg(long, value_name = "NUMBER", conflicts_with = "dry_run")]
    release: Option<i64>,
    /// Why.
    #[arg(long, value_name = "TEXT", conflicts_with = "dry_run")]
    reason: Option<String>,
    /// Come back when the release is live; fail when it is not to be.
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct Rollback {
    #[command(flatten)]
    which: Which,
    /// The number of the release to return to; the one before what is live, unless it is given.
    #[arg(long, value_name = "NUMBER")]
    to: Option<i64>,
    /// Only say what would change: commits, configuration and digests.
    #[arg(long)]
    dry_run: bool,
    /// The number of the release that was seen live: fail where it is another by now.
    #[arg(long, value_name = "NUMBER", conflicts_with = "dry_run")]
    live: Option<i64>,
    /// Why.
    #[arg(long, value_name = "TEXT", conflicts_with = "dry_run")]
    reason: Option<String>,
    /// Come back when the release is live; fail when it is not to be.
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct Approve {
    #[command(flatten)]
    said: Said,
    /// Come back when the release is live; fail when it is not to be.
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct Reject {
    #[command(flatten)]
    said: Said,
    /// Come back when the release is over, which it is at once.
    #[arg(long)]
    wait: bool,
}

/// What a person says of a release that is held.
#[derive(Debug, Args)]
struct Said {
    #[command(flatten)]
    which: Which,
    /// The release's number; the one that is held, unless it is given.
    #[arg(long, value_name = "NUMBER")]
    release: Option<i64>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Which {
    /// Where the API has what is `below` the environment.
    pub(super) fn path<'a>(&'a self, below: &[&'a str]) -> Result<Vec<&'a str>, Failure> {
        let (owner, name) = repository_path(&self.repository)?;
        Ok([&["repositories", owner, name, "environments", &self.environment], below].concat())
    }

    /// Where the API has all environments of the repository.
    pub(super) fn siblings(&self) -> Result<Vec<&str>, Failure> {
        let (owner, name) = repository_path(&self.repository)?;
        Ok(vec!["repositories", owner, name, "environments"])
    }

    /// The environment, for people.
    pub(super) fn name(&self) -> String {
        format!("{} of {}", self.environment, self.repository)
    }

    pub(super) async fn ask(&self, below: &[&str]) -> Result<Value, Failure> {
        Ok(self.client.call(Method::GET, &self.path(below)?, None::<&Value>).await?)
    }

    /// Tells what became of a release, at once or when it is over.
    pub(super) async fn tell(&self, release: Value, wait: bool) -> Result<(), Failure> {
        let release = if wait { self.settled(release).await? } else { release };
        if self.json {
            say(&release)?;
        } else if !wait || release["state"] == "live" {
            say(self.told(&release))?;
        }
        if wait && release["state"] != "live" {
            return Err(Failure::new(self.told(&release)));
        }
        Ok(())
    }

    /// Tells how a release that is not wanted ended, at once or when it has; fails when it is live all the same.
    pub(super) async fn tell_the_end(&self, release: Value, wait: bool) -> Result<(), Failure> {
        let release = if wait { self.settled(release).await? } else { release };
        if wait && release["state"] == "live" {
            return Err(Failure::new(self.told(&release)));
        }
        self.tell(release, false).await
    }

    /// A release and where it stands, for people.
    pub(super) fn told(&self, release: &Value) -> String {
        let mut line = format!("Release {} of {} is {}", release["number"], self.name(), text(release, "state"));
        line += &paused(&release["paused"]);
        match release["reason"].as_str() {
            Some(reason) => format!("{line}: {reason}."),
            None => format!("{line}."),
        }
    }

    /// The release once nothing more happens to it by itself. What it waits for is told meanwhile.
    async fn settled(&self, release: Value) -> Result<Value, Failure> {
        let mut told = String::new();
        let mut is_settled = |found: &Value| {
            if !matches!(text(found, "state").as_str(), "held" | "queued" | "rolling") {
                return Ok(true);
            }
            let now = self.told(found);
            if !self.json && now != told {
                say(&now)?;
                told = now;
            }
            Ok(false)
        };
        if is_settled(&release)? {
            return Ok(release);
        }
        let number = release["number"].to_string();
        self.client.until(&self.path(&["releases", &number])?, is_settled).await
    }
}

/// That a rollout is paused, for people, as the end of a sentence.
fn paused(pause: &Value) -> String {
    match (pause["by"].as_str(), pause["reason"].as_str()) {
        (None, _) => String::new(),
        (Some(by), None) => format!(", paused by {by}"),
        (Some(by), Some(reason)) => format!(", paused by {by}: {reason}"),
    }
}

impl Environments {
    /// A release with what it waits for.
    async fn release(&self, environment: &Value, number: i64) -> Result<Value, Failure> {
        let (owner, name) = repository_path(&self.repository)?;
        let (of, number) = (text(environment, "name"), number.to_string());
        let path = ["repositories", owner, name, "environments", &of, "releases", &number];
        Ok(self.client.call(Method::GET, &path, None::<&Value>).await?)
    }

    pub(super) async fn run(self) -> Result<(), Failure> {
        let (owner, name) = repository_path(&self.repository)?;
        let path = ["repositories", owner, name, "environments"];
        let answer = if self.wait {
            self.client.until(&path, |answer| all(&answer["items"], is_at_rest)).await?
        } else {
            self.client.call(Method::GET, &path, None::<&Value>).await?
        };
        if self.json {
            return Ok(say(&answer)?);
        }
        let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let width = items.iter().map(|item| text(item, "name").chars().count()).max().unwrap_or(0);
        for item in items {
            say(format_args!("{:width$}  {}", text(item, "name"), stands(item)))?;
            let held = &item["held"];
            if let Some(reason) = held["reason"].as_str() {
                say(format_args!("{:width$}  #{} is held: {reason}", "", held["number"]))?;
            }
            if let Some(number) = item["rolling"]["number"].as_i64() {
                let (state, paused) = (text(&item["rolling"], "state"), paused(&item["paused"]));
                let waits_for =
                    if state == "queued" { self.release(item, number).await?["waits_for"].take() } else { Value::Null };
                let waits_for = waits_for.as_str().map(|why| format!(": {why}")).unwrap_or_default();
                say(format_args!("{:width$}  #{number} is {state}{paused}{waits_for}", ""))?;
            }
            if let Some(number) = came_to_nothing(item) {
                let release = self.release(item, number).await?;
                let reason = release["reason"].as_str().and_then(|reason| reason.lines().next());
                let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                say(format_args!("{:width$}  #{number} is {}{reason}", "", text(&release, "state")))?;
            }
            if let Some(reason) = item["freeze"]["reason"].as_str() {
                let (by, until) = (text(&item["freeze"], "by"), item["freeze"]["until"].as_str());
                let until = until.map_or_else(String::new, |until| format!(" until {until}"));
                say(format_args!("{:width$}  frozen by {by}{until}: {reason}", ""))?;
            }
            for replica in item["replicas"].as_array().into_iter().flatten() {
                let trouble = &replica["trouble"];
                if let Some(found) = trouble["found"].as_str() {
                    let (app, condition) = (text(replica, "app"), text(replica, "condition").replace('_', " "));
                    let (number, done, times) = (&replica["replica"], text(trouble, "done"), &trouble["times"]);
                    say(format_args!("{:width$}  {app} {number} is {condition}: {found}; {done} ({times}x)", ""))?;
                }
            }
        }
        Ok(())
    }
}

/// The newest release of an environment, where it is neither live nor may come to be.
fn came_to_nothing(environment: &Value) -> Option<i64> {
    let newest = environment["last_release_number"].as_i64().filter(|number| *number > 0)?;
    let is_told = ["live", "held", "rolling"].iter().any(|which| environment[*which]["number"] == newest);
    (!is_told).then_some(newest)
}

/// Whether nothing rolls out in an environment, and all that is live there is healthy.
fn is_at_rest(environment: &Value) -> Result<bool, Failure> {
    if !environment["removed_at"].is_null() {
        return Ok(true);
    }
    let apps = environment["live"]["apps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let wanted: u64 = apps.iter().filter_map(|app| app["replicas"].as_u64()).sum();
    let told = environment["replicas"].as_array().map_or(0, Vec::len);
    let is_well = all(&environment["replicas"], is_healthy)?;
    Ok(environment["rolling"].is_null() && is_well && told as u64 >= wanted)
}

/// Whether a container is healthy.
///
/// # Errors
/// When it crashes again and again: it is not to be.
pub(super) fn is_healthy(replica: &Value) -> Result<bool, Failure> {
    match replica["condition"].as_str() {
        Some("crash_loop") => {
            let (app, number) = (text(replica, "app"), &replica["replica"]);
            Err(Failure::new(format!("{app} {number} crashes again and again")))
        }
        condition => Ok(condition == Some("healthy")),
    }
}

/// Whether it is so of each.
pub(super) fn all(items: &Value, is_so: impl Fn(&Value) -> Result<bool, Failure>) -> Result<bool, Failure> {
    for item in items.as_array().into_iter().flatten() {
        if !is_so(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is live, for people.
fn stands(environment: &Value) -> String {
    let live = &environment["live"];
    if live.is_null() {
        return "nothing is live".to_owned();
    }
    let commit: String = text(live, "commit").chars().take(8).collect();
    format!("#{} {commit} build {}", live["number"], live["build"])
}

impl Promote {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if self.dry_run {
            let preview = self.which.ask(&["promotion"]).await?;
            return if self.which.json { Ok(say(&preview)?) } else { show(&self.which, &preview) };
        }
        let path = self.which.path(&["promotions"])?;
        let body = json!({"release": self.release, "reason": self.reason});
        let release = self.which.client.call(Method::POST, &path, Some(&body)).await?;
        self.which.tell(release, self.wait).await
    }
}

/// Tells what would be promoted.
fn show(which: &Which, preview: &Value) -> Result<(), Failure> {
    say(format_args!("{} #{} to {}:", text(preview, "from"), preview["release"]["number"], which.name()))?;
    show_difference(preview)?;
    if let Some(why) = preview["waits"].as_str() {
        say(format_args!("It would be held: {why}."))?;
    }
    if let Some(why) = preview["refused"].as_str() {
        say(format_args!("It would be refused: {why}."))?;
    }
    Ok(())
}

/// Tells what a rollback would change.
fn show_way_back(which: &Which, preview: &Value) -> Result<(), Failure> {
    say(format_args!("{} back to #{}:", which.name(), preview["release"]["number"]))?;
    show_difference(preview)?;
    for number in preview["ends"].as_array().into_iter().flatten() {
        say(format_args!("It would end release {number}."))?;
    }
    if preview["is_live"] == true {
        say("It would be refused: just that is live.")?;
    }
    Ok(())
}

/// Tells what differs between two releases.
fn show_difference(preview: &Value) -> Result<(), Failure> {
    let list = |field: &str| preview[field].as_array().cloned().unwrap_or_default();
    let (images, settings, commits) = (list("images"), list("configuration"), list("commits"));
    if images.is_empty() && settings.is_empty() {
        say("  nothing changes")?;
    }
    let sign = if preview["goes_back"] == true { "-" } else { "+" };
    for commit in &commits {
        let subject = text(commit, "message").lines().next().unwrap_or_default().to_owned();
        let sha: String = text(commit, "commit").chars().take(8).collect();
        say(format_args!("  {sign} {sha} {subject} ({})", text(commit, "author")))?;
    }
    if preview["more_commits"] == true {
        say("  and more")?;
    }
    for image in &images {
        say(format_args!("  {}: {} -> {}", text(image, "app"), short(&image["before"]), short(&image["after"])))?;
    }
    for change in &settings {
        let value = |value: &Value| value.as_str().unwrap_or("not set").to_owned();
        let (app, setting) = (text(change, "app"), text(change, "setting"));
        say(format_args!("  {app} {setting}: {} -> {}", value(&change["before"]), value(&change["after"])))?;
    }
    Ok(())
}

fn short(digest: &Value) -> String {
    digest.as_str().map_or_else(|| "nothing".to_owned(), |digest| digest.chars().take(19).collect())
}

impl Rollback {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if self.dry_run {
            let to = self.to.map(|to| to.to_string());
            let asked: Vec<(&str, &str)> = to.iter().map(|to| ("to", to.as_str())).collect();
            let client = self.which.client.clone().asking(&asked);
            let preview: Value = client.call(Method::GET, &self.which.path(&["rollback"])?, None::<&Value>).await?;
            return if self.which.json { Ok(say(&preview)?) } else { show_way_back(&self.which, &preview) };
        }
        let path = self.which.path(&["rollbacks"])?;
        let body = json!({"to": self.to, "live": self.live, "reason": self.reason});
        let release = self.which.client.call(Method::POST, &path, Some(&body)).await?;
        self.which.tell(release, self.wait).await
    }
}

impl Approve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let release = self.said.send("approvals").await?;
        self.said.which.tell(release, self.wait).await
    }
}

impl Reject {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let release = self.said.send("rejections").await?;
        self.said.which.tell_the_end(release, self.wait).await
    }
}

impl Said {
    async fn send(&self, what: &str) -> Result<Value, Failure> {
        let number = match self.release {
            Some(number) => number,
            None => self.which.ask(&[]).await?["held"]["number"]
                .as_i64()
                .ok_or_else(|| Failure::new(format!("no release of {} is held", self.which.name())))?,
        };
        let number = number.to_string();
        let path = self.which.path(&["releases", &number, what])?;
        Ok(self.which.client.call(Method::POST, &path, Some(&json!({"reason": self.reason}))).await?)
    }
}

/// A field of an answer as text.
pub(super) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::came_to_nothing;

    #[test]
    fn the_newest_release_is_told_apart_where_nothing_else_tells_of_it() {
        let mut environment = json!({"live": {"number": 5}, "held": null, "rolling": null, "last_release_number": 8});
        assert_eq!(came_to_nothing(&environment), Some(8));
        environment["rolling"] = json!({"number": 8});
        assert_eq!(came_to_nothing(&environment), None);
        assert_eq!(came_to_nothing(&json!({"live": null, "last_release_number": 0})), None);
    }
}
