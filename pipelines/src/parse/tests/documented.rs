//! docs/captain-yml.md says what the parser does.

use super::{FACTS, parsed};
use crate::{
    parse::parse,
    reference::{MAPS, markdown},
};

const REFERENCE: &str = include_str!("../../../../docs/captain-yml.md");

/// The examples of the reference, in order.
fn examples() -> Vec<&'static str> {
    REFERENCE.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```").map(|(example, _)| example)).collect()
}

/// The anchors that the reference's headings have, as GitHub makes them.
fn anchors() -> Vec<String> {
    let headings = REFERENCE.lines().filter_map(|line| line.strip_prefix('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_example_is_read() {
    assert!(examples().len() > 15);
    for example in examples() {
        if let Err(problems) = parse("captain.yml", example, &FACTS) {
            unreachable!("an example of docs/captain-yml.md is refused:\n{problems}\n{example}");
        }
    }
}

#[test]
fn every_table_is_that_of_the_parser() {
    for map in MAPS {
        let table = markdown::table(map);
        assert!(REFERENCE.contains(&table), "docs/captain-yml.md lacks the table of {}:\n\n{table}", map.of);
    }
}

#[test]
fn every_link_leads_somewhere() {
    let anchors = anchors();
    let others = [
        "caches",
        "docker-run",
        "matrix",
        "order",
        "secrets",
        "tags",
        "the-file",
        "variables",
        "captains-old-format",
        "compose-files",
    ];
    for anchor in MAPS.iter().map(|map| map.anchor).chain(others) {
        assert!(anchors.iter().any(|known| known == anchor), "docs/captain-yml.md has no heading #{anchor}");
    }
    for link in REFERENCE.split("](#").skip(1).filter_map(|rest| rest.split_once(')')) {
        assert!(anchors.iter().any(|known| known == link.0), "docs/captain-yml.md has no heading #{}", link.0);
    }
}

#[test]
fn every_key_has_an_example() {
    let examples = examples().join("\n");
    for (map, key) in MAPS.iter().flat_map(|map| map.keys.iter().map(move |key| (map, key))) {
        let is_used = examples
            .match_indices(&format!("{}:", key.name))
            .any(|(at, _)| examples[..at].chars().next_back().is_none_or(|before| matches!(before, ' ' | '{' | '\n')));
        assert!(is_used, "no example of docs/captain-yml.md uses \"{}\" of {}", key.name, map.of);
    }
}

#[test]
fn every_sentence_is_one() {
    for key in MAPS.iter().flat_map(|map| map.keys) {
        assert!(key.what.ends_with('.') && !key.what.contains('|'), "{}: {}", key.name, key.what);
        assert!(!key.default.is_empty() && !key.default.contains('|'), "{}", key.name);
    }
}

#[test]
fn the_first_example_uses_everything() {
    let config = parsed(examples()[0]);
    assert!(config.apps.iter().any(|app| app.release.is_some()) && !config.environments.is_empty());
}
