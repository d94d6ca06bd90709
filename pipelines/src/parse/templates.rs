//! Texts in which variables stand.

use super::fields::{or_report, shown, text};
use crate::{
    diagnostics::{Place, Problem, Report},
    document::{Entry, Node, Value},
    images, variables,
};

/// The most names that a message lists.
const MAX_LISTED: usize = 16;

/// Reports variables that no build will know. `declared` are those that the file declares around the text.
pub(super) fn check(template: &str, declared: &[&str], place: Place, report: &mut Report<'_>) -> Option<()> {
    let is_variable = |name: &&str| declared.contains(name) || variables::NAMES.contains(name);
    for name in variables::bare(template) {
        let expected = match name {
            "PATH" | "HOME" => "the folder itself, or \"$$\" for a dollar".to_owned(),
            name if is_variable(&name) => format!("\"${{{name}}}\", or \"$$\" for a dollar"),
            _ => continue,
        };
        let problem = Problem::new(format!("\"${name}\" stays as it is here")).expected(expected);
        report.warn(place, problem.see("variables"));
    }
    let result = variables::check_declared(template, declared).map_err(|error| {
        let problem = Problem::new(error.to_string()).see("variables");
        match &error {
            variables::TemplateError::Unknown { name } => {
                let known = || declared.iter().chain(&variables::NAMES).copied();
                let first: Vec<&str> = variables::NAMES.iter().chain(declared).take(MAX_LISTED).copied().collect();
                problem.expected(format!("one of {}", first.join(", "))).nearest(name, known())
            }
            variables::TemplateError::Open => problem,
        }
    });
    or_report(result, place, report)
}

/// An image with or without a tag.
pub(super) fn image(node: &Node, declared: &[&str], report: &mut Report<'_>) -> Option<String> {
    let image = text(node, "an image such as node:20", report)?;
    check(image, declared, node.place, report)?;
    or_report(images::check(&variables::sample(image)).map_err(Problem::new), node.place, report)?;
    Some(image.to_owned())
}

/// Reports what is wrong with the values of a map of variables.
pub(super) fn check_pairs(node: &Node, declared: &[&str], report: &mut Report<'_>) {
    if let Value::Map(entries) = &node.value {
        for Entry { value, .. } in entries {
            if report.is_full() {
                break;
            }
            if let Value::Scalar(template) = &value.value {
                check(template, declared, value.place, report);
            }
        }
    }
}

/// A text that becomes part of a name: letters, digits and a few signs.
pub(super) fn name(node: &Node, what: &str, declared: &[&str], report: &mut Report<'_>) -> Option<String> {
    let name = text(node, what, report)?;
    check(name, declared, node.place, report)?;
    let sample = variables::sample(name);
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if sample.is_empty() || sample.len() > 128 || !sample.chars().all(legal) {
        let problem = Problem::new(format!("\"{}\" cannot be {what}", shown(name)));
        report.add(node.place, problem.expected("letters, digits, \"_\", \".\" and \"-\""));
        return None;
    }
    Some(name.to_owned())
}
