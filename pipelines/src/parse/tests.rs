#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod accepted;
mod documented;
mod refused;
mod warned;

use super::*;

const FACTS: RepositoryFacts<'static> = RepositoryFacts { repository: "harbur/hello" };

fn parsed(text: &str) -> Config {
    parse("captain.yml", text, &FACTS).unwrap().config
}

/// What a person reads.
fn message(text: &str) -> String {
    parse("captain.yml", text, &FACTS).unwrap_err().to_string()
}
