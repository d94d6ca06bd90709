//! `slipway logs`: the log of a step of a build or of a rollout, or its lines that hold a text.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use reqwest::Method;
use serde_json::Value;
use slipway_web::ansi;

use super::{Client, ClientError, Failure, closed, progress::plain, repository_path, say, steps};
use crate::http::api::NEXT_LINE;

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// The repository, owner/name.
    repository: String,
    /// The build's number; with --environment, the release's.
    number: u32,
    /// The step's number; without one, the steps are listed with theirs.
    step: Option<u32>,
    /// A step of the rollout of that environment's release.
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// An earlier attempt.
    #[arg(long, value_name = "NUMBER")]
    attempt: Option<u32>,
    /// Only the lines that hold this text, each behind its number.
    #[arg(long, value_name = "TEXT", requires = "step")]
    search: Option<String>,
    /// In any case of its letters.
    #[arg(short = 'i', long, requires = "search")]
    any_case: bool,
    #[command(flatten)]
    client: Client,
}

impl Logs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let number = self.number.to_string();
        let job = self.job(&number)?;
        let Some(step) = self.step else { return self.list(&job).await };
        let index = step.to_string();
        let path = [&job[..], &["steps", &index, "log"]].concat();
        let mut next = Some("1".to_owned());
        let mut found = false;
        while let Some(from) = next {
            let client = self.asking(&from);
            let (headers, text) = match client.text(&path).await {
                Err(error @ ClientError::Refused { status: 404, .. }) => {
                    return Err(self.unknown(step, &job, error).await);
                }
                answer => answer?,
            };
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

    /// Where the API has the build or the release.
    fn job<'a>(&'a self, number: &'a str) -> Result<Vec<&'a str>, Failure> {
        let (owner, name) = repository_path(&self.repository)?;
        Ok(match &self.environment {
            Some(environment) => vec!["repositories", owner, name, "environments", environment, "releases", number],
            None => vec!["repositories", owner, name, "builds", number],
        })
    }

    async fn list(&self, job: &[&str]) -> Result<(), Failure> {
        let found: Value = self.client.call(Method::GET, job, None::<&Value>).await?;
        let lines = steps::lines(&found, self.attempt);
        if lines.is_empty() {
            return Err(self.without_steps(&found));
        }
        lines.iter().try_for_each(say)?;
        Ok(())
    }

    /// That there is no such step, with those that there are.
    async fn unknown(&self, step: u32, job: &[&str], error: ClientError) -> Failure {
        // Where the build is not there either, the answer says so.
        let Ok(found) = self.client.call::<Value>(Method::GET, job, None::<&Value>).await else { return error.into() };
        let lines = steps::lines(&found, self.attempt);
        if lines.is_empty() {
            return self.without_steps(&found);
        }
        Failure::new(format!("there is no step {step}; the steps are\n{}", lines.join("\n")))
    }

    fn without_steps(&self, found: &Value) -> Failure {
        let there = steps::attempts(found).join(", ");
        match self.attempt {
            Some(attempt) if !there.is_empty() => {
                Failure::new(format!("there is no attempt {attempt}; of {}, there is {there}", self.number))
            }
            _ => Failure::new(format!("{} has no steps yet: no runner has taken it", self.number)),
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
        text.lines().try_for_each(|line| writeln!(out, "{}", plain(&ansi::plain(line)))).map_err(closed)?;
    } else {
        out.write_all(text.as_bytes()).map_err(closed)?;
    }
    out.flush().map_err(closed)
}
