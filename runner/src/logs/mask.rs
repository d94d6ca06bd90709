//! Keeping secrets out of what people read.
//!
//! A secret is masked wherever it stands in a line, also in the forms that tools write it in: base64 (at each of the three
//! places where it may begin in a longer text, and as tools wrap it), in hexadecimal digits, percent-encoded as in a URL, and
//! escaped as in JSON.
//! Lines are masked after they were put together from the engine's pieces, so that no border of a piece hides one.

mod forms;

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use aho_corasick::{AhoCorasick, MatchKind};

pub use forms::SHORTEST;

use crate::coordinator::SecretValue;

/// What stands in a log in place of a secret.
pub(crate) const MASK: &str = "***";

/// The secrets of one job, ready to be looked for. Cheap to clone.
#[derive(Clone, Default)]
pub struct Masks(Option<Arc<Patterns>>);

struct Patterns {
    texts: Vec<Vec<u8>>,
    search: AhoCorasick,
}

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Masks").field(&self.0.as_ref().map(|patterns| patterns.texts.len())).finish()
    }
}

impl Masks {
    /// Masks these secrets. Values shorter than [`forms::SHORTEST`] bytes are let through: they would take half of every
    /// log with them, and hide nothing.
    #[must_use]
    pub fn of(secrets: &[SecretValue]) -> Self {
        let mut texts = BTreeSet::new();
        for secret in secrets {
            forms::of(&secret.value, &mut |form| {
                texts.insert(form);
            });
        }
        if texts.is_empty() {
            return Masks(None);
        }
        let texts: Vec<Vec<u8>> = texts.into_iter().collect();
        match AhoCorasick::builder().match_kind(MatchKind::Standard).build(&texts) {
            Ok(search) => Masks(Some(Arc::new(Patterns { texts, search }))),
            Err(error) => {
                // Only more bytes of secrets than memory can hold come here. Then no line may pass as it is.
                tracing::error!(%error, "the secrets of a job cannot be looked for: its logs are masked whole");
                Masks::everything()
            }
        }
    }

    /// Masks whatever is written.
    fn everything() -> Self {
        let texts: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
        let search = AhoCorasick::new(&texts).ok();
        Masks(search.map(|search| Arc::new(Patterns { texts, search })))
    }

    /// The text without secrets.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.masked(text.as_bytes()) {
            Some(masked) => Cow::Owned(String::from_utf8_lossy(&masked).into_owned()),
            None => Cow::Borrowed(text),
        }
    }

    /// Takes the secrets out of a line. `cut` says that the line went on: a secret whose beginning is still there is
    /// taken out as well.
    pub(super) fn line(&self, line: &mut Vec<u8>, cut: bool) {
        if let Some(masked) = self.masked(line) {
            *line = masked;
        }
        if cut {
            let begun = self.begun_at_end(line);
            if begun > 0 {
                line.truncate(line.len() - begun);
                line.extend_from_slice(MASK.as_bytes());
            }
        }
    }

    /// The bytes without secrets; none when there is nothing to take out.
    fn masked(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let patterns = self.0.as_ref()?;
        let mut masked = Vec::new();
        let mut copied = 0;
        // Secrets that overlap are one hole: no part of either is left standing.
        let mut hole: Option<(usize, usize)> = None;
        let mut holes = Vec::new();
        for found in patterns.search.find_overlapping_iter(bytes) {
            let (start, end) = (found.start(), found.end());
            hole = Some(match hole {
                // They come in the order of their ends, so that a longer one may begin before several holes.
                Some((from, to)) if start <= to => (from.min(start), to.max(end)),
                Some(done) => {
                    holes.push(done);
                    (start, end)
                }
                None => (start, end),
            });
            while let (Some(&(from, to)), Some((start, end))) = (holes.last(), hole)
                && start <= to
            {
                holes.pop();
                hole = Some((from.min(start), to.max(end)));
            }
        }
        holes.push(hole?);
        for (start, end) in holes {
            masked.extend_from_slice(&bytes[copied..start]);
            masked.extend_from_slice(MASK.as_bytes());
            copied = end;
        }
        masked.extend_from_slice(&bytes[copied..]);
        Some(masked)
    }

    /// How many bytes at the end are the beginning of a secret.
    fn begun_at_end(&self, bytes: &[u8]) -> usize {
        let begun = |text: &Vec<u8>| {
            let longest = (text.len() - 1).min(bytes.len());
            (1..=longest).rev().find(|&length| bytes.ends_with(&text[..length])).unwrap_or(0)
        };
        self.0.as_ref().map_or(0, |patterns| patterns.texts.iter().map(begun).max().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;
