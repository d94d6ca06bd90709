//! Where a stream is: the last event seen, and for each step that is followed, the next line.

use std::{collections::BTreeMap, convert::Infallible, fmt, str::FromStr};

/// A place in a stream. As text: `812;1-3=57;1-4=1`, the event's number, then attempt, position and next line of steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::http) struct Cursor {
    /// The number of the last event seen.
    pub(in crate::http) event: i64,
    /// The next line to send of a step, by attempt and position.
    pub(in crate::http) lines: BTreeMap<(i64, i64), i64>,
}

/// More steps than a page follows at once; what a client sends beyond is not kept.
const MOST_STEPS: usize = 64;

impl Cursor {
    /// Behind an event, at the beginning of every log.
    #[must_use]
    pub(in crate::http) fn at(event: i64) -> Self {
        Cursor { event, lines: BTreeMap::new() }
    }

    /// With the next line of a step.
    #[must_use]
    pub(in crate::http) fn with_step(mut self, attempt: i64, position: i64, next: i64) -> Self {
        self.lines.insert((attempt, position), next);
        self
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.event)?;
        self.lines.iter().try_for_each(|((attempt, position), next)| write!(f, ";{attempt}-{position}={next}"))
    }
}

/// Whatever cannot be read is left out: the stream then begins earlier, and pages drop lines that they have already.
impl FromStr for Cursor {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut parts = text.split(';');
        let event = parts.next().and_then(|event| event.parse().ok()).unwrap_or(0);
        let step = |part: &str| {
            let (step, next) = part.split_once('=')?;
            let (attempt, position) = step.split_once('-')?;
            Some(((attempt.parse().ok()?, position.parse().ok()?), next.parse().ok()?))
        };
        Ok(Cursor { event, lines: parts.take(MOST_STEPS).filter_map(step).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    fn read(text: &str) -> Cursor {
        match text.parse() {
            Ok(cursor) => cursor,
        }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor::at(812).with_step(1, 3, 57).with_step(1, 4, 1);
        assert_eq!(cursor.to_string(), "812;1-3=57;1-4=1");
        assert_eq!(read(&cursor.to_string()), cursor);
    }

    #[test]
    fn nonsense_starts_at_the_beginning() {
        assert_eq!(read("x;1-2;3=4;5-6=7"), Cursor::at(0).with_step(5, 6, 7));
        assert_eq!(read(""), Cursor::default());
        let endless: String = (0..10_000).map(|step| format!(";1-{step}=1")).collect();
        assert!(read(&endless).lines.len() <= 64);
    }
}
