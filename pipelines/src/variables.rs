//! Slipway's own variables, and `${NAME}` in texts that may use them.
//!
//! A text with `${NAME}` in it is a template. What is put in place of a name is data: it is never read again, neither as
//! a template nor by a shell.
//!
//! Besides Slipway's own variables a template may use those that captain.yml declares around it: an app's `matrix` and
//! `env`, and a step's `matrix`. Who wrote a commit and what they said of it are environment variables only: they are any
//! text at all, by anybody, and nothing is named by them.

use crate::plan::{Reference, Trigger};

/// The names that a template may use and that every step finds in its environment.
pub const NAMES: [&str; 8] = [
    "SLIPWAY_COMMIT",
    "SLIPWAY_COMMIT_SHORT",
    "SLIPWAY_BRANCH",
    "SLIPWAY_TAG",
    "SLIPWAY_REF",
    "SLIPWAY_BUILD_NUMBER",
    "SLIPWAY_REPOSITORY",
    "SLIPWAY_EVENT",
];

/// The names that every step finds in its environment besides [`NAMES`], and that no template may use.
pub const ENVIRONMENT_ONLY: [&str; 5] =
    ["SLIPWAY_AUTHOR", "SLIPWAY_MESSAGE", "SLIPWAY_PULL_REQUEST", "SLIPWAY_HEAD_BRANCH", "SLIPWAY_BASE_BRANCH"];

/// The longest value of [`ENVIRONMENT_ONLY`], in bytes; what is longer is cut. Linux refuses to start a program with a
/// variable of 128 KiB.
const MAX_TEXT: usize = 16 * 1024;

/// How many digits a short commit has.
pub(crate) const SHORT_COMMIT: usize = 7;

/// The variables' values for one trigger, in the order of [`NAMES`]. The branch is empty for a tag, and the reverse; for
/// a pull request it is the target.
#[must_use]
pub fn values(trigger: &Trigger) -> Vec<(String, String)> {
    let (branch, tag, reference) = match (&trigger.reference, &trigger.pull_request) {
        (Reference::Branch(name), Some(pull)) => (name.as_str(), "", format!("refs/pull/{}/merge", pull.number)),
        (Reference::Branch(name), None) => (name.as_str(), "", format!("refs/heads/{name}")),
        (Reference::Tag(name), _) => ("", name.as_str(), format!("refs/tags/{name}")),
    };
    let values = [
        trigger.commit.clone(),
        short_commit(&trigger.commit).to_owned(),
        branch.to_owned(),
        tag.to_owned(),
        reference,
        trigger.number.to_string(),
        trigger.repository.clone(),
        trigger.event.name().to_owned(),
    ];
    NAMES.iter().map(|name| (*name).to_owned()).zip(values).collect()
}

/// What every step finds in its environment: the [`values`], [`ENVIRONMENT_ONLY`], and `CI`, which is `true`.
#[must_use]
pub fn environment(trigger: &Trigger) -> Vec<(String, String)> {
    let mut environment = values(trigger);
    let (number, head, base) = match &trigger.pull_request {
        Some(pull) => (pull.number.to_string(), pull.head.as_str(), pull.base.as_str()),
        None => (String::new(), "", ""),
    };
    let texts = [trigger.author.as_str(), &trigger.message, &number, head, base].map(environment_text);
    environment.extend(ENVIRONMENT_ONLY.iter().map(|name| (*name).to_owned()).zip(texts));
    environment.push(("CI".to_owned(), "true".to_owned()));
    environment
}

/// Whether every step finds the name in its environment without anybody declaring it.
#[must_use]
pub fn is_given(name: &str) -> bool {
    name == "CI" || NAMES.contains(&name) || ENVIRONMENT_ONLY.contains(&name)
}

/// The text as a variable can hold it: without the character that ends one, and not longer than [`MAX_TEXT`].
fn environment_text(text: &str) -> String {
    let mut kept = text.replace('\0', "");
    kept.truncate(kept.floor_char_boundary(MAX_TEXT));
    kept
}

/// The first digits of a commit.
pub(crate) fn short_commit(commit: &str) -> &str {
    commit.get(..SHORT_COMMIT).unwrap_or(commit)
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It uses a name that Slipway does not know, or one that is for commands only.
    #[error("{}", unknown(name))]
    Unknown {
        /// The name.
        name: String,
    },
    /// A `${` without its `}`.
    #[error("\"${{\" without its \"}}\"; a dollar as such is written \"$$\"")]
    Open,
}

fn unknown(name: &str) -> String {
    if ENVIRONMENT_ONLY.contains(&name) {
        return format!("\"${{{name}}}\" is an environment variable of the steps only: anybody may have written it");
    }
    format!("unknown variable \"${{{name}}}\"")
}

/// Puts the values in place of `${NAME}`, and a dollar in place of `$$`. Any other dollar stays as it is.
///
/// # Errors
/// When a name is not among the values, or a `${` is not closed.
pub fn expand(template: &str, values: &[(String, String)]) -> Result<String, TemplateError> {
    expand_with(template, |name| value_of(name, values))
}

/// The value of a name; a later one stands for an earlier one of the same name.
pub(crate) fn value_of(name: &str, values: &[(String, String)]) -> Option<String> {
    values.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

/// Whether the template can be expanded once the trigger is known. `declared` are the names that captain.yml declares
/// around it: a matrix, or an app's `env`.
pub(crate) fn check_declared(template: &str, declared: &[&str]) -> Result<(), TemplateError> {
    let is_known = |name: &str| NAMES.contains(&name) || declared.contains(&name);
    expand_with(template, |name| is_known(name).then(String::new)).map(drop)
}

/// The template with every variable replaced by a letter, to judge what stands around them.
pub(crate) fn sample(template: &str) -> String {
    expand_with(template, |_| Some("x".to_owned())).unwrap_or_else(|_| template.to_owned())
}

/// Whether the template uses the name.
pub(crate) fn uses(template: &str, name: &str) -> bool {
    parts(template).is_ok_and(|parts| parts.contains(&Part::Variable(name)))
}

/// The template with a template in place of one name.
pub(crate) fn replace(template: &str, name: &str, with: &str) -> String {
    let Ok(parts) = parts(template) else { return template.to_owned() };
    let mut replaced = String::with_capacity(template.len());
    for part in parts {
        match part {
            Part::Text(text) => replaced.push_str(text),
            Part::Dollar => replaced.push_str("$$"),
            Part::Variable(found) if found == name => replaced.push_str(with),
            Part::Variable(other) => {
                replaced.push_str("${");
                replaced.push_str(other);
                replaced.push('}');
            }
        }
    }
    replaced
}

/// The names that stand after a dollar without braces: there they are text.
pub(crate) fn bare(template: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        found.push(&rest[..end]);
    }
    found
}

/// Expands with a function from names to values.
pub(crate) fn expand_with(template: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, TemplateError> {
    let mut expanded = String::with_capacity(template.len());
    for part in parts(template)? {
        match part {
            Part::Text(text) => expanded.push_str(text),
            Part::Dollar => expanded.push('$'),
            Part::Variable(name) => {
                expanded.push_str(&value(name).ok_or_else(|| TemplateError::Unknown { name: name.to_owned() })?);
            }
        }
    }
    Ok(expanded)
}

#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Dollar,
    Variable(&'a str),
}

fn parts(template: &str) -> Result<Vec<Part<'_>>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        parts.push(Part::Text(&rest[..at]));
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            let (name, after) = after.split_once('}').ok_or(TemplateError::Open)?;
            parts.push(Part::Variable(name));
            rest = after;
        } else {
            parts.push(Part::Dollar);
            rest = rest.strip_prefix('$').unwrap_or(rest);
        }
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<(String, String)> {
        vec![("SLIPWAY_BRANCH".to_owned(), "x; ${SLIPWAY_COMMIT} $$".to_owned())]
    }

    #[test]
    fn values_are_data() {
        let expanded = expand("a-${SLIPWAY_BRANCH}-$$5-$HOME-$", &known());
        assert_eq!(expanded.as_deref(), Ok("a-x; ${SLIPWAY_COMMIT} $$-$5-$HOME-$"));
    }

    #[test]
    fn a_message_is_no_part_of_a_template() {
        assert_eq!(
            check_declared("${SLIPWAY_MESSAGE}", &[]).map_err(|error| error.to_string()),
            Err("\"${SLIPWAY_MESSAGE}\" is an environment variable of the steps only: anybody may have written it"
                .to_owned())
        );
    }

    #[test]
    fn declared_names_are_known() {
        assert_eq!(check_declared("x${NODE}-${SLIPWAY_TAG}", &["NODE"]), Ok(()));
        assert!(check_declared("x${NODE}", &[]).is_err());
    }

    #[test]
    fn texts_of_others_fit_into_an_environment() {
        assert_eq!(environment_text("a\0b"), "ab");
        let long = environment_text(&"é".repeat(MAX_TEXT));
        assert_eq!(long.len(), MAX_TEXT);
    }

    #[test]
    fn unknown_names_and_open_braces_are_errors() {
        assert_eq!(
            expand("${NOPE}", &known()).map_err(|error| error.to_string()),
            Err("unknown variable \"${NOPE}\"".to_owned())
        );
        assert_eq!(expand("${SLIPWAY_BRANCH", &known()), Err(TemplateError::Open));
    }
}
