//! captain.yml, strictly: text in, a validated [`Config`] or every problem out.

mod app;
mod circles;
pub(crate) mod compose;
mod cron;
mod environment;
mod fields;
mod foreign;
mod matrix;
mod promotion;
mod pushes;
pub(crate) mod quantities;
mod release;
mod schedule;
mod service;
mod step;
pub(crate) mod target;
mod templates;
mod timezones;
mod warnings;
mod when;
mod written;

use crate::{
    config::{Config, Defaults},
    detect::{self, RepositoryFacts},
    diagnostics::{self, Diagnostics, Problem, Report},
    document::{self, Entry, Node, Value},
    reference,
};
use fields::{fields, positive_duration};
pub use written::Unreadable;

/// The name of the file, at the repository's root.
pub const FILE_NAME: &str = "captain.yml";
/// The largest captain.yml that is read, in bytes: whoever fetches the file need not read further.
pub const MAX_BYTES: usize = document::MAX_BYTES;
/// The image that plain commands run in, unless `defaults.step_image` says otherwise.
pub const DEFAULT_STEP_IMAGE: &str = "debian:bookworm-slim";

/// The image that plain commands run in when they have a Docker engine of their own and no image was named.
pub const DEFAULT_ENGINE_IMAGE: &str = "docker:cli";

/// The most apps that a file may have.
const MAX_APPS: usize = 200;

/// A captain.yml that can be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// What it says.
    pub config: Config,
    /// What is legal in it and surely not meant, as far as the file alone tells; often empty.
    pub warnings: Diagnostics,
}

/// Reads a captain.yml. `file_name` is what the problems call it.
///
/// # Errors
/// With every problem that could be found at once, each with its place.
pub fn parse(file_name: &str, text: &str, facts: &RepositoryFacts<'_>) -> Result<Parsed, Diagnostics> {
    let mut report = Report::new(file_name, text);
    let config = document::read(text, &mut report).and_then(|root| read(&root, text, facts, &mut report));
    match config {
        Some(config) if !report.has_errors() => Ok(Parsed { config, warnings: report.into_warnings() }),
        _ => Err(report.into_errors()),
    }
}

fn read(root: &Node, text: &str, facts: &RepositoryFacts<'_>, report: &mut Report<'_>) -> Option<Config> {
    let entries = match &root.value {
        Value::Map(entries) => entries.as_slice(),
        Value::Null => &[],
        _ => {
            foreign::report_no_map(root, report);
            return None;
        }
    };
    let apps = entries.iter().filter(|entry| !is_reserved(&entry.key)).count();
    if apps > MAX_APPS {
        let message = format!("the file has {apps} apps; the limit is {MAX_APPS}");
        report.add_whole(Problem::new(message));
        return None;
    }
    if foreign::report(entries, text, report) {
        return None;
    }
    let own: Vec<&Entry> = entries.iter().filter(|entry| !is_reserved(&entry.key) && !is_misspelt(entry)).collect();
    let names: Vec<(&str, bool)> = own.iter().map(|entry| (entry.key.as_str(), has_matrix(entry))).collect();
    let mut config = Config::default();
    for entry in entries {
        match entry.key.as_str() {
            "defaults" => config.defaults = defaults(&entry.value, report),
            "schedules" => config.schedules = schedule::read_all(&entry.value, report),
            // They are read once the apps are known.
            "environments" => {}
            key if is_misspelt(entry) => {
                let problem = Problem::new(format!("unknown key \"{}\" in {}", fields::shown(key), reference::FILE.of));
                report.add(entry.place, problem.nearest(key, reference::FILE.names()).see(reference::FILE.anchor));
            }
            _ => {
                let app = report.within(reference::APP.anchor, |report| app::read(entry, &names, facts, report));
                config.apps.extend(app);
            }
        }
    }
    if own.is_empty() {
        let example = detect::image_name("Dockerfile", facts);
        let problem = Problem::new("there is no app in the file").see(reference::APP.anchor);
        let expected = format!("at least one, such as \"web: {{build: Dockerfile, image: {example}}}\"");
        report.add_whole(problem.expected(expected));
    }
    if let Some(entry) = entries.iter().find(|entry| entry.key == "environments") {
        let names: Vec<&str> = own.iter().map(|entry| entry.key.as_str()).collect();
        config.environments = environment::read_all(&entry.value, &config.apps, &names, report);
    }
    report.within(reference::APP.anchor, |report| app::check_distinct_images(&config.apps, entries, report));
    circles::check(&config.apps, entries, report);
    warnings::find(&config, entries, report);
    Some(config)
}

fn is_reserved(key: &str) -> bool {
    reference::FILE.names().any(|name| name == key)
}

/// Whether a key at the top means one of those that the file has, and no app: nothing in it is an app's.
fn is_misspelt(entry: &Entry) -> bool {
    let is_near = diagnostics::nearest(&entry.key, reference::FILE.names()).is_some();
    let is_app = |field: &Entry| matches!(field.key.as_str(), "image" | "build");
    is_near
        && !is_reserved(&entry.key)
        && matches!(&entry.value.value, Value::Map(fields) if !fields.iter().any(is_app))
}

fn has_matrix(entry: &Entry) -> bool {
    matches!(&entry.value.value, Value::Map(fields) if fields.iter().any(|field| field.key == "matrix"))
}

fn defaults(node: &Node, report: &mut Report<'_>) -> Defaults {
    report.within(reference::DEFAULTS.anchor, |report| {
        let mut defaults = Defaults::default();
        for field in fields(node, &reference::DEFAULTS, report).unwrap_or_default() {
            let node = &field.value;
            match field.key.as_str() {
                "step_image" => defaults.step_image = templates::image(node, &[], report),
                "timeout" => defaults.timeout_ms = positive_duration(node, report),
                "commit_length" => defaults.commit_length = pushes::commit_length(node, report).unwrap_or_default(),
                _ => defaults.latest = pushes::latest(node, report).unwrap_or_default(),
            }
        }
        defaults
    })
}

#[cfg(test)]
mod tests;

/// A line of cron in the form in which a schedule keeps it; none where it is no such line.
#[cfg(test)]
pub(crate) fn cron_line(text: &str) -> Option<String> {
    cron::check(text).ok()
}
