//! What a compose file means before anything is read of it: variables in its texts.

use super::super::fields::shown;
use crate::{
    diagnostics::{Problem, Report},
    document::{Entry, Node, Value},
};

/// The tree with variables put in.
///
/// Nobody's shell stands behind a release: a variable has its default, or is an error. An image's tag may be any, as the
/// build says what runs.
pub(super) fn all(node: &Node, report: &mut Report<'_>) -> Node {
    let value = match &node.value {
        Value::Null => Value::Null,
        Value::Scalar(text) => Value::Scalar(substituted(text).unwrap_or_else(|problem| {
            report.add(node.place, problem);
            text.clone()
        })),
        Value::List(items) => Value::List(items.iter().map(|item| all(item, report)).collect()),
        Value::Map(entries) => Value::Map(entries.iter().map(|entry| field(entry, report)).collect()),
    };
    Node { place: node.place, value }
}

fn field(entry: &Entry, report: &mut Report<'_>) -> Entry {
    let value = match &entry.value.value {
        Value::Scalar(image) if entry.key == "image" => {
            Node { place: entry.value.place, value: Value::Scalar(any_tag(image)) }
        }
        _ => all(&entry.value, report),
    };
    Entry { key: entry.key.clone(), place: entry.place, value }
}

/// An image with a default, or any text, for each variable: which tag is run is not asked here.
fn any_tag(image: &str) -> String {
    pieces(image).into_iter().map(|piece| piece.text(|_| Ok("any".to_owned())).unwrap_or_default()).collect()
}

fn substituted(text: &str) -> Result<String, Problem> {
    let unknown = |name: &str| {
        let problem = Problem::new(format!("nobody here knows the variable \"{}\"", shown(name)));
        Err(problem.expected(format!("a value, a default as in ${{{0}:-…}}, or a dollar written as $$", shown(name))))
    };
    pieces(text).into_iter().map(|piece| piece.text(unknown)).collect()
}

/// A part of a text.
enum Piece<'t> {
    Text(&'t str),
    Variable { name: &'t str, default: Option<&'t str> },
}

impl Piece<'_> {
    fn text(&self, unknown: impl Fn(&str) -> Result<String, Problem>) -> Result<String, Problem> {
        match self {
            Piece::Text(text) => Ok((*text).to_owned()),
            // A default with a variable in it would end too early.
            Piece::Variable { default: Some(default), .. } if !default.contains('$') => Ok((*default).to_owned()),
            Piece::Variable { name, .. } => unknown(name),
        }
    }
}

/// A text's parts: `$NAME`, `${NAME}`, `${NAME-default}`, `${NAME:-default}`, and `$$` for a dollar.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        pieces.push(Piece::Text(&rest[..at]));
        let after = &rest[at + 1..];
        if let Some(next) = after.strip_prefix('$') {
            pieces.push(Piece::Text("$"));
            rest = next;
        } else if let Some(inside) = after.strip_prefix('{') {
            let Some((inside, next)) = inside.split_once('}') else {
                // Without its end it is an error, and so is all that follows.
                pieces.push(Piece::Variable { name: inside, default: None });
                return pieces;
            };
            let end = inside.find(|c: char| !is_of_name(c)).unwrap_or(inside.len());
            let (name, more) = inside.split_at(end);
            pieces.push(Piece::Variable { name, default: more.strip_prefix(":-").or(more.strip_prefix('-')) });
            rest = next;
        } else {
            let end = after.find(|c: char| !is_of_name(c)).unwrap_or(after.len());
            match &after[..end] {
                "" => pieces.push(Piece::Text("$")),
                name => pieces.push(Piece::Variable { name, default: None }),
            }
            rest = &after[end..];
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
