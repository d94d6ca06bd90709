//! What an image is pushed as, and by which builds: `tags`, `commit_length`, `latest` and `push`.

use super::{
    fields::{boolean, fields, shown, texts, word},
    templates,
    when::patterns,
};
use crate::{
    config::{Attestation, CommitLength, Latest, PushRule, TagRule},
    diagnostics::{Problem, Report, nearest},
    document::{Node, Value},
    images, reference, variables,
};

/// The most entries of `tags`.
const MAX_TAGS: usize = 50;
const RULES: [(&str, TagRule); 4] = [
    ("branch", TagRule::Branch),
    ("commit", TagRule::Commit),
    ("semver", TagRule::Semver),
    ("latest", TagRule::Latest),
];

/// What `attest` may name.
const ATTESTATIONS: [(&str, Attestation); 2] = [("provenance", Attestation::Provenance), ("sbom", Attestation::Sbom)];

/// Reads `tags`.
pub(super) fn tags(node: &Node, declared: &[&str], report: &mut Report<'_>) -> Vec<TagRule> {
    report.within("tags", |report| {
        let texts = texts(node, "a tag", report).unwrap_or_default();
        if texts.is_empty() && matches!(node.value, Value::List(_) | Value::Null) {
            let problem = Problem::new("there is no tag here").expected("at least one; or \"push: false\"");
            report.add(node.place, problem);
        }
        if texts.len() > MAX_TAGS {
            report.add(node.place, Problem::new(format!("there are {} tags; the limit is {MAX_TAGS}", texts.len())));
            return Vec::new();
        }
        let mut rules = Vec::new();
        for (text, place) in texts {
            if let Some((_, rule)) = RULES.iter().find(|(name, _)| *name == text) {
                rules.push(rule.clone());
                continue;
            }
            if templates::check(text, declared, place, report).is_none() {
                continue;
            }
            if !images::is_tag(&variables::sample(text)) {
                let problem = Problem::new(format!("\"{}\" cannot be a tag", shown(text)));
                let expected =
                    "letters, digits, \"_\", \".\" and \"-\", at most 128, not beginning with \".\" or \"-\"";
                report.add(place, problem.expected(expected));
                continue;
            }
            let names = RULES.iter().map(|(name, _)| *name);
            if let Some(near) = nearest(text, names).filter(|_| !text.contains('$')) {
                let problem = Problem::new(format!("\"{text}\" is a tag of that very name"));
                report.warn(place, Problem { nearest: Some(near.to_owned()), ..problem });
            }
            rules.push(TagRule::Text(text.to_owned()));
        }
        rules
    })
}

/// Reads `commit_length`.
pub(super) fn commit_length(node: &Node, report: &mut Report<'_>) -> Option<CommitLength> {
    report.within("tags", |report| word(node, &[("short", CommitLength::Short), ("full", CommitLength::Full)], report))
}

/// Reads `latest`.
pub(super) fn latest(node: &Node, report: &mut Report<'_>) -> Option<Latest> {
    report.within("tags", |report| {
        word(node, &[("default_branch", Latest::DefaultBranch), ("always", Latest::Always)], report)
    })
}

/// Reads `attest`: `true`, `false`, or some of the words.
pub(super) fn attest(node: &Node, report: &mut Report<'_>) -> Vec<Attestation> {
    match &node.value {
        Value::Scalar(text) if text == "false" => return Vec::new(),
        Value::Scalar(text) if text == "true" => return Attestation::defaults(),
        _ => {}
    }
    report.within("attestations", |report| {
        let each: Vec<&Node> = match &node.value {
            Value::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut wanted = Vec::new();
        for found in each.into_iter().filter_map(|node| word(node, &ATTESTATIONS, report)) {
            if !wanted.contains(&found) {
                wanted.push(found);
            }
        }
        wanted
    })
}

/// Reads `push`.
pub(super) fn push(node: &Node, report: &mut Report<'_>) -> PushRule {
    report.within(reference::PUSH.anchor, |report| {
        if !matches!(node.value, Value::Map(_)) {
            return match boolean(node, report) {
                Some(false) => PushRule::Never,
                _ => PushRule::Always,
            };
        }
        let (mut branches, mut tags) = (Vec::new(), Vec::new());
        for field in fields(node, &reference::PUSH, report).unwrap_or_default() {
            match field.key.as_str() {
                "branches" => branches = patterns(&field.value, "a pattern of branches", "refs/heads/", report),
                _ => tags = patterns(&field.value, "a pattern of tags", "refs/tags/", report),
            }
        }
        if branches.is_empty() && tags.is_empty() && !report.has_errors() {
            let problem = Problem::new("\"push\" matches nothing");
            report.add(node.place, problem.expected("patterns of branches or tags; or \"push: false\""));
        }
        PushRule::Matching { branches, tags }
    })
}
