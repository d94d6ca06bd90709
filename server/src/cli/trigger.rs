//! `slipway trigger`: a build of a branch or a tag that nobody pushed just now.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Client, Failure,
    builds::{One, told},
    repository_path, say,
};

#[derive(Debug, Args)]
pub(super) struct Trigger {
    /// The repository, owner/name.
    repository: String,
    /// The branch to build; the default branch unless one is named.
    #[arg(long, value_name = "BRANCH", conflicts_with = "tag")]
    branch: Option<String>,
    /// The tag to build.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// A commit of its history, with all of its digits; the newest unless one is named.
    #[arg(long, value_name = "COMMIT")]
    commit: Option<String>,
    /// A word of your own: the same request with the same word, within a day, is built once.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Come back when the build is over; fail when it did not succeed.
    #[arg(long)]
    wait: bool,
    /// Print the build as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

pub(super) async fn run(trigger: Trigger) -> Result<(), Failure> {
    let (owner, name) = repository_path(&trigger.repository)?;
    let body = json!({"branch": trigger.branch, "tag": trigger.tag, "commit": trigger.commit});
    let client = match &trigger.key {
        Some(key) => trigger.client.with_key(key),
        None => trigger.client,
    };
    let (mut build, is_of_before): (Value, bool) = client.once(&["repositories", owner, name, "builds"], &body).await?;
    if is_of_before {
        // What was answered then is not how the build stands now.
        let number = build["number"].to_string();
        build = client.call(Method::GET, &["repositories", owner, name, "builds", &number], None::<&Value>).await?;
    }
    let one = One::new(&client, &trigger.repository, &build["number"].to_string(), trigger.json)?;
    if !trigger.json {
        say(told(&build))?;
        say(one.page())?;
    } else if !trigger.wait {
        say(&build)?;
    }
    if trigger.wait { one.wait().await } else { Ok(()) }
}
