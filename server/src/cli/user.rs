//! `slipway user`.

use std::sync::Arc;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, say};
use crate::{
    access::{Grant, Role},
    clock::SystemClock,
    config::{Config, Overrides},
    store::{Store, Tx},
    users,
};

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Makes an account and prints the link, once, by which its owner sets a password.
    Create(Box<Create>),
    /// Prints a new link by which somebody sets a password.
    Link(Box<Link>),
    /// Shows who has an account, and what they may do.
    List(Client),
    /// Grants somebody a role.
    Grant(Box<Allow>),
    /// Takes a grant back, by its id.
    TakeBack(Box<TakeBack>),
    /// Lets somebody do nothing any more.
    Disable(Box<Of>),
    /// Lets somebody do again what they may.
    Enable(Box<Of>),
    /// Removes an account. Its name becomes nobody else's.
    Remove(Box<Of>),
}

/// A role, and where it holds.
#[derive(Debug, Args)]
struct Wanted {
    /// What they may do.
    #[arg(long, value_enum)]
    role: Role,
    /// The repositories that the role holds in, a name or a pattern such as 'shop/*' [default: the whole server].
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// The environments there, a name or a pattern [default: all of the repository].
    #[arg(long, value_name = "NAME", requires = "repository")]
    environment: Option<String>,
}

/// For when nobody can log in any more.
#[derive(Debug, Args)]
struct Local {
    /// Does it in the database of this machine's configuration.
    #[arg(long)]
    local: bool,
    #[command(flatten, next_help_heading = "With --local")]
    overrides: Overrides,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Their name, in the audit log and wherever their word counts.
    name: String,
    /// Brings the account of this name back that was removed.
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    client: Client,
    #[command(flatten)]
    local: Local,
}

#[derive(Debug, Args)]
pub(super) struct Link {
    /// Whose.
    name: String,
    #[command(flatten)]
    client: Client,
    #[command(flatten)]
    local: Local,
}

#[derive(Debug, Args)]
pub(super) struct Allow {
    /// Whom.
    name: String,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct TakeBack {
    /// From whom.
    name: String,
    /// The grant, as `slipway user list` names it.
    grant: String,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Of {
    /// Whom.
    name: String,
    #[command(flatten)]
    client: Client,
}

pub(super) async fn run(command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Create(create) => {
            let Create { name, again, wanted, client, local } = *create;
            if local.local {
                let grant = Grant::new(wanted.role, wanted.repository, wanted.environment)?;
                let (config, mut tx) = begin(local.overrides).await?;
                let end = match again {
                    true => users::bring_back(&mut tx, &name, &grant, LOCAL).await?,
                    false => users::invite(&mut tx, &name, &grant, LOCAL).await?,
                };
                tx.commit().await?;
                return Ok(say(address(&config, end.reveal()))?);
            }
            let mut asked = json!({
                "name": name,
                "role": wanted.role,
                "repository": wanted.repository,
                "environment": wanted.environment,
            });
            // Servers before this one know no such field.
            if again {
                asked["again"] = true.into();
            }
            let made: Value = client.call(Method::POST, &["users"], Some(&asked)).await?;
            Ok(say(made["link"].as_str().unwrap_or_default())?)
        }
        UserCommand::Link(link) => {
            let Link { name, client, local } = *link;
            if local.local {
                let (config, mut tx) = begin(local.overrides).await?;
                let user = users::named(&mut tx.conn(), &name).await?;
                let end = users::invite_again(&mut tx, &user, LOCAL).await?;
                tx.commit().await?;
                return Ok(say(address(&config, end.reveal()))?);
            }
            let made: Value = client.call(Method::POST, &["users", &name, "link"], None::<&Value>).await?;
            Ok(say(made["link"].as_str().unwrap_or_default())?)
        }
        UserCommand::List(client) => list(&client).await,
        UserCommand::Grant(allow) => {
            let Allow { name, wanted, client } = *allow;
            let asked =
                json!({"role": wanted.role, "repository": wanted.repository, "environment": wanted.environment});
            change(&client, Method::POST, &["users", &name, "grants"], Some(&asked)).await
        }
        UserCommand::TakeBack(one) => {
            change(&one.client, Method::DELETE, &["users", &one.name, "grants", &one.grant], None).await
        }
        UserCommand::Disable(of) => change(&of.client, Method::PUT, &["users", &of.name, "disabled"], None).await,
        UserCommand::Enable(of) => change(&of.client, Method::DELETE, &["users", &of.name, "disabled"], None).await,
        UserCommand::Remove(of) => change(&of.client, Method::DELETE, &["users", &of.name], None).await,
    }
}

/// Who does what is done on the machine itself.
const LOCAL: &str = "local shell";

async fn begin(overrides: Overrides) -> Result<(Config, Tx), Failure> {
    let config = Config::load(overrides)?;
    let store = Store::open(config.database.reveal(), Arc::new(SystemClock)).await?;
    let tx = store.write().await?;
    Ok((config, tx))
}

/// Where a link leads, as far as the configuration tells.
fn address(config: &Config, end: &str) -> String {
    let server = config.public_url.as_ref().map_or_else(|| format!("http://{}", config.listen), ToString::to_string);
    format!("{}/welcome/{end}", server.trim_end_matches('/'))
}

async fn change(client: &Client, method: Method, path: &[&str], body: Option<&Value>) -> Result<(), Failure> {
    client.call::<Value>(method, path, body).await?;
    Ok(())
}

async fn list(client: &Client) -> Result<(), Failure> {
    let mut cursor = String::new();
    loop {
        let asked = if cursor.is_empty() { client.clone() } else { client.clone().asking(&[("cursor", &cursor)]) };
        let page: Value = asked.call(Method::GET, &["users"], None::<&Value>).await?;
        for user in page["items"].as_array().into_iter().flatten() {
            let state = match (&user["disabled_at"], user["has_password"].as_bool()) {
                (Value::String(_), _) => "  disabled",
                (_, Some(false)) => "  invited",
                _ => "",
            };
            say(format_args!("{}{state}", user["name"].as_str().unwrap_or_default()))?;
            for grant in user["grants"].as_array().into_iter().flatten() {
                let text = |field: &str| grant[field].as_str().map(|text| format!("  {text}")).unwrap_or_default();
                let of = grant["of_groups"].as_str().map(|at| format!("  by groups at {at}")).unwrap_or_default();
                say(format_args!(" {}{}{}{}{of}", text("id"), text("role"), text("repository"), text("environment")))?;
            }
        }
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(()),
        }
    }
}
