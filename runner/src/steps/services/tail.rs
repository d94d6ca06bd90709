//! The last lines of a service.

use std::collections::VecDeque;

use crate::{
    coordinator::LogStream,
    logs::{LineSplitter, Masks},
};

/// How many lines are remembered.
pub(super) const LINES: usize = 50;
/// The longest line, in bytes.
const LINE_BYTES: usize = 4 * 1024;

/// Remembers what was written last.
#[derive(Debug)]
pub(super) struct Tail {
    out: LineSplitter,
    err: LineSplitter,
    lines: VecDeque<(LogStream, String)>,
}

impl Tail {
    pub(super) fn new(masks: &Masks) -> Self {
        let splitter = || LineSplitter::new(LINE_BYTES, masks.clone());
        Tail { out: splitter(), err: splitter(), lines: VecDeque::new() }
    }

    /// Takes in what a stream wrote.
    pub(super) fn feed(&mut self, stream: LogStream, bytes: &[u8]) {
        let splitter = if stream == LogStream::Err { &mut self.err } else { &mut self.out };
        let lines = &mut self.lines;
        splitter.feed(bytes, |line| {
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back((stream, line));
        });
    }

    /// Takes in what was written without a line ending.
    pub(super) fn finish(&mut self) {
        for (stream, splitter) in [(LogStream::Out, &mut self.out), (LogStream::Err, &mut self.err)] {
            self.lines.extend(splitter.finish().map(|line| (stream, line)));
        }
    }

    /// The lines so far.
    pub(super) fn lines(&self) -> Vec<(LogStream, String)> {
        self.lines.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_flood_are_kept() {
        let mut tail = Tail::new(&Masks::default());
        for line in 0..1_000 {
            tail.feed(LogStream::Out, format!("{line}\n").as_bytes());
        }
        tail.feed(LogStream::Err, b"panic");
        tail.finish();
        let lines = tail.lines();
        assert_eq!(lines.len(), LINES + 1);
        assert_eq!(lines[0], (LogStream::Out, "950".to_owned()));
        assert_eq!(lines[LINES], (LogStream::Err, "panic".to_owned()));
    }
}
