//! Patterns of nothing but `*` and whole parts `**`, which are nearly all: matched without building an automaton,
//! which takes longer than all else that a plan does. They mean what globset means by them.

/// A pattern, part by part between its slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wildcards(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`: any number of parts.
    Any,
    /// One part, with `*` in it.
    One(String),
}

impl Wildcards {
    /// None for a pattern with `?`, sets, choices, escapes, an empty part, or a `**` beside other characters.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        if pattern.contains(['?', '[', ']', '{', '}', '\\']) || !pattern.is_ascii() {
            return None;
        }
        let mut parts = Vec::new();
        for part in pattern.split('/') {
            match part {
                "**" if parts.last() == Some(&Part::Any) => return None,
                "**" => parts.push(Part::Any),
                _ if part.is_empty() || part.contains("**") => return None,
                _ => parts.push(Part::One(part.to_owned())),
            }
        }
        Some(Wildcards(parts))
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let texts: Vec<&str> = text.split('/').collect();
        // `folder/**` is what lies in the folder, and not the folder.
        let (parts, at_least) = match self.0.split_last() {
            Some((Part::Any, before)) if !before.is_empty() => (before, 1),
            _ => (self.0.as_slice(), 0),
        };
        let is_open = at_least > 0;
        let one = |at: usize, of: usize| matches!(&parts[at], Part::One(part) if part_matches(part.as_bytes(), texts[of].as_bytes()));
        // Where the last `**` stands, and how many parts of the text it has taken.
        let mut last: Option<(usize, usize)> = None;
        let (mut at, mut of) = (0, 0);
        loop {
            if at == parts.len() && (of == texts.len() || is_open) && of + at_least <= texts.len() {
                return true;
            }
            if parts.get(at) == Some(&Part::Any) {
                last = Some((at, of));
                at += 1;
            } else if at < parts.len() && of < texts.len() && one(at, of) {
                (at, of) = (at + 1, of + 1);
            } else if let Some((any, taken)) = last.filter(|(_, taken)| *taken < texts.len()) {
                last = Some((any, taken + 1));
                (at, of) = (any + 1, taken + 1);
            } else {
                return false;
            }
        }
    }
}

/// Whether a part of a text matches one of a pattern: the last `*` takes one more character whenever what follows fails.
fn part_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    let mut last: Option<(usize, usize)> = None;
    while of < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                last = Some((at, of));
                at += 1;
            }
            Some(byte) if *byte == text[of] => (at, of) = (at + 1, of + 1),
            _ => {
                let Some((star, taken)) = last else { return false };
                last = Some((star, taken + 1));
                (at, of) = (star + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use globset::GlobBuilder;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn wildcards_mean_what_globset_means(
            pattern in "(a|b|\\*|\\?|/|\\*\\*/|/\\*\\*|\\.){1,6}",
            text in "[ab.é]{1,3}(/[ab.é]{1,3}){0,3}",
        ) {
            let Some(wildcards) = Wildcards::new(&pattern) else { return Ok(()) };
            let glob = GlobBuilder::new(&pattern).literal_separator(true).build().unwrap().compile_matcher();
            prop_assert_eq!(wildcards.matches(&text), glob.is_match(&text), "{} {}", pattern, text);
        }
    }
}
