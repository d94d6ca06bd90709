//! `slipway delivery`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, listing::note_if_empty, say};

#[derive(Debug, Subcommand)]
pub(super) enum DeliveryCommand {
    /// Lists the newest webhook deliveries, and what became of them.
    List(Client),
    /// Deals with a stored delivery once more.
    Redeliver(Redeliver),
}

#[derive(Debug, Args)]
pub(super) struct Redeliver {
    /// The delivery's id.
    id: String,
    /// Builds its commit again although it was built, as far as it is still the newest of its branch.
    #[arg(long)]
    build_again: bool,
    #[command(flatten)]
    client: Client,
}

pub(super) async fn run(command: DeliveryCommand) -> Result<(), Failure> {
    match command {
        DeliveryCommand::List(client) => {
            let page: Value = client.call(Method::GET, &["deliveries"], None::<&Value>).await?;
            note_if_empty(&page["items"], "No delivery has come yet.");
            for delivery in page["items"].as_array().into_iter().flatten() {
                say(line(delivery))?;
            }
        }
        DeliveryCommand::Redeliver(asked) => {
            let path = ["deliveries", asked.id.as_str(), "redeliver"];
            let body = json!({"build_again": asked.build_again});
            let made: Value = asked.client.call(Method::POST, &path, Some(&body)).await?;
            say(line(&made))?;
        }
    }
    Ok(())
}

/// A delivery in a line: id, when, repository, event, what became of it.
fn line(delivery: &Value) -> String {
    let text = |field: &str| delivery[field].as_str().unwrap_or("-").to_owned();
    let build = delivery["build"].as_i64().map(|number| format!("  build {number}")).unwrap_or_default();
    let reason = delivery["reason"].as_str().map(|reason| format!("  {reason}")).unwrap_or_default();
    let [id, at, repository, event, state] = ["id", "received_at", "repository", "event", "state"].map(text);
    format!("{id}  {at}  {repository}  {event}  {state}{build}{reason}")
}
