//! `slipway detect`.

use std::fmt::Write as _;

use clap::Args;
use slipway_pipelines::{config::Config, parse::FILE_NAME};

use crate::cli::{Failure, say, tree::WorkingTree};

/// Prints the captain.yml that auto-detection implies.
#[derive(Debug, Args)]
pub(in crate::cli) struct Detect {
    /// Writes it to captain.yml, unless there is one.
    #[arg(long)]
    write: bool,
}

impl Detect {
    pub(in crate::cli) fn run(&self, namespace: &str) -> Result<(), Failure> {
        let tree = WorkingTree::open(&std::env::current_dir()?, namespace)?;
        let text = file_of(&tree.detected()?);
        if !self.write {
            return Ok(say(text.trim_end())?);
        }
        let path = tree.root.join(FILE_NAME);
        let written = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
        let written = written.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
        written.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Failure::new(format!("there is a captain.yml already, and it stays: {}", path.display()))
            }
            _ => Failure::new(format!("{}: {error}", path.display())),
        })?;
        Ok(say(format_args!("wrote {}", path.display()))?)
    }
}

/// The configuration of a repository without a captain.yml, as a captain.yml.
fn file_of(config: &Config) -> String {
    let mut text = String::new();
    for app in &config.apps {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "{}:\n  build: {}\n  image: {}\n",
            scalar(&key(&app.name)),
            scalar(&app.dockerfile),
            scalar(&app.image)
        );
    }
    text
}

/// The app's name as one that a captain.yml may have: a registry's port has a colon.
fn key(name: &str) -> String {
    match name.split_once('/') {
        Some((host, path)) if host.contains(':') => path.to_owned(),
        _ => name.to_owned(),
    }
}

/// A text as YAML reads it back: in quotes unless it is plainly a word.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.contains(['/', '.'])
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'));
    if is_plain || text == "Dockerfile" { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use slipway_pipelines::{
        detect::{RepositoryFacts, detect},
        parse::parse,
    };

    use super::file_of;

    /// What is printed means what was detected, whatever the names.
    #[test]
    fn the_file_says_what_was_detected() {
        for repository in ["harbur/hello", "127.0.0.1:5000/shop/hello", "hello", "1.5", "true"] {
            let facts = RepositoryFacts { repository };
            let files = ["Dockerfile", "web/Dockerfile.Test", "a b/1/Dockerfile"].map(str::to_owned);
            let detected = detect(&files, &facts).unwrap();
            let read = parse("captain.yml", &file_of(&detected), &facts).unwrap().config;
            let told = |config: &slipway_pipelines::config::Config| {
                config.apps.iter().map(|app| (app.dockerfile.clone(), app.image.clone())).collect::<Vec<_>>()
            };
            assert_eq!(told(&read), told(&detected), "{repository}");
        }
    }
}
