//! `slipway container log`: what a container of what is live writes.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;
use slipway_web::ansi;

use super::{Client, ClientError, Failure, repository_path};

/// How often it is asked for more.
const EVERY: Duration = Duration::from_secs(1);
/// What one answer has at most, and what is asked for while following.
const MOST_LINES: u32 = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum ContainerCommand {
    /// Prints the last lines that a container wrote, as it wrote them: nothing is masked.
    Log(ContainerLog),
}

#[derive(Debug, Args)]
pub(super) struct ContainerLog {
    /// The repository, owner/name.
    repository: String,
    /// The environment.
    environment: String,
    /// The container: its app (`web`), with the replica where there are several (`web/2`), or its whole name. Not needed
    /// where only one runs.
    container: Option<String>,
    /// How many of its last lines.
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    lines: u32,
    /// Only what it wrote after this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Go on printing what it writes.
    #[arg(short, long)]
    follow: bool,
    /// Each line behind its time.
    #[arg(long, conflicts_with = "json")]
    times: bool,
    /// Each line as JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

pub(super) async fn run(command: ContainerCommand) -> Result<(), Failure> {
    match command {
        ContainerCommand::Log(log) => log.run().await,
    }
}

impl ContainerLog {
    async fn run(self) -> Result<(), Failure> {
        let (owner, name) = repository_path(&self.repository)?;
        let container = self.name(owner, name).await?;
        let path = ["repositories", owner, name, "environments", &self.environment, "containers", &container, "log"];
        let mut since = self.since.clone();
        let mut lines = self.lines;
        loop {
            match self.ask(&path, lines, since.as_deref()).await {
                Ok(log) => {
                    let items = log["items"].as_array().map(Vec::as_slice).unwrap_or_default();
                    if log["is_cut"] == true && since != self.since {
                        tell("more was written than is shown")?;
                    }
                    items.iter().try_for_each(|line| self.print(line))?;
                    since = items.last().map(|line| word(line, "time").to_owned()).or(since);
                    lines = MOST_LINES;
                }
                // Whoever follows waits until it can be read again.
                Err(ClientError::Refused { status: 503, detail }) if self.follow => tell(&detail)?,
                Err(error) => return Err(error.into()),
            }
            if !self.follow {
                return Ok(());
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn ask(&self, path: &[&str], lines: u32, since: Option<&str>) -> Result<Value, ClientError> {
        let lines = lines.to_string();
        let mut query = vec![("lines", lines.as_str())];
        query.extend(since.map(|since| ("since", since)));
        self.client.clone().asking(&query).call(Method::GET, path, None::<&Value>).await
    }

    /// The name of the container that is meant.
    async fn name(&self, owner: &str, name: &str) -> Result<String, Failure> {
        let path = ["repositories", owner, name, "environments", &self.environment];
        let environment: Value = self.client.call(Method::GET, &path, None::<&Value>).await?;
        let replicas = environment["replicas"].as_array().map(Vec::as_slice).unwrap_or_default();
        choose(replicas, self.container.as_deref())
            .map_err(|reason| Failure::new(format!("{reason} in {} of {}", self.environment, self.repository)))
    }

    /// What a container wrote is not to move the cursor of whoever reads it: a terminal gets it as the page shows it.
    fn print(&self, line: &Value) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{line}")?;
        } else {
            let written = word(line, "text");
            let shown = if out.is_terminal() { ansi::plain(written) } else { written.into() };
            if self.times {
                write!(out, "{}  ", word(line, "time"))?;
            }
            writeln!(out, "{shown}")?;
        }
        out.flush()
    }
}

/// The one container of these that is meant. What is not among them may still be there, such as during a rollout.
fn choose(replicas: &[Value], wanted: Option<&str>) -> Result<String, String> {
    let key = |replica: &Value| format!("{}/{}", word(replica, "app"), replica["replica"]);
    let is_meant = |replica: &&Value| {
        wanted.is_none_or(|wanted| [word(replica, "app"), word(replica, "container"), &key(replica)].contains(&wanted))
    };
    let meant: Vec<&Value> = replicas.iter().filter(is_meant).collect();
    match (meant.as_slice(), wanted) {
        ([one], _) => Ok(word(one, "container").to_owned()),
        ([], Some(name)) => Ok(name.to_owned()),
        ([], None) => Err("no container is known".to_owned()),
        (several, _) => {
            let keys: Vec<String> = several.iter().map(|replica| key(replica)).collect();
            Err(format!("say which container: {} run", keys.join(", ")))
        }
    }
}

fn word<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

/// Says something beside what the container wrote.
fn tell(what: &str) -> io::Result<()> {
    writeln!(io::stderr(), "slipway: {what}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::choose;

    #[test]
    fn a_container_is_named_by_its_app_its_replica_or_its_whole_name() {
        let replica =
            |app: &str, number: u32| json!({"app": app, "replica": number, "container": format!("{app}-{number}-x")});
        let replicas = [replica("web", 1), replica("web", 2), replica("worker", 1)];
        let chosen = |wanted| choose(&replicas, wanted);
        assert_eq!(chosen(Some("worker")), Ok("worker-1-x".to_owned()));
        assert_eq!(chosen(Some("web/2")), Ok("web-2-x".to_owned()));
        assert_eq!(chosen(Some("web-1-x")), Ok("web-1-x".to_owned()));
        assert_eq!(chosen(Some("canary")), Ok("canary".to_owned()), "it may be there, and is not told of yet");
        assert_eq!(chosen(Some("web")), Err("say which container: web/1, web/2 run".to_owned()));
        assert_eq!(choose(&replicas[2..], None), Ok("worker-1-x".to_owned()));
        assert_eq!(choose(&[], None), Err("no container is known".to_owned()));
    }
}
