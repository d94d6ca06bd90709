//! The shapes that values may have: maps with known keys, texts, lists of texts, numbers.

use std::str::FromStr;

use super::quantities;
use crate::{
    diagnostics::{Place, Problem, Report},
    docker_run::words::{self, Mode},
    document::{Entry, Node, Value},
    reference::Map,
};

/// What other tools call a key of this language.
const ELSEWHERE: [(&str, &str); 14] = [
    ("dockerfile", "build"),
    ("args", "build_arg"),
    ("build_args", "build_arg"),
    ("environment", "env"),
    ("script", "run"),
    ("command", "run"),
    ("commands", "run"),
    ("depends_on", "needs"),
    ("volumes", "cache"),
    ("before_script", "pre"),
    ("after_script", "post"),
    ("healthcheck", "health"),
    ("deploy", "release"),
    ("if", "when"),
];
/// The longest label of the domain name system, in bytes.
const MAX_LABEL: usize = 63;
/// The most items of a list, or keys of a map of variables.
const MAX_ITEMS: usize = 500;

/// The entries of a map whose keys are known; the others are reported. None if it is no map; nothing counts as empty.
pub(super) fn fields<'n>(node: &'n Node, known: &Map, report: &mut Report<'_>) -> Option<Vec<&'n Entry>> {
    let entries = report.within(known.anchor, |report| map(node, known.of, report))?;
    let mut read = Vec::new();
    for entry in entries {
        if report.is_full() {
            break;
        }
        let key = entry.key.as_str();
        if known.names().any(|name| name == key) {
            read.push(entry);
        } else {
            let names: Vec<&str> = known.names().collect();
            let elsewhere = ELSEWHERE.iter().find(|(other, own)| *other == key && names.contains(own));
            let problem = Problem::new(format!("unknown key \"{}\" in {}", shown(key), known.of))
                .expected(one_of(&names))
                .nearest(key, names.iter().copied())
                .see(known.anchor);
            let nearest = elsewhere.map(|(_, own)| (*own).to_owned()).or(problem.nearest);
            report.add(entry.place, Problem { nearest, ..problem });
        }
    }
    Some(read)
}

/// The field of this name.
pub(super) fn field<'n>(fields: &[&'n Entry], name: &str) -> Option<&'n Entry> {
    fields.iter().find(|field| field.key == name).copied()
}

/// A map's entries; nothing counts as an empty map.
pub(super) fn map<'n>(node: &'n Node, what: &str, report: &mut Report<'_>) -> Option<&'n [Entry]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        Value::Null => Some(&[]),
        _ => {
            wrong_kind(node, &format!("{what} as a map of keys and values"), report);
            None
        }
    }
}

/// A text; numbers and booleans are taken as they are written.
pub(super) fn text<'n>(node: &'n Node, what: &str, report: &mut Report<'_>) -> Option<&'n str> {
    match &node.value {
        Value::Scalar(text) if text.contains('\0') => {
            report.add(node.place, Problem::new("a text may not hold a NUL character"));
            None
        }
        Value::Scalar(text) => Some(text),
        _ => {
            wrong_kind(node, what, report);
            None
        }
    }
}

/// A list of texts with their places; a single text counts as a list of one, nothing as an empty list.
pub(super) fn texts<'n>(node: &'n Node, what: &str, report: &mut Report<'_>) -> Option<Vec<(&'n str, Place)>> {
    match &node.value {
        Value::Null => Some(Vec::new()),
        Value::Scalar(_) => Some(vec![(text(node, what, report)?, node.place)]),
        Value::List(items) if items.len() > MAX_ITEMS => {
            let message = format!("the list has {} items; the limit is {MAX_ITEMS}", items.len());
            report.add(node.place, Problem::new(message));
            None
        }
        Value::List(items) => {
            let read: Vec<_> = items.iter().filter_map(|item| Some((text(item, what, report)?, item.place))).collect();
            (read.len() == items.len()).then_some(read)
        }
        Value::Map(_) => {
            wrong_kind(node, &format!("a list, each item {what}"), report);
            None
        }
    }
}

/// A map of texts; nothing as a value counts as an empty text.
pub(super) fn pairs(node: &Node, what: &str, report: &mut Report<'_>) -> Option<Vec<(String, String)>> {
    let entries = map(node, what, report)?;
    if entries.len() > MAX_ITEMS {
        let message = format!("there are {} of them; the limit is {MAX_ITEMS}", entries.len());
        report.add(node.place, Problem::new(message));
        return None;
    }
    let mut read = Vec::new();
    for entry in entries {
        if entry.key.is_empty() || entry.key.contains(['=', '\0']) || entry.key.chars().any(char::is_whitespace) {
            report.add(entry.place, Problem::new(format!("\"{}\" cannot be a variable's name", shown(&entry.key))));
            continue;
        }
        let value = match &entry.value.value {
            Value::Null => Some(""),
            _ => text(&entry.value, "a text", report),
        };
        read.extend(value.map(|value| (entry.key.clone(), value.to_owned())));
    }
    Some(read)
}

/// A number within limits.
pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    node: &Node,
    limits: std::ops::RangeInclusive<T>,
    report: &mut Report<'_>,
) -> Option<T> {
    let expected = format!("a number from {} to {}", limits.start(), limits.end());
    let written = text(node, &expected, report)?;
    let value = written.parse::<T>().ok().filter(|value| limits.contains(value));
    if value.is_none() {
        report.add(node.place, Problem::new(format!("\"{}\" is not such a number", shown(written))).expected(expected));
    }
    value
}

/// One of a few words.
pub(super) fn word<T: Copy>(node: &Node, words: &[(&'static str, T)], report: &mut Report<'_>) -> Option<T> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let expected = one_of(&names);
    let written = text(node, &expected, report)?;
    let found = words.iter().find(|(name, _)| *name == written).map(|(_, value)| *value);
    if found.is_none() {
        let problem = Problem::new(format!("\"{}\" cannot stand here", shown(written)));
        report.add(node.place, problem.expected(expected).nearest(written, names));
    }
    found
}

/// `true` or `false`.
pub(super) fn boolean(node: &Node, report: &mut Report<'_>) -> Option<bool> {
    word(node, &[("true", true), ("false", false)], report)
}

/// A duration of at most a day, in milliseconds.
pub(super) fn duration(node: &Node, report: &mut Report<'_>) -> Option<u64> {
    let written = text(node, "a duration such as 2s", report)?;
    or_report(quantities::duration(written), node.place, report)
}

/// A duration of some length, in milliseconds.
pub(super) fn positive_duration(node: &Node, report: &mut Report<'_>) -> Option<u64> {
    let milliseconds = duration(node, report)?;
    if milliseconds == 0 {
        report.add(node.place, Problem::new("a time of nothing").expected("a duration above 0"));
        return None;
    }
    Some(milliseconds)
}

/// A command as a list of words, or as one line with a shell's quotes.
pub(super) fn command(node: &Node, report: &mut Report<'_>) -> Option<Vec<String>> {
    let command = match &node.value {
        Value::Scalar(line) => return command_line(line, node.place, report),
        _ => texts(node, "a word of the command", report)?.into_iter().map(|(word, _)| word.to_owned()).collect(),
    };
    non_empty(command, node.place, report)
}

/// A command in a line: split at spaces, quotes respected.
pub(super) fn command_line(line: &str, place: Place, report: &mut Report<'_>) -> Option<Vec<String>> {
    non_empty(or_report(words::split(line, Mode::Literal), place, report)?.0, place, report)
}

fn non_empty(command: Vec<String>, place: Place, report: &mut Report<'_>) -> Option<Vec<String>> {
    if command.first().is_none_or(String::is_empty) {
        report.add(place, Problem::new("the command is empty").expected("a program and its arguments"));
        return None;
    }
    Some(command)
}

/// Names of secrets.
pub(super) fn secrets(node: &Node, report: &mut Report<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, place) in texts(node, "the name of a secret", report).unwrap_or_default() {
        if !is_secret_name(name) {
            let problem = Problem::new(format!("\"{}\" cannot be a secret's name", shown(name)))
                .expected("letters, digits and \"_\", at most 64, not beginning with a digit")
                .see("secrets");
            report.add(place, problem);
        } else if names.iter().all(|known| known != name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn is_secret_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reports what is given as a variable and as a secret at once: only one of the two could be found there.
pub(super) fn check_apart(env: &[(String, String)], secrets: &[String], place: Place, report: &mut Report<'_>) {
    for name in secrets.iter().filter(|name| env.iter().any(|(variable, _)| variable == *name)) {
        let problem = Problem::new(format!("\"{name}\" is among \"env\" and among \"secrets\""));
        report.add(place, problem.expected("one of them").see("secrets"));
    }
}

/// A name that is an address: a label of a host name.
pub(super) fn is_host_label(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= MAX_LABEL
        && text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.chars().all(|c| alphanumeric(c) || c == '-')
}

/// Takes the value, or reports the reason at the place.
pub(super) fn or_report<T>(result: Result<T, Problem>, place: Place, report: &mut Report<'_>) -> Option<T> {
    result.map_err(|problem| report.add(place, problem)).ok()
}

pub(super) fn wrong_kind(node: &Node, expected: &str, report: &mut Report<'_>) {
    report.add(node.place, Problem::new(format!("there is {} here", node.kind())).expected(expected));
}

/// What was written, short enough for a message.
pub(super) fn shown(text: &str) -> String {
    const WIDTH: usize = 60;
    let shown: String = text.chars().take(WIDTH).flat_map(char::escape_debug).collect();
    if text.chars().nth(WIDTH).is_some() {
        format!("{shown}…")
    } else {
        shown.replace("\\\"", "\"").replace("\\'", "'")
    }
}

pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [only] => format!("\"{only}\""),
        _ => format!("one of {}", names.join(", ")),
    }
}
