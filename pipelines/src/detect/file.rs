//! What was detected, as a captain.yml to begin with.

use std::fmt::Write as _;

use crate::config::Config;

/// The configuration of a repository without a captain.yml, as a captain.yml.
#[must_use]
pub fn captain_yml(config: &Config) -> String {
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

    use super::captain_yml;
    use crate::{
        detect::{RepositoryFacts, detect},
        parse::parse,
    };

    /// What is printed means what was detected, whatever the names.
    #[test]
    fn the_file_says_what_was_detected() {
        for repository in ["harbur/hello", "127.0.0.1:5000/shop/hello", "hello", "1.5", "true"] {
            let facts = RepositoryFacts { repository };
            let files = ["Dockerfile", "web/Dockerfile.Test", "a b/1/Dockerfile"].map(str::to_owned);
            let detected = detect(&files, &facts).unwrap();
            let read = parse("captain.yml", &captain_yml(&detected), &facts).unwrap().config;
            let told = |config: &crate::config::Config| {
                config.apps.iter().map(|app| (app.dockerfile.clone(), app.image.clone())).collect::<Vec<_>>()
            };
            assert_eq!(told(&read), told(&detected), "{repository}");
        }
    }
}
