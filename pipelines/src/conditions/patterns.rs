//! Patterns of branches, tags and paths.

use globset::{GlobBuilder, GlobMatcher};

use super::wildcards::Wildcards;

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 256;

/// A list of patterns, ready to match.
#[derive(Debug, Clone)]
pub struct Patterns {
    /// With whether each is an exclusion.
    patterns: Vec<(bool, Pattern)>,
}

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern \"{pattern}\" cannot be read: {reason}")]
pub struct PatternError {
    /// The pattern as written.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Most patterns are plain names or folders, which need no automaton.
#[derive(Debug, Clone)]
enum Pattern {
    Exactly(String),
    /// `folder/**`, with the slash.
    Under(String),
    Wildcards(Wildcards),
    Glob(Box<GlobMatcher>),
}

impl Patterns {
    /// Reads patterns; a leading `!` excludes.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn new(texts: &[String]) -> Result<Self, PatternError> {
        let patterns = texts.iter().map(|text| {
            let (excludes, pattern) = text.strip_prefix('!').map_or((false, text.as_str()), |rest| (true, rest));
            let pattern = Pattern::new(pattern).map_err(|reason| PatternError { pattern: text.clone(), reason })?;
            Ok((excludes, pattern))
        });
        Ok(Patterns { patterns: patterns.collect::<Result<_, PatternError>>()? })
    }

    /// Whether the last pattern that matches the text is no exclusion. Where none matches, it is whether the list begins
    /// with one.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let last = self.patterns.iter().rev().find(|(_, pattern)| pattern.matches(text));
        match (last, self.patterns.first()) {
            (Some((excludes, _)), _) => !excludes,
            (None, first) => first.is_some_and(|(excludes, _)| *excludes),
        }
    }
}

impl Pattern {
    /// The error says why not.
    fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        if text.len() > MAX_PATTERN {
            return Err(format!("it is longer than {MAX_PATTERN} characters"));
        }
        let text = text.strip_prefix("./").unwrap_or(text);
        let is_plain = |text: &str| !text.contains(['*', '?', '[', ']', '{', '}', '\\']);
        if is_plain(text) {
            return Ok(Pattern::Exactly(text.to_owned()));
        }
        if let Some(folder) = text.strip_suffix("**").filter(|folder| folder.ends_with('/') && is_plain(folder)) {
            return Ok(Pattern::Under(folder.to_owned()));
        }
        if let Some(wildcards) = Wildcards::new(text) {
            return Ok(Pattern::Wildcards(wildcards));
        }
        let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
        Ok(Pattern::Glob(Box::new(glob.map_err(|error| error.kind().to_string())?.compile_matcher())))
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Exactly(name) => name == text,
            Pattern::Under(folder) => text.len() > folder.len() && text.starts_with(folder.as_str()),
            Pattern::Wildcards(wildcards) => wildcards.matches(text),
            Pattern::Glob(glob) => glob.is_match(text),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::*;

    fn matches(patterns: &[&str], text: &str) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        Patterns::new(&patterns).unwrap().matches(text)
    }

    #[test]
    fn stars_stay_within_a_part_and_double_stars_do_not() {
        for (pattern, text, expected) in [
            ("main", "main", true),
            ("main", "main2", false),
            ("release/*", "release/1.0", true),
            ("release/*", "release/1/0", false),
            ("release/**", "release/1/0", true),
            ("release/**", "release", false),
            ("**/*.md", "docs/a/b.md", true),
            ("**/*.md", "README.md", true),
            ("v?.*", "v1.2", true),
            ("{dev,qa}-[0-9]", "qa-7", true),
            ("./web/**", "web/index.html", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("*", "feature/x", false),
            ("**", "feature/x", true),
        ] {
            assert_eq!(matches(&[pattern], text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let patterns = ["web/**", "!web/docs/**", "web/docs/index.html"];
        assert!(matches(&patterns, "web/a.js"));
        assert!(!matches(&patterns, "web/docs/a.md"));
        assert!(matches(&patterns, "web/docs/index.html"));
        assert!(!matches(&patterns, "api/a.go"));
    }

    #[test]
    fn a_list_of_exclusions_begins_with_everything() {
        assert!(matches(&["!**/*.md"], "src/main.rs"));
        assert!(!matches(&["!**/*.md"], "docs/a.md"));
        assert!(!matches(&[], "a"));
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        let refused = |pattern: &str| Patterns::new(&[pattern.to_owned()]).unwrap_err().to_string();
        insta::assert_snapshot!(refused("web/[a"), @r#"the pattern "web/[a" cannot be read: unclosed character class; missing ']'"#);
        insta::assert_snapshot!(refused("{a"), @r#"the pattern "{a" cannot be read: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)"#);
        insta::assert_snapshot!(refused("!"), @r#"the pattern "!" cannot be read: it is empty"#);
    }
}
