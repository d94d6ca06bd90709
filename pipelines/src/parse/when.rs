//! `when`: the conditions of an app or a step.

use super::fields::{field, fields, shown, texts, wrong_kind};
use crate::{
    conditions::Patterns,
    config::{Event, When},
    diagnostics::{Place, Problem, Report},
    document::{Node, Value},
    reference,
};

/// The most patterns of one list.
const MAX_PATTERNS: usize = 100;

/// Reads conditions.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> When {
    report.within(reference::WHEN.anchor, |report| {
        let mut when = When::default();
        let Some(fields) = fields(node, &reference::WHEN, report) else { return when };
        for entry in &fields {
            let node = &entry.value;
            if matches!(&node.value, Value::Null) || matches!(&node.value, Value::List(items) if items.is_empty()) {
                let problem = Problem::new(format!("\"{}\" has no value", entry.key));
                report.add(entry.place, problem.expected("at least one, or no such key"));
                continue;
            }
            match entry.key.as_str() {
                "branch" => when.branch = patterns(node, "a pattern of branches", "refs/heads/", report),
                "tag" => when.tag = patterns(node, "a pattern of tags", "refs/tags/", report),
                "event" => when.event = events(node, report),
                _ => when.paths = paths(node, report),
            }
        }
        let judges = |event| when.event.is_empty() || when.event.contains(&event);
        let other = [Event::Push, Event::Tag, Event::PullRequest, Event::Schedule, Event::Manual];
        let branches = other.into_iter().filter(|event| *event != Event::Tag).any(judges);
        if let Some(entry) = field(&fields, "branch").filter(|_| !branches && when.tag.is_empty()) {
            let problem = Problem::new("\"branch\" is never judged: \"event\" names tags only");
            report.warn(entry.place, problem.expected("\"tag\", or another event"));
        }
        if let Some(entry) = field(&fields, "tag").filter(|_| !judges(Event::Tag) && !judges(Event::Manual)) {
            let problem = Problem::new("\"tag\" is never judged: \"event\" names nothing that builds a tag");
            report.warn(entry.place, problem.expected("tag among the events"));
        }
        when
    })
}

/// Patterns of names; `prefix` is what git puts before them and people sometimes write.
pub(super) fn patterns(node: &Node, what: &str, prefix: &str, report: &mut Report<'_>) -> Vec<String> {
    if matches!(node.value, Value::Map(_)) {
        wrong_kind(node, &format!("a list, each item {what}"), report);
        return Vec::new();
    }
    let texts = texts(node, what, report).unwrap_or_default();
    if texts.len() > MAX_PATTERNS {
        let message = format!("there are {} patterns; the limit is {MAX_PATTERNS}", texts.len());
        report.add(node.place, Problem::new(message));
        return Vec::new();
    }
    let mut patterns = Vec::new();
    for (text, place) in texts {
        let pattern = match text.strip_prefix('!') {
            Some(rest) => format!("!{}", rest.strip_prefix(prefix).unwrap_or(rest)),
            None => text.strip_prefix(prefix).unwrap_or(text).to_owned(),
        };
        match Patterns::new(std::slice::from_ref(&pattern)) {
            Ok(_) => patterns.push(pattern),
            Err(error) => report.add(
                place,
                Problem::new(error.to_string()).expected("a name in which * and ? may stand").see("conditions"),
            ),
        }
    }
    patterns
}

fn paths(node: &Node, report: &mut Report<'_>) -> Vec<String> {
    for (text, place) in scalars(node) {
        let path = text.strip_prefix('!').unwrap_or(text);
        if path.starts_with('/') || path.split('/').any(|part| part == "..") {
            let message = format!("\"{}\" matches no path of the repository", shown(text));
            let expected = "a path from the repository's root, such as web/**";
            report.add(place, Problem::new(message).expected(expected));
        }
    }
    patterns(node, "a pattern of paths", "./", report)
}

/// The texts of a list, or the single one; what else there is, others report.
fn scalars(node: &Node) -> impl Iterator<Item = (&str, Place)> {
    let nodes = if let Value::List(items) = &node.value { items.as_slice() } else { std::slice::from_ref(node) };
    nodes.iter().filter_map(|node| match &node.value {
        Value::Scalar(text) => Some((text.as_str(), node.place)),
        _ => None,
    })
}

fn events(node: &Node, report: &mut Report<'_>) -> Vec<Event> {
    let names = Event::ALL.map(Event::name);
    let mut events = Vec::new();
    for (text, place) in texts(node, "an event", report).unwrap_or_default() {
        match Event::named(text) {
            Some(event) if events.contains(&event) => {}
            Some(event) => events.push(event),
            None => {
                let problem = Problem::new(format!("unknown event \"{}\"", shown(text)))
                    .expected(format!("one of {}", names.join(", ")))
                    .nearest(text, names);
                report.add(place, problem);
            }
        }
    }
    events
}
