//! Looking for text in a step's log.
//!
//! A log is read as it is stored, run by run, and nothing of it is indexed: builds write a thousand lines for each that is
//! ever looked for. So each call looks at a bounded part of the log, and says where the next one goes on.

use slipway_web::ansi;

use super::{Found, look};
use crate::{
    ids::StepId,
    store::{Store, StoreError},
};

/// The longest text that is looked for, in bytes.
const LONGEST: usize = 400;

/// A text that is looked for within lines, as a person reads them: without the sequences that colour them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    text: String,
    any_case: bool,
}

/// Why nothing can be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// Every line holds nothing.
    #[error("Say what to look for.")]
    Empty,
    /// Nobody looks for so much.
    #[error("A text to look for has at most {LONGEST} bytes.")]
    TooLong,
}

impl Search {
    /// Looks for a text, in any case of its letters if that is wanted.
    ///
    /// # Errors
    /// When the text is empty or too long.
    pub fn of(text: &str, any_case: bool) -> Result<Self, SearchError> {
        match text.len() {
            0 => Err(SearchError::Empty),
            1..=LONGEST => Ok(Search { text: if any_case { text.to_lowercase() } else { text.to_owned() }, any_case }),
            _ => Err(SearchError::TooLong),
        }
    }

    /// The lines of a step that hold the text, from number `from` on, at most `most` of them.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn run(&self, store: &Store, step: &StepId, from: i64, most: usize) -> Result<Found, StoreError> {
        let search = self.clone();
        look(store, step, from, most, move |line| search.is_in(&line.line.text)).await
    }

    fn is_in(&self, line: &str) -> bool {
        let line = ansi::plain(line);
        if self.any_case { line.to_lowercase().contains(&self.text) } else { line.contains(&self.text) }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    #[test]
    fn what_a_person_reads_is_what_is_looked_at() {
        let finds = |text, any_case, line| Search::of(text, any_case).unwrap().is_in(line);
        assert!(finds("error: disk", false, "\u{1b}[31merror\u{1b}[0m: disk full"));
        assert!(!finds("31m", false, "\u{1b}[31merror\u{1b}[0m"));
        assert!(!finds("Error", false, "error"));
        assert!(finds("ERROR: GRÖSSE", true, "Error: gröSSe"));
        assert!(finds("a.b*", false, "is a.b* here"), "a text is no pattern");
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        assert_eq!(Search::of("", true), Err(SearchError::Empty));
        assert_eq!(Search::of(&"x".repeat(401), false), Err(SearchError::TooLong));
    }
}
