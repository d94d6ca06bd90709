//! What is said of a runner: `os = linux`, `arch = x86_64`, and whatever else someone wants to choose by.

use std::{collections::BTreeMap, str::FromStr};

/// Labels by their key.
pub type Labels = BTreeMap<String, String>;

/// One label, written `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(pub String, pub String);

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("a label is written KEY=VALUE")?;
        Ok(Label(key.trim().to_owned(), value.trim().to_owned()))
    }
}

/// The most labels of one runner.
const MOST: usize = 50;
/// The longest key, and the longest value.
const LONGEST: usize = 100;

/// Whether a runner with these labels has all that are needed.
#[must_use]
pub fn meets(labels: &Labels, needed: &Labels) -> bool {
    needed.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Checks labels from outside.
///
/// # Errors
/// What is wrong with them, as a sentence.
pub fn check_labels(labels: &Labels) -> Result<(), String> {
    if labels.len() > MOST {
        return Err(format!("there are at most {MOST} labels"));
    }
    for (key, value) in labels {
        let is_key = |char: char| char.is_ascii_alphanumeric() || "._-/".contains(char);
        if !(1..=LONGEST).contains(&key.len()) || !key.chars().all(is_key) {
            return Err(format!(
                "“{}” is no label's key: 1 to {LONGEST} letters, digits, dots, dashes and slashes were expected",
                key.chars().take(LONGEST).collect::<String>()
            ));
        }
        if value.len() > LONGEST || value.chars().any(char::is_control) {
            return Err(format!("the value of the label {key} has more than {LONGEST} bytes, or is no line of text"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_labels_are_refused_with_the_reason() {
        let one = |key: &str, value: &str| check_labels(&Labels::from([(key.to_owned(), value.to_owned())]));
        assert_eq!(one("os", "linux"), Ok(()));
        assert_eq!(one("gpu", ""), Ok(()));
        assert!(one("", "x").is_err_and(|said| said.contains("is no label's key")));
        assert!(one("a b", "x").is_err());
        assert!(one("os", "a\nb").is_err_and(|said| said.contains("no line of text")));
        let many = (0..=MOST).map(|number| (format!("key{number}"), String::new())).collect();
        assert_eq!(check_labels(&many), Err("there are at most 50 labels".to_owned()));
    }
}
