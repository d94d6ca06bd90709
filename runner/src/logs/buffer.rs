//! A step's lines on their way to the server: numbered, capped, and bounded in memory.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::{
    coordinator::{LogChunk, LogLine, LogPosition, LogStream},
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
            step_bytes: 2 * 1024 * 1024 * 1024,
            chunk_bytes: 64 * 1024,
            unsent_bytes: 512 * 1024,
        }
    }
}

/// Collects a step's lines until they are sent.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    limits: LogLimits,
    masks: Masks,
    out: LineSplitter,
    err: LineSplitter,
    lines: Vec<LogLine>,
    bytes: u64,
    kept: u64,
    capped: bool,
    next_seq: i64,
    next_line: i64,
    /// What is stored already and comes again.
    stored: Stored,
    /// How often the step has begun again.
    again: u32,
}

/// The lines that the server has of an earlier life, as far as they are still to come again. Streams are counted each on
/// their own: the order between two of them is nobody's promise.
#[derive(Debug, Default)]
struct Stored {
    out: u64,
    err: u64,
    own: HashMap<String, u32>,
}

impl Stored {
    /// Whether this line is one of them; then it is so no more.
    fn takes(&mut self, stream: LogStream, text: &str) -> bool {
        let count = match stream {
            LogStream::Out => &mut self.out,
            LogStream::Err => &mut self.err,
            LogStream::Slipway => {
                let Some(left) = self.own.get_mut(text) else { return false };
                *left -= 1;
                if *left == 0 {
                    self.own.remove(text);
                }
                return true;
            }
        };
        let stored = *count > 0;
        *count = count.saturating_sub(1);
        stored
    }
}

impl LogBuffer {
    /// A log that goes on at `position`: what is stored there is dropped when it comes again.
    pub(crate) fn at(position: LogPosition, limits: LogLimits, masks: Masks) -> Self {
        let mut own = HashMap::new();
        for text in position.own {
            *own.entry(text).or_default() += 1;
        }
        LogBuffer {
            limits,
            out: LineSplitter::new(limits.line_bytes, masks.clone()),
            err: LineSplitter::new(limits.line_bytes, masks.clone()),
            masks,
            lines: Vec::new(),
            bytes: 0,
            kept: position.bytes,
            capped: own.contains_key(&cut_marker(limits)),
            next_seq: position.next_seq,
            next_line: position.next_line,
            stored: Stored { out: position.out, err: position.err, own },
            again: position.again,
        }
    }

    /// Nothing that is stored comes again: the step begins anew, and this line says why.
    pub(crate) fn begin_again(&mut self, why: &str, at: i64) {
        for splitter in [&mut self.out, &mut self.err] {
            *splitter = LineSplitter::new(self.limits.line_bytes, self.masks.clone());
        }
        self.stored = Stored::default();
        self.again += 1;
        let why = why.lines().collect::<Vec<_>>().join(" ");
        let why = self.masks.text(&why).into_owned();
        self.append(LogLine { at, stream: LogStream::Slipway, text: LogPosition::again(&why) });
    }

    /// How often the step has begun again.
    pub(crate) fn again(&self) -> u32 {
        self.again
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
        self.bytes >= self.limits.chunk_bytes as u64
    }

    /// Whether whoever writes should wait.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= self.limits.unsent_bytes as u64
    }

    /// Takes the next chunk of about the size that the limits name.
    pub(crate) fn take_chunk(&mut self) -> Option<LogChunk> {
        let mut size = 0;
        let mut count = 0;
        for line in &self.lines {
            size += line.cost();
            count += 1;
            if size >= self.limits.chunk_bytes as u64 {
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
        if self.stored.takes(stream, &text) {
            return;
        }
        let line = LogLine { at, stream, text };
        if stream != LogStream::Slipway {
            if self.capped {
                return;
            }
            self.kept += line.cost();
            if self.kept > self.limits.step_bytes {
                self.capped = true;
                return self.append(LogLine { at, stream: LogStream::Slipway, text: cut_marker(self.limits) });
            }
        }
        self.append(line);
    }

    fn append(&mut self, line: LogLine) {
        self.bytes += line.cost();
        self.lines.push(line);
    }
}

fn cut_marker(limits: LogLimits) -> String {
    let limit = bytes_in_words(limits.step_bytes);
    format!("the log is cut here: this step wrote more than {limit}, the rest is not kept")
}

fn bytes_in_words(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes >= MIB { format!("{} MiB", bytes / MIB) } else { format!("{bytes} bytes") }
}
