//! `slipway services`: what runs where.

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::{
    Client, Failure,
    listing::note_if_empty,
    releases::{all, is_healthy, text},
    say,
};

#[derive(Debug, Args)]
pub(super) struct Services {
    /// Come back when every container is healthy; fail when one crashes again and again.
    #[arg(long)]
    wait: bool,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

impl Services {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let answer = if self.wait {
            self.client.until(&["services"], |answer| all(&answer["items"], is_as_wanted)).await?
        } else {
            self.client.call(Method::GET, &["services"], None::<&Value>).await?
        };
        if self.json {
            return Ok(say(&answer)?);
        }
        note_if_empty(&answer["items"], "Nothing is live.");
        let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rows: Vec<[String; 5]> = items.iter().map(row).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let [places, apps, conditions, addresses] = [0, 1, 2, 3].map(width);
        for [place, app, condition, address, release] in &rows {
            let line =
                format!("{place:places$}  {app:apps$}  {condition:conditions$}  {address:addresses$}  {release}");
            say(line.trim_end())?;
        }
        Ok(())
    }
}

/// Whether a container is healthy, or nobody is to see to it that it is.
fn is_as_wanted(replica: &Value) -> Result<bool, Failure> {
    if replica["condition"] == "unattended" { Ok(true) } else { is_healthy(replica) }
}

fn row(item: &Value) -> [String; 5] {
    let domain = item["domain"].as_str().map(|domain| format!("  {domain}")).unwrap_or_default();
    [
        format!("{} {}", text(item, "repository"), text(item, "environment")),
        format!("{} {}", text(item, "app"), item["replica"]),
        text(item, "condition").replace('_', " "),
        item["address"].as_str().unwrap_or("-").to_owned(),
        format!("#{}{domain}", item["release"]),
    ]
}
