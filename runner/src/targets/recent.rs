//! The last lines of a container's log, as its engine hands them out: bounded while they are read, not afterwards.

use std::collections::VecDeque;

use bollard::{
    container::LogOutput,
    errors::Error,
    query_parameters::{LogsOptions, LogsOptionsBuilder},
};
use chrono::DateTime;
use futures_util::{Stream, TryStreamExt};

use crate::coordinator::{ContainerLine, ContainerLog, LogQuestion, LogStream};

/// The longest moment that an engine writes before a line.
const LONGEST_STAMP: usize = 40;
const NANOS: i64 = 1_000_000_000;
/// What a line ends in that was cut.
const CUT: &str = "…";

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// How many of the last ones.
    pub(crate) lines: u32,
    /// Only those after this moment, in unix nanoseconds.
    pub(crate) since: Option<i64>,
}

impl Window {
    /// What is asked for, within what one answer may have.
    pub(crate) fn of(question: &LogQuestion) -> Self {
        Window { lines: question.lines.clamp(1, LogQuestion::MOST_LINES), since: question.since }
    }

    /// As the engine is asked: for one line more, which shows that there are more.
    pub(super) fn options(self) -> LogsOptions {
        let since = self.since.map_or(0, |since| i32::try_from(since.max(0) / NANOS).unwrap_or(i32::MAX));
        let tail = (self.lines + 1).to_string();
        LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(true).tail(&tail).since(since).build()
    }

    /// Reads the lines from what the engine hands out.
    pub(super) async fn read(self, parts: impl Stream<Item = Result<LogOutput, Error>>) -> Result<ContainerLog, Error> {
        let mut recent = Recent::new(self);
        let mut parts = std::pin::pin!(parts);
        while let Some(part) = parts.try_next().await? {
            let stream = if matches!(part, LogOutput::StdErr { .. }) { LogStream::Err } else { LogStream::Out };
            recent.add(stream, &part.into_bytes());
        }
        Ok(recent.finish())
    }
}

/// The last lines so far.
struct Recent {
    window: Window,
    lines: VecDeque<ContainerLine>,
    bytes: usize,
    is_cut: bool,
    /// The lines that have not ended yet: of standard output, of standard error.
    begun: [Option<Begun>; 2],
}

/// A line of which a part has come: an engine hands out a long one in several.
struct Begun {
    at: i64,
    text: Vec<u8>,
    is_cut: bool,
}

impl Begun {
    fn add(&mut self, part: &[u8]) {
        let room = ContainerLine::MOST_BYTES.saturating_sub(self.text.len());
        self.is_cut |= part.len() > room;
        self.text.extend(part.iter().take(room));
    }
}

impl Recent {
    fn new(window: Window) -> Self {
        Recent { window, lines: VecDeque::new(), bytes: 0, is_cut: false, begun: [None, None] }
    }

    fn add(&mut self, stream: LogStream, part: &[u8]) {
        for piece in part.split_inclusive(|byte| *byte == b'\n') {
            let (piece, ends) = match piece.strip_suffix(b"\n") {
                Some(piece) => (piece, true),
                None => (piece, false),
            };
            let (at, text) = stamped(piece);
            let [out, err] = &mut self.begun;
            let begun = if stream == LogStream::Err { err } else { out };
            let line = begun.get_or_insert_with(|| Begun { at, text: Vec::new(), is_cut: false });
            line.add(text);
            if ends && let Some(line) = begun.take() {
                self.keep(stream, &line);
            }
        }
    }

    fn keep(&mut self, stream: LogStream, line: &Begun) {
        let is_wanted = self.window.since.is_none_or(|since| line.at > since);
        if !is_wanted {
            return;
        }
        let text = shown(line);
        self.bytes += text.len();
        self.lines.push_back(ContainerLine { at: line.at, stream, text });
        let most = usize::try_from(self.window.lines).unwrap_or(usize::MAX);
        while self.lines.len() > most || self.bytes > ContainerLog::MOST_BYTES {
            self.is_cut = true;
            self.bytes -= self.lines.pop_front().map_or(self.bytes, |oldest| oldest.text.len());
        }
    }

    /// With what was written without a line's end.
    fn finish(mut self) -> ContainerLog {
        let [out, err] = std::mem::take(&mut self.begun);
        for (stream, line) in [(LogStream::Out, out), (LogStream::Err, err)] {
            if let Some(line) = line {
                self.keep(stream, &line);
            }
        }
        ContainerLog::Lines { lines: self.lines.into(), is_cut: self.is_cut }
    }
}

/// The moment that the engine wrote before a line, and the line; 0 where there is none.
fn stamped(piece: &[u8]) -> (i64, &[u8]) {
    let end = piece.iter().take(LONGEST_STAMP).position(|byte| *byte == b' ').unwrap_or(piece.len());
    let (stamp, rest) = piece.split_at(end);
    let moment = std::str::from_utf8(stamp).ok().and_then(|stamp| DateTime::parse_from_rfc3339(stamp).ok());
    match moment.and_then(|moment| moment.timestamp_nanos_opt()) {
        Some(at) => (at, rest.strip_prefix(b" ").unwrap_or(rest)),
        None => (0, piece),
    }
}

/// A line's text as it is told: never longer than a line may be, whatever its bytes become.
fn shown(line: &Begun) -> String {
    // No text of a server holds a NUL.
    let text = String::from_utf8_lossy(line.text.strip_suffix(b"\r").unwrap_or(&line.text));
    let mut text = text.replace('\0', "\u{fffd}");
    if line.is_cut || text.len() > ContainerLine::MOST_BYTES {
        let mut end = text.len().min(ContainerLine::MOST_BYTES - CUT.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: &str = "2026-11-22T09:30:00.000000001Z";
    const AT: i64 = 1_795_339_800_000_000_001;

    fn read(window: Window, parts: &[(LogStream, &[u8])]) -> (Vec<ContainerLine>, bool) {
        let mut recent = Recent::new(window);
        for (stream, part) in parts {
            recent.add(*stream, part);
        }
        let log = recent.finish();
        assert!(log.is_bounded());
        match log {
            ContainerLog::Lines { lines, is_cut } => (lines, is_cut),
            other => panic!("no lines: {other:?}"),
        }
    }

    fn last(lines: u32) -> Window {
        Window { lines, since: None }
    }

    #[test]
    fn a_line_has_its_moment_its_stream_and_its_text_however_it_comes() {
        let whole = format!("{STAMP} hello  you\r\n");
        let (first, second) = (format!("{STAMP} one, "), format!("{STAMP} two\n"));
        let parts: [(LogStream, &[u8]); 5] = [
            (LogStream::Out, first.as_bytes()),
            (LogStream::Err, whole.as_bytes()),
            (LogStream::Out, second.as_bytes()),
            (LogStream::Out, b"no moment \xff\0\n"),
            (LogStream::Out, b"2026-11-22T09:30:00.000000009Z no end"),
        ];
        let (lines, is_cut) = read(last(10), &parts);
        let line = |at, stream, text: &str| ContainerLine { at, stream, text: text.to_owned() };
        assert!(!is_cut);
        assert_eq!(
            lines,
            [
                line(AT, LogStream::Err, "hello  you"),
                line(AT, LogStream::Out, "one, two"),
                line(0, LogStream::Out, "no moment \u{fffd}\u{fffd}"),
                line(AT + 8, LogStream::Out, "no end"),
            ]
        );
    }

    #[test]
    fn only_what_came_after_a_moment_is_told() {
        let text: String = (1..=5).map(|n| format!("2026-11-22T09:30:00.00000000{n}Z line {n}\n")).collect();
        let (lines, is_cut) = read(Window { lines: 10, since: Some(AT + 2) }, &[(LogStream::Out, text.as_bytes())]);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!((texts, is_cut), (vec!["line 4", "line 5"], false));
        let (lines, is_cut) = read(Window { lines: 2, since: Some(AT) }, &[(LogStream::Out, text.as_bytes())]);
        assert_eq!((lines.len(), is_cut), (2, true), "more came than are told");
        let asked = Window { lines: 200, since: Some(AT) }.options();
        assert_eq!((asked.tail.as_str(), asked.since), ("201", 1_795_339_800));
        let asked = Window { lines: 1, since: Some(i64::MAX) }.options();
        assert_eq!(asked.since, i32::MAX);
    }

    #[test]
    fn whatever_a_container_writes_an_answer_stays_within_its_bounds() {
        let long = format!("{STAMP} {}\n", "é".repeat(20_000));
        let broken = [STAMP.as_bytes(), b" ", &[0xff; 20_000], b"\n"].concat();
        for line in [long.as_bytes(), &broken] {
            let parts: Vec<(LogStream, &[u8])> = (0..1_500).map(|_| (LogStream::Out, line)).collect();
            let (lines, is_cut) = read(last(LogQuestion::MOST_LINES), &parts);
            assert!(is_cut && lines.iter().all(|line| line.text.ends_with('…')));
            let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
            assert!(bytes > ContainerLog::MOST_BYTES - ContainerLine::MOST_BYTES, "{bytes}");
        }
        let short = format!("{STAMP} \n");
        let parts: Vec<(LogStream, &[u8])> = (0..1_500).map(|_| (LogStream::Out, short.as_bytes())).collect();
        assert_eq!(read(last(LogQuestion::MOST_LINES), &parts).0.len(), 1_000);
    }

    #[test]
    fn nobody_asks_for_more_than_an_answer_has() {
        let question = |lines| LogQuestion {
            id: "Q".to_owned(),
            environment: "E".to_owned(),
            environment_name: "dev".to_owned(),
            target: slipway_pipelines::config::TargetKind::Docker,
            container: "web".to_owned(),
            lines,
            since: None,
        };
        assert_eq!(Window::of(&question(u32::MAX)).lines, LogQuestion::MOST_LINES);
        assert_eq!(Window::of(&question(0)).lines, 1);
    }
}
