//! `slipway logs`: the log of a build's step, or its lines that hold a text.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use slipway_web::ansi;

use super::{Client, Failure, repository_path};
use crate::http::api::NEXT_LINE;

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// The repository, owner/name.
    repository: String,
    /// The build's number.
    number: u32,
    /// The step's, as the build's page counts them.
    step: u32,
    /// An earlier attempt.
    #[arg(long, value_name = "NUMBER")]
    attempt: Option<u32>,
    /// Only the lines that hold this text, each behind its number.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// In any case of its letters.
    #[arg(short = 'i', long, requires = "search")]
    any_case: bool,
    #[command(flatten)]
    client: Client,
}

impl Logs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (owner, name) = repository_path(&self.repository)?;
        let (number, step) = (self.number.to_string(), self.step.to_string());
        let path = ["repositories", owner, name, "builds", &number, "steps", &step, "log"];
        let mut next = Some("1".to_owned());
        let mut found = false;
        while let Some(from) = next {
            let client = self.asking(&from);
            let (headers, text) = client.text(&path).await?;
            found |= !text.is_empty();
            print(&text)?;
            next = headers.get(NEXT_LINE).and_then(|next| next.to_str().ok()).map(str::to_owned);
            // Without a search, the answer behind the last line is empty.
            next = next.filter(|next| *next != from && (self.search.is_some() || !text.is_empty()));
        }
        match &self.search {
            Some(text) if !found => Err(Failure::new(format!("no line holds “{text}”"))),
            _ => Ok(()),
        }
    }

    fn asking(&self, from: &str) -> Client {
        let attempt = self.attempt.map(|attempt| attempt.to_string());
        let mut query = vec![("from", from)];
        query.extend(attempt.as_deref().map(|attempt| ("attempt", attempt)));
        if let Some(text) = &self.search {
            query.extend([("search", text.as_str()), ("any_case", if self.any_case { "true" } else { "false" })]);
        }
        self.client.clone().asking(&query)
    }
}

/// What a build wrote is not to move the cursor of whoever reads it, or worse: a terminal gets it as the page shows it.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        text.lines().try_for_each(|line| writeln!(out, "{}", ansi::plain(line)))?;
    } else {
        out.write_all(text.as_bytes())?;
    }
    out.flush()
}
