//! `slipway retry`.

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::{Client, Failure, repository_path, say};

#[derive(Debug, Args)]
pub(super) struct Retry {
    /// The repository, owner/name.
    repository: String,
    /// The build's number.
    number: u32,
    /// Runs only what failed or never ran, and takes over what succeeded.
    #[arg(long)]
    failed: bool,
    #[command(flatten)]
    client: Client,
}

pub(super) async fn run(retry: Retry) -> Result<(), Failure> {
    let ((owner, name), number) = (repository_path(&retry.repository)?, retry.number.to_string());
    let path = ["repositories", owner, name, "builds", &number, "retry"];
    let query = [("failed", if retry.failed { "true" } else { "false" })];
    let _: Value = retry.client.asking(&query).call(Method::POST, &path, None::<&Value>).await?;
    let what = if retry.failed { ", which takes over what succeeded" } else { "" };
    Ok(say(format_args!("Build {number} of {owner}/{name} waits for its next attempt{what}."))?)
}
