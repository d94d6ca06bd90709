//! A step's lines on their way to the server: numbered, capped, and bounded in memory.

use crate::{
    coordinator::{LogChunk, LogLine, LogStream},
    logs::{Masks, lines::LineSplitter},
};

/// How much of a step's output is kept, and in which portions it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// The longest line in bytes; the rest of a longer one is dropped with a marker.
    pub line_bytes: usize,
    /// How many bytes of output a step may leave; where the rest is cut, a marker line says so.
    pub step_bytes: u64,
    /// About how large a chunk may grow before it is sent, in bytes.
    pub chunk_bytes: usize,
    /// How many unsent bytes wait in memory before whoever writes has to wait.
    pub unsent_bytes: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        LogLimits {
            line_bytes: 16 * 1024,
            step_bytes: 64 * 1024 * 1024,
            chunk_bytes: 64 * 1024,
            unsent_bytes: 512 * 1024,
        }
    }
}

/// What a line costs besides its text, so that a flood of empty lines is bounded, too.
const LINE_OVERHEAD: usize = 16;

/// Collects a step's lines until they are sent.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    limits: LogLimits,
    masks: Masks,
    out: LineSplitter,
    err: LineSplitter,
    lines: Vec<LogLine>,
    bytes: usize,
    kept: u64,
    capped: bool,
    next_seq: i64,
    next_line: i64,
}

impl LogBuffer {
    pub(crate) fn new(limits: LogLimits, masks: Masks) -> Self {
        LogBuffer {
            limits,
            out: LineSplitter::new(limits.line_bytes, masks.clone()),
            err: LineSplitter::new(limits.line_bytes, masks.clone()),
            masks,
            lines: Vec::new(),
            bytes: 0,
            kept: 0,
            capped: false,
            next_seq: 0,
            next_line: 1,
        }
    }

    /// Adds bytes as they came from a stream of the engine.
    pub(crate) fn feed(&mut self, stream: LogStream, bytes: &[u8], at: i64) {
        let mut whole = Vec::new();
        self.splitter(stream).feed(bytes, |line| whole.push(line));
        for text in whole {
            self.push(stream, text, at);
        }
    }

    /// Adds text that is one line, or several if it holds line endings.
    pub(crate) fn line(&mut self, stream: LogStream, text: &str, at: i64) {
        let mut splitter = LineSplitter::new(self.limits.line_bytes, self.masks.clone());
        let mut whole = Vec::new();
        splitter.feed(text.as_bytes(), |line| whole.push(line));
        whole.extend(splitter.finish());
        if whole.is_empty() {
            whole.push(String::new());
        }
        for text in whole {
            self.push(stream, text, at);
        }
    }

    /// Adds what the streams wrote without a line ending.
    pub(crate) fn end_lines(&mut self, at: i64) {
        for stream in [LogStream::Out, LogStream::Err] {
            if let Some(text) = self.splitter(stream).finish() {
                self.push(stream, text, at);
            }
        }
    }

    /// Whether nothing waits to be sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether there is enough for a chunk.
    pub(crate) fn has_chunk(&self) -> bool {
        self.bytes >= self.limits.chunk_bytes
    }

    /// Whether whoever writes should wait.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= self.limits.unsent_bytes
    }

    /// Takes the next chunk of about the size that the limits name.
    pub(crate) fn take_chunk(&mut self) -> Option<LogChunk> {
        let mut size = 0;
        let mut count = 0;
        for line in &self.lines {
            size += line.text.len() + LINE_OVERHEAD;
            count += 1;
            if size >= self.limits.chunk_bytes {
                break;
            }
        }
        if count == 0 {
            return None;
        }
        let rest = self.lines.split_off(count);
        let lines = std::mem::replace(&mut self.lines, rest);
        self.bytes -= size;
        let chunk = LogChunk { seq: self.next_seq, first_line: self.next_line, lines };
        self.next_seq += 1;
        self.next_line += i64::try_from(count).unwrap_or(i64::MAX);
        Some(chunk)
    }

    fn splitter(&mut self, stream: LogStream) -> &mut LineSplitter {
        if stream == LogStream::Err { &mut self.err } else { &mut self.out }
    }

    /// Slipway's own lines pass the cap: they are few, and they say why the step ended.
    fn push(&mut self, stream: LogStream, text: String, at: i64) {
        if stream != LogStream::Slipway {
            if self.capped {
                return;
            }
            self.kept += (text.len() + LINE_OVERHEAD) as u64;
            if self.kept > self.limits.step_bytes {
                self.capped = true;
                let marker = format!(
                    "the log is cut here: this step wrote more than {}, the rest is not kept",
                    bytes_in_words(self.limits.step_bytes)
                );
                return self.append(LogLine { at, stream: LogStream::Slipway, text: marker });
            }
        }
        self.append(LogLine { at, stream, text });
    }

    fn append(&mut self, line: LogLine) {
        self.bytes += line.text.len() + LINE_OVERHEAD;
        self.lines.push(line);
    }
}

fn bytes_in_words(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes >= MIB { format!("{} MiB", bytes / MIB) } else { format!("{bytes} bytes") }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::expect_used, reason = "a failed expectation is a failed test")]

    use super::*;

    const SMALL: LogLimits = LogLimits { line_bytes: 100, step_bytes: 100, chunk_bytes: 40, unsent_bytes: 80 };

    fn texts(chunk: &LogChunk) -> Vec<&str> {
        chunk.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn chunks_and_lines_are_numbered_without_gaps() {
        let mut buffer = LogBuffer::new(SMALL, Masks::default());
        buffer.feed(LogStream::Out, b"one\ntwo\nthree\nfour\n", 7);
        let first = buffer.take_chunk().expect("a chunk");
        let second = buffer.take_chunk().expect("a chunk");
        assert_eq!((first.seq, first.first_line, texts(&first)), (0, 1, vec!["one", "two", "three"]));
        assert_eq!(buffer.take_chunk(), None);
        assert_eq!((second.seq, second.first_line, texts(&second)), (1, 4, vec!["four"]));
    }

    #[test]
    fn the_streams_of_a_step_do_not_mix_within_a_line() {
        let mut buffer = LogBuffer::new(LogLimits::default(), Masks::default());
        buffer.feed(LogStream::Out, b"he", 0);
        buffer.feed(LogStream::Err, b"warn\n", 0);
        buffer.feed(LogStream::Out, b"llo", 0);
        buffer.end_lines(0);
        let chunk = buffer.take_chunk().expect("a chunk");
        assert_eq!(texts(&chunk), ["warn", "hello"]);
    }

    #[test]
    fn a_flood_is_cut_with_a_marker_and_slipways_own_words_still_pass() {
        let mut buffer = LogBuffer::new(SMALL, Masks::default());
        for _ in 0..50 {
            buffer.feed(LogStream::Out, b"0123456789\n", 0);
        }
        buffer.line(LogStream::Slipway, "exit code 1", 0);
        let mut all = Vec::new();
        while let Some(chunk) = buffer.take_chunk() {
            all.extend(chunk.lines.into_iter().map(|line| line.text));
        }
        assert_eq!(
            all,
            [
                "0123456789",
                "0123456789",
                "0123456789",
                "the log is cut here: this step wrote more than 100 bytes, the rest is not kept",
                "exit code 1"
            ]
        );
    }

    #[test]
    fn a_full_buffer_says_so_until_chunks_are_taken() {
        let mut buffer = LogBuffer::new(SMALL, Masks::default());
        buffer.feed(LogStream::Out, b"0123456789\n0123456789\n0123456789\n", 0);
        assert!(!buffer.is_full());
        buffer.line(LogStream::Slipway, "0123456789", 0);
        assert!(buffer.is_full() && buffer.has_chunk());
        buffer.take_chunk();
        assert!(!buffer.is_full());
    }
}
