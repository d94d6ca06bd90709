//! `slipway approve-build` and `slipway refuse-build`: builds of strangers, which wait for somebody to look at them.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, Failure, repository_path, say};

#[derive(Debug, Args)]
pub(super) struct ApproveBuild {
    /// The repository, owner/name.
    repository: String,
    /// The build's number.
    number: u32,
    /// The commit that you looked at, with all of its digits. Without it, whose the build is and what would run is shown, and
    /// nothing approved.
    #[arg(long, value_name = "COMMIT")]
    commit: Option<String>,
    /// Print what is known of the approval as JSON.
    #[arg(long, conflicts_with = "commit")]
    json: bool,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct RefuseBuild {
    /// The repository, owner/name.
    repository: String,
    /// The build's number.
    number: u32,
    #[command(flatten)]
    client: Client,
}

pub(super) async fn approve(asked: ApproveBuild) -> Result<(), Failure> {
    let ((owner, name), number) = (repository_path(&asked.repository)?, asked.number.to_string());
    let build = ["repositories", owner, name, "builds", &number];
    if let Some(commit) = asked.commit {
        let path = [&build[..], &["approve"]].concat();
        let _: Value = asked.client.call(Method::POST, &path, Some(&json!({"commit": commit}))).await?;
        return Ok(say(format_args!("Build {number} of {owner}/{name} is approved, and waits for a runner."))?);
    }
    let build: Value = asked.client.call(Method::GET, &build, None::<&Value>).await?;
    if asked.json {
        return Ok(say(&build["approval"])?);
    }
    show(&build, &format!("{owner}/{name} {number}"))
}

pub(super) async fn refuse(asked: RefuseBuild) -> Result<(), Failure> {
    let ((owner, name), number) = (repository_path(&asked.repository)?, asked.number.to_string());
    let path = ["repositories", owner, name, "builds", &number, "refuse"];
    let _: Value = asked.client.call(Method::POST, &path, Some(&json!({}))).await?;
    Ok(say(format_args!("Build {number} of {owner}/{name} is refused; nothing of it has run."))?)
}

/// What is known of a build's approval, as lines. What a stranger wrote moves no cursor.
fn show(build: &Value, which: &str) -> Result<(), Failure> {
    let approval = &build["approval"];
    if approval.is_null() {
        return Ok(say("This build needs no approval.")?);
    }
    let plain =
        |value: &Value| -> String { value.as_str().unwrap_or_default().chars().filter(|c| !c.is_control()).collect() };
    let (opener, pull) = (&approval["opened_by"], &build["pull_request"]);
    say(format_args!("Pull request {} into {}: {}", pull["number"], plain(&pull["base"]), plain(&build["message"])))?;
    say(format_args!("  opened by   {} (account {})", plain(&opener["login"]), opener["id"]))?;
    say(format_args!(
        "  comes from  {}",
        approval["fork"].as_str().map_or("this repository".to_owned(), |_| plain(&approval["fork"]))
    ))?;
    say(format_args!("  commit      {}", plain(&approval["commit"])))?;
    if approval["difference"].is_string() {
        say(format_args!("  changes     {}", plain(&approval["difference"])))?;
    }
    for step in approval["look"]["preview"]["steps"].as_array().into_iter().flatten() {
        let standing = plain(&step["standing"]);
        say(format_args!(
            "{} · {} · {} ({standing})",
            plain(&step["app"]),
            plain(&step["kind"]),
            plain(&step["name"])
        ))?;
        for line in step["lines"].as_array().into_iter().flatten() {
            say(format_args!("  {} {}", if line["is_new"] == true { "+" } else { " " }, plain(&line["text"])))?;
        }
    }
    if approval["look"]["preview"]["left_out"].as_u64().is_some_and(|count| count > 0) {
        say("More is not shown: read captain.yml itself before you approve it.")?;
    }
    match (approval["state"].as_str(), approval["look"].is_null()) {
        (Some("wanted"), true) => say("What would run is not known yet: look again in a moment.")?,
        (Some("wanted"), false) => {
            say(format_args!(
                "Approve it with: slipway approve-build {which} --commit {}",
                plain(&approval["commit"])
            ))?;
        }
        (state, _) => say(format_args!("The approval is {}.", state.unwrap_or_default()))?,
    }
    Ok(())
}
