//! `slipway repository trust` and `distrust`, and whose pull requests need an approval.

use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, repository_path, say};

#[derive(Debug, Args)]
pub(super) struct Trust {
    /// The repository, owner/name.
    name: String,
    /// The id of the account at the forge, such as GitHub tells at https://api.github.com/users/NAME. Without it, the accounts
    /// that are trusted are listed.
    #[arg(long, value_name = "ID", requires = "login")]
    account: Option<i64>,
    /// Its name, for people.
    #[arg(long, value_name = "NAME", requires = "account")]
    login: Option<String>,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Distrust {
    /// The repository, owner/name.
    name: String,
    /// The id of the account at the forge.
    #[arg(long, value_name = "ID")]
    account: i64,
    #[command(flatten)]
    client: Client,
}

/// Whose pull requests need an approval.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Rule {
    /// Those from other repositories.
    Forks,
    /// Everybody's.
    PullRequests,
    /// Nobody's.
    Nobody,
}

pub(super) async fn trust(asked: Trust) -> Result<(), Failure> {
    let (owner, name) = repository_path(&asked.name)?;
    let path = ["repositories", owner, name, "approvals"];
    let (Some(account), Some(login)) = (asked.account, asked.login) else {
        let found: Value = asked.client.call(Method::GET, &path, None::<&Value>).await?;
        say(format_args!("Approvals are needed for: {}", found["rule"].as_str().unwrap_or_default()))?;
        for one in found["trusted"].as_array().into_iter().flatten() {
            let login = one["login"].as_str().unwrap_or_default();
            say(format_args!(
                "{}  {login}  added by {}",
                one["account"],
                one["added_by"].as_str().unwrap_or_default()
            ))?;
        }
        return Ok(());
    };
    let id = account.to_string();
    let path = [&path[..], &["accounts", &id]].concat();
    let _: Value = asked.client.call(Method::PUT, &path, Some(&json!({"login": login}))).await?;
    Ok(say(format_args!("Pull requests of {login} (account {account}) to {owner}/{name} run without an approval."))?)
}

pub(super) async fn distrust(asked: Distrust) -> Result<(), Failure> {
    let ((owner, name), id) = (repository_path(&asked.name)?, asked.account.to_string());
    let path = ["repositories", owner, name, "approvals", "accounts", &id];
    let _: Value = asked.client.call(Method::DELETE, &path, None::<&Value>).await?;
    Ok(say(format_args!("{owner}/{name} does not trust the account {id} any more."))?)
}

/// Sets whose pull requests need an approval.
pub(super) async fn set_rule(client: &Client, repository: &str, rule: Rule) -> Result<(), Failure> {
    let (owner, name) = repository_path(repository)?;
    let word = match rule {
        Rule::Forks => "forks",
        Rule::PullRequests => "pull_requests",
        Rule::Nobody => "nobody",
    };
    let path = ["repositories", owner, name, "approvals"];
    let _: Value = client.call(Method::PUT, &path, Some(&json!({"rule": word}))).await?;
    Ok(say(format_args!("Approvals of {owner}/{name} are needed for: {word}."))?)
}
