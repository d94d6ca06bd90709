//! `slipway schedule`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::{Client, Failure, listing::note_if_empty, repository_path, say};

#[derive(Debug, Subcommand)]
pub(super) enum ScheduleCommand {
    /// Lists a repository's schedules with their next times.
    List(Whole),
    /// Queues a schedule's build now.
    Run(One),
    /// Lets a schedule wait until it is resumed.
    Pause(One),
    /// Lets a paused schedule go on.
    Resume(One),
}

#[derive(Debug, Args)]
pub(super) struct Whole {
    /// The repository, owner/name.
    repository: String,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The repository, owner/name.
    repository: String,
    /// The schedule's name in captain.yml.
    schedule: String,
    #[command(flatten)]
    client: Client,
}

pub(super) async fn run(command: ScheduleCommand) -> Result<(), Failure> {
    match command {
        ScheduleCommand::List(Whole { repository, client }) => {
            let (owner, name) = repository_path(&repository)?;
            let path = ["repositories", owner, name, "schedules"];
            let found: Value = client.call(Method::GET, &path, None::<&Value>).await?;
            note_if_empty(&found["items"], "The repository has no schedules.");
            for schedule in found["items"].as_array().into_iter().flatten() {
                let text = |field: &str| schedule[field].as_str().unwrap_or_default().to_owned();
                let next = if schedule["is_paused"] == true { "paused".to_owned() } else { text("next_at") };
                let (cron, zone, branch) = (text("cron"), text("timezone"), text("branch"));
                say(format_args!("{}  {next}  {cron} {zone}  {branch}", text("name")))?;
            }
        }
        ScheduleCommand::Run(one) => {
            let build = one.send(Method::POST, "run").await?;
            say(format_args!("Build {} is queued.", build["number"]))?;
        }
        ScheduleCommand::Pause(one) => {
            one.send(Method::PUT, "pause").await?;
            say(format_args!("{} is paused.", one.schedule))?;
        }
        ScheduleCommand::Resume(one) => {
            let schedule = one.send(Method::DELETE, "pause").await?;
            say(format_args!("{} comes next at {}.", one.schedule, schedule["next_at"].as_str().unwrap_or("no time")))?;
        }
    }
    Ok(())
}

impl One {
    async fn send(&self, method: Method, what: &str) -> Result<Value, Failure> {
        let (owner, name) = repository_path(&self.repository)?;
        let path = ["repositories", owner, name, "schedules", &self.schedule, what];
        Ok(self.client.call(method, &path, None::<&Value>).await?)
    }
}
