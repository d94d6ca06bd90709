//! The arguments that a `FROM` may use.

use std::collections::BTreeMap;

use super::instructions::words;

/// The longest value that is followed, in bytes; an image's name is far shorter.
const MAX_VALUE: usize = 1024;
/// How deep defaults may hold other variables, as in `${A:-${B}}`.
const MAX_DEPTH: usize = 8;

/// The arguments declared before the first `FROM`, with the values that this build gives them.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    given: BTreeMap<&'a str, &'a str>,
    /// None of a value: declared without a default, or with one that cannot be known.
    declared: BTreeMap<String, Option<String>>,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(given: &'a [(String, String)]) -> Self {
        let given = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Arguments { given, declared: BTreeMap::new() }
    }

    /// Declares the arguments of an `ARG` instruction: `NAME`, `NAME=default`, or several.
    pub(super) fn declare(&mut self, rest: &str) {
        for word in words(rest) {
            let (name, default) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            let given = self.given.get(name).map(|value| (*value).to_owned());
            let value = given.or_else(|| self.expand(default?));
            self.declared.insert(name.to_owned(), value);
        }
    }

    /// The word with its variables' values and without its quotes; none where that is not known or too long.
    pub(super) fn expand(&self, word: &str) -> Option<String> {
        self.expand_at(word, 0)
    }

    fn expand_at(&self, word: &str, depth: usize) -> Option<String> {
        if word.len() > MAX_VALUE || depth > MAX_DEPTH {
            return None;
        }
        let mut expanded = String::new();
        let mut rest = word;
        let mut is_single = false;
        while let Some(c) = rest.chars().next() {
            let after = &rest[c.len_utf8()..];
            rest = after;
            match c {
                '\'' => is_single = !is_single,
                '"' if !is_single => {}
                '\\' if !is_single => {
                    let escaped = after.chars().next();
                    expanded.extend(escaped);
                    rest = &after[escaped.map_or(0, char::len_utf8)..];
                }
                '$' if !is_single => {
                    let (value, after) = self.variable(after, depth)?;
                    expanded.push_str(&value);
                    rest = after;
                }
                _ => expanded.push(c),
            }
            if expanded.len() > MAX_VALUE {
                return None;
            }
        }
        Some(expanded)
    }

    /// The value of what follows a dollar, and the rest.
    fn variable<'t>(&self, text: &'t str, depth: usize) -> Option<(String, &'t str)> {
        let Some(inner) = text.strip_prefix('{') else {
            let (name, after) = name(text);
            return Some((self.value(name).unwrap_or_default().to_owned(), after));
        };
        let end = closing(inner)?;
        let (name, operation) = name(&inner[..end]);
        let after = &inner[end + 1..];
        let value = self.value(name);
        let is_filled = value.is_some_and(|value| !value.is_empty());
        let expanded = match (operation.as_bytes(), value) {
            ([], value) => value.unwrap_or_default().to_owned(),
            ([b':', b'-', ..], Some(value)) if is_filled => value.to_owned(),
            ([b':', b'-', ..], _) => self.expand_at(&operation[2..], depth + 1)?,
            ([b':', b'+', ..], _) if is_filled => self.expand_at(&operation[2..], depth + 1)?,
            ([b'-', ..], Some(value)) => value.to_owned(),
            ([b'-', ..], None) | ([b'+', ..], Some(_)) => self.expand_at(&operation[1..], depth + 1)?,
            ([b':', b'+', ..], _) | ([b'+', ..], None) => String::new(),
            ([b':', b'?', ..] | [b'?', ..], value) => value.unwrap_or_default().to_owned(),
            // Patterns such as `${A#prefix}`.
            _ => return None,
        };
        Some((expanded, after))
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.declared.get(name)?.as_deref()
    }
}

/// The name at the start, and the rest.
fn name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len()))
}

/// Where the brace closes that is open at the start.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}
