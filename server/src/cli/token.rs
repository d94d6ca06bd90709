//! `slipway token`.

use std::sync::Arc;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, say, tokens};
use crate::{
    access::{Grant, Role, TokenFor, check_token_name, make_token},
    clock::SystemClock,
    config::{Config, Overrides},
    store::{Store, access_tokens},
};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Makes a token and prints it, once.
    Create(Box<Create>),
    /// Lists the tokens, with what each allows; never their values.
    List(tokens::List),
    /// Has a token open nothing any more.
    Revoke(tokens::Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What the token is called in the audit log.
    name: String,
    /// What its bearer may do.
    #[arg(long, value_enum, value_name = "viewer|developer|deployer|administrator")]
    role: Role,
    /// Makes one of one's own, which may never do more than its owner; the token that is sent must be one, too.
    #[arg(long, conflicts_with = "local")]
    mine: bool,
    /// The repositories that the role holds in, a name or a pattern such as 'shop/*' [default: the whole server].
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// The environments there that it holds in, a name or a pattern [default: all of the repository].
    #[arg(long, value_name = "NAME", requires = "repository")]
    environment: Option<String>,
    /// After how many days it opens nothing any more, such as 90d [default: never; 90d of one's own].
    #[arg(long, value_name = "DAYS", value_parser = days)]
    expires: Option<u16>,
    /// Makes it in the database of this machine's configuration, for when no token is left.
    #[arg(long)]
    local: bool,
    #[command(flatten)]
    client: Client,
    #[command(flatten, next_help_heading = "With --local")]
    overrides: Overrides,
}

pub(super) async fn run(command: TokenCommand) -> Result<(), Failure> {
    let create = match command {
        TokenCommand::Create(create) => create,
        TokenCommand::List(list) => return list.run().await,
        TokenCommand::Revoke(revoke) => return revoke.run().await,
    };
    let token = if create.local { create_locally(*create).await? } else { ask(&create).await? };
    say(token)?;
    Ok(())
}

async fn ask(create: &Create) -> Result<String, Failure> {
    let asked = json!({
        "name": create.name,
        "role": create.role,
        "repository": create.repository,
        "environment": create.environment,
        "expires_in_days": create.expires,
    });
    let path: &[&str] = if create.mine { &["account", "tokens"] } else { &["tokens"] };
    let made: Value = create.client.call(Method::POST, path, Some(&asked)).await?;
    Ok(made["token"].as_str().unwrap_or_default().to_owned())
}

/// A day, in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Days as `90d` or `90`.
fn days(text: &str) -> Result<u16, String> {
    let number = text.strip_suffix('d').unwrap_or(text).parse().ok().filter(|days| (1..=3_660).contains(days));
    number.ok_or_else(|| "1d to 3660d was expected, such as 90d".to_owned())
}

/// Whoever can write the database file needs no token. A running server does not mind: both databases take several
/// processes.
async fn create_locally(create: Create) -> Result<String, Failure> {
    let Create { name, role, repository, environment, expires, overrides, .. } = create;
    let grant = Grant::new(role, repository, environment)?;
    let config = Config::load(overrides)?;
    let store = Store::open(config.database.reveal(), Arc::new(SystemClock)).await?;
    let mut tx = store.write().await?;
    check_token_name(&name, &access_tokens::living_names(&mut tx).await?)?;
    let expires_at = expires.map(|days| tx.now() + i64::from(days) * DAY_MS);
    let (_, token) =
        make_token(&mut tx, TokenFor { name: &name, grant: &grant, expires_at, owner: None }, "local shell").await?;
    tx.commit().await?;
    store.close().await;
    Ok(token.reveal().to_owned())
}
