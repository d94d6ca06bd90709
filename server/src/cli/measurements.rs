//! `slipway measurements`: what apps and hosts use.

use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::Value;

use slipway_web::parts::size;

use super::{Client, Failure, releases::text, repository_path, say};

/// What the apps of an environment, or a runner's host, used.
#[derive(Debug, Args)]
pub(super) struct Measurements {
    /// The repository, as owner/name.
    #[arg(required_unless_present = "runner", requires = "environment", conflicts_with = "runner")]
    repository: Option<String>,
    /// The environment.
    environment: Option<String>,
    /// A runner whose host it is about.
    #[arg(long, value_name = "NAME")]
    runner: Option<String>,
    /// How much time is looked at.
    #[arg(long, value_enum, default_value_t = Time::Hour)]
    window: Time,
    /// Every point as JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Time {
    Hour,
    Day,
    Week,
}

impl Time {
    fn word(self) -> &'static str {
        match self {
            Time::Hour => "hour",
            Time::Day => "day",
            Time::Week => "week",
        }
    }
}

impl Measurements {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.client.asking(&[("window", self.window.word())]);
        let (repository, environment) = (self.repository.unwrap_or_default(), self.environment.unwrap_or_default());
        let path: Vec<&str> = match &self.runner {
            Some(runner) => vec!["runners", runner.as_str(), "measurements"],
            None => {
                let (owner, name) = repository_path(&repository)?;
                vec!["repositories", owner, name, "environments", environment.as_str(), "measurements"]
            }
        };
        let answer: Value = client.call(Method::GET, &path, None::<&Value>).await?;
        if self.json {
            return Ok(say(&answer)?);
        }
        let lines = match &self.runner {
            Some(runner) => host_line(runner, points(&answer)).into_iter().collect(),
            None => app_lines(&answer),
        };
        if lines.is_empty() {
            say("no measurements yet")?;
        }
        for line in lines {
            say(&line)?;
        }
        if let Some(note) = answer["note"].as_str() {
            say(note)?;
        }
        Ok(())
    }
}

fn points(value: &Value) -> &[Value] {
    value["points"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A line for each app: what it uses now, and the most that it used.
fn app_lines(answer: &Value) -> Vec<String> {
    let apps = answer["apps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let width = apps.iter().map(|app| text(app, "app").chars().count()).max().unwrap_or(0);
    let line = |app: &Value| {
        let last = points(app).last()?;
        Some(format!(
            "{:width$}  {}  memory {} (at most {})  restarts {}  healthy {} of {}",
            text(app, "app"),
            cpu(points(app), last),
            bytes(&last["memory"]),
            bytes(most(points(app), "memory_max")),
            last["restarts"],
            last["healthy"],
            last["wanted"]
        ))
    };
    apps.iter().filter_map(line).collect()
}

fn host_line(runner: &str, points: &[Value]) -> Option<String> {
    let last = points.last()?;
    Some(format!(
        "{runner}  {} of {}  memory {} (at most {}) of {}  disk {} of {}",
        cpu(points, last),
        last["cpus"],
        bytes(&last["memory"]),
        bytes(most(points, "memory_max")),
        bytes(&last["memory_limit"]),
        bytes(&last["disk"]),
        bytes(&last["disk_limit"])
    ))
}

fn cpu(points: &[Value], last: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    format!("CPU {:.2} (at most {:.2})", number(&last["cpu"]), number(most(points, "cpu_max")))
}

fn most<'v>(points: &'v [Value], field: &str) -> &'v Value {
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let largest = points.iter().map(|point| &point[field]).max_by(|a, b| number(a).total_cmp(&number(b)));
    largest.unwrap_or(&Value::Null)
}

fn bytes(value: &Value) -> String {
    size(value.as_i64().unwrap_or(0))
}
