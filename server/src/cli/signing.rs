//! `slipway signing`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::{Client, Failure, listing::note_if_empty, say};

#[derive(Debug, Subcommand)]
pub(super) enum SigningCommand {
    /// Makes a key by which every image is signed that a build pushes from now on, and prints its public part.
    Create(Whole),
    /// Shows the public parts of the keys; the first one signs.
    Show(Whole),
    /// Removes a key: what it has signed is no longer signed by this server.
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Whole {
    /// JSON instead of a text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The key's id, as `slipway signing show` prints it.
    key: String,
    #[command(flatten)]
    client: Client,
}

pub(super) async fn run(command: SigningCommand) -> Result<(), Failure> {
    match command {
        SigningCommand::Create(Whole { json, client }) => {
            let made: Value = client.call(Method::POST, &["signing"], None::<&Value>).await?;
            if json { Ok(say(&made)?) } else { Ok(say(public(&made))?) }
        }
        SigningCommand::Show(whole) => show(whole).await,
        SigningCommand::Remove(Remove { key, client }) => {
            client.call::<Value>(Method::DELETE, &["signing", &key], None::<&Value>).await?;
            Ok(say(format_args!("The key {key} is removed."))?)
        }
    }
}

async fn show(Whole { json, client }: Whole) -> Result<(), Failure> {
    let found: Value = client.call(Method::GET, &["signing"], None::<&Value>).await?;
    if json {
        return Ok(say(&found)?);
    }
    note_if_empty(&found["items"], "The server has no key to sign with; `slipway signing create` makes one.");
    for key in found["items"].as_array().into_iter().flatten() {
        let text = |field: &str| key[field].as_str().unwrap_or_default();
        say(format_args!("{}  {}  by {}\n{}", text("id"), text("created_at"), text("created_by"), public(key)))?;
    }
    Ok(())
}

/// The public part, to be piped into a file.
fn public(key: &Value) -> &str {
    key["public_key"].as_str().unwrap_or_default().trim_end()
}
