//! `slipway releases`: what was released to an environment, and what became of one of them.

use clap::Args;
use serde_json::Value;

use super::{
    Failure,
    listing::note_if_empty,
    releases::{Which, text},
    say,
};

#[derive(Debug, Args)]
pub(super) struct Releases {
    #[command(flatten)]
    which: Which,
    /// A release's number: what it holds, and what was decided of it.
    number: Option<i64>,
    /// Come back when that release, or the newest one, is live; fail when it is not to be.
    #[arg(long)]
    wait: bool,
}

impl Releases {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.number.map(|number| number.to_string()) {
            Some(number) => {
                let release = self.which.ask(&["releases", &number]).await?;
                if self.wait { self.which.tell(release, true).await } else { self.show(&release) }
            }
            None => {
                let list = self.which.ask(&["releases"]).await?;
                if self.wait { self.which.tell(self.newest(&list)?, true).await } else { self.list(&list) }
            }
        }
    }

    fn newest(&self, list: &Value) -> Result<Value, Failure> {
        let newest = list["items"].get(0).cloned();
        newest.ok_or_else(|| Failure::new(format!("nothing was released to {} yet", self.which.name())))
    }

    fn list(&self, list: &Value) -> Result<(), Failure> {
        if self.which.json {
            return Ok(say(list)?);
        }
        note_if_empty(&list["items"], "Nothing was released there yet.");
        for release in list["items"].as_array().into_iter().flatten() {
            let number = format!("#{}", release["number"]);
            let (state, kind) = (text(release, "state"), text(release, "kind"));
            let about = about(release);
            let reason = release["reason"].as_str().map_or_else(String::new, |reason| format!(": {reason}"));
            say(format_args!("{number:6} {state:10} {kind:9} {about}{reason}"))?;
        }
        Ok(())
    }

    fn show(&self, release: &Value) -> Result<(), Failure> {
        if self.which.json {
            return Ok(say(release)?);
        }
        say(self.which.told(release))?;
        say(format_args!("  {} of {}", text(release, "kind"), about(release)))?;
        for app in release["apps"].as_array().into_iter().flatten() {
            let (name, image, digest) = (text(app, "app"), text(app, "image"), text(app, "digest"));
            say(format_args!("  {name}: {} x {image}@{digest}", app["replicas"]))?;
        }
        for decision in release["decisions"].as_array().into_iter().flatten() {
            let (at, kind, by) = (text(decision, "at"), text(decision, "kind"), text(decision, "actor"));
            let reason = decision["reason"].as_str().map_or_else(String::new, |reason| format!(": {reason}"));
            say(format_args!("  {at} {kind} by {by}{reason}"))?;
        }
        Ok(())
    }
}

/// Of what a release is, whose and since when.
fn about(release: &Value) -> String {
    let commit: String = text(release, "commit").chars().take(8).collect();
    let (by, at) = (text(release, "actor"), text(release, "created_at"));
    format!("build {} {commit} by {by}, {at}", release["build"])
}
