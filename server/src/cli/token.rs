//! `slipway token`.

use std::sync::Arc;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, say};
use crate::{
    access::{check_token_name, make_token},
    clock::SystemClock,
    config::{Config, Overrides},
    store::{Store, access_tokens},
};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Makes a token and prints it, once.
    Create(Box<Create>),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What the token is called in the audit log.
    name: String,
    /// Makes it in the database of this machine's configuration, for when no token is left.
    #[arg(long)]
    local: bool,
    #[command(flatten)]
    client: Client,
    #[command(flatten, next_help_heading = "With --local")]
    overrides: Overrides,
}

pub(super) async fn run(command: TokenCommand) -> Result<(), Failure> {
    let TokenCommand::Create(create) = command;
    let token = if create.local { create_locally(create.name, create.overrides).await? } else { ask(&create).await? };
    say(token)?;
    Ok(())
}

async fn ask(create: &Create) -> Result<String, Failure> {
    let made: Value = create.client.call(Method::POST, &["tokens"], Some(&json!({"name": create.name}))).await?;
    Ok(made["token"].as_str().unwrap_or_default().to_owned())
}

/// Whoever can write the database file needs no token. A running server does not mind: both databases take several
/// processes.
async fn create_locally(name: String, overrides: Overrides) -> Result<String, Failure> {
    let config = Config::load(overrides)?;
    let store = Store::open(config.database.reveal(), Arc::new(SystemClock)).await?;
    let mut tx = store.write().await?;
    check_token_name(&name, &access_tokens::living_names(&mut tx).await?)?;
    let (_, token) = make_token(&mut tx, &name, "local shell").await?;
    tx.commit().await?;
    store.close().await;
    Ok(token.reveal().to_owned())
}
