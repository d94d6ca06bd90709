//! `slipway alert`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::{Client, Failure, say};

#[derive(Debug, Subcommand)]
pub(super) enum AlertCommand {
    /// Lists what is wrong now, newest first.
    List(List),
    /// Says that you look after it: nobody else is called.
    Acknowledge(One),
    /// Says that it is no trouble any more, as of a branch that nobody works on.
    Close(One),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The alert's id, as `slipway alert list` shows it.
    id: String,
    /// The alert as JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

pub(super) async fn run(command: AlertCommand) -> Result<(), Failure> {
    match command {
        AlertCommand::List(list) => list.run().await,
        AlertCommand::Acknowledge(one) => {
            let alert = one.send("acknowledge").await?;
            if one.json {
                return Ok(say(&alert)?);
            }
            let by = alert["acknowledged_by"].as_str().unwrap_or("nobody");
            Ok(say(format_args!("{by} looks after it: {}", alert["title"].as_str().unwrap_or_default()))?)
        }
        AlertCommand::Close(one) => {
            let alert = one.send("close").await?;
            if one.json {
                return Ok(say(&alert)?);
            }
            Ok(say("The alert is closed.")?)
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let client = self.client.asking(&[("limit", "200")]);
        let found: Value = client.call(Method::GET, &["alerts"], None::<&Value>).await?;
        if self.json {
            return Ok(say(&found)?);
        }
        let alerts = found["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        if alerts.is_empty() {
            return Ok(say("Nothing is wrong.")?);
        }
        for alert in alerts {
            let text = |field: &str| alert[field].as_str().unwrap_or_default().to_owned();
            let taken =
                alert["acknowledged_by"].as_str().map_or_else(String::new, |by| format!("  {by} looks after it"));
            say(format_args!("{}  since {}  {}{taken}", text("id"), text("opened_at"), text("title")))?;
        }
        Ok(())
    }
}

impl One {
    async fn send(&self, what: &str) -> Result<Value, Failure> {
        Ok(self.client.call(Method::POST, &["alerts", &self.id, what], None::<&Value>).await?)
    }
}
