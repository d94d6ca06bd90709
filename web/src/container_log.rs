//! The last lines of a running container, as rows by the clock: nobody counts them, so they have no numbers.

use askama::Template;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::{
    ansi::{LineHtml, Renderer},
    logs::Stream,
};

/// What a row is besides its line, about, in bytes.
const ROW_BYTES: usize = 100;

/// One line as a row.
#[derive(Debug, Clone)]
struct Row {
    at: DateTime<Utc>,
    /// The present, by which a line of another day shows its date.
    now: DateTime<Utc>,
    stream: Stream,
    html: LineHtml,
}

/// Rows of a container's log, in order.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "container_log_rows.html")]
pub struct ContainerLogRows {
    rows: Vec<Row>,
    /// What is said above them.
    note: Option<String>,
}

impl askama::filters::HtmlSafe for ContainerLogRows {}

impl ContainerLogRows {
    /// Makes rows of lines given as time in unix nanoseconds, stream and text. `now` is in unix milliseconds.
    pub fn draw<'a>(now: i64, lines: impl IntoIterator<Item = (i64, Stream, &'a str)>) -> Self {
        let now = DateTime::from_timestamp_millis(now).unwrap_or_default();
        let mut renderer = Renderer::default();
        let rows = lines.into_iter().map(|(at, stream, text)| Row {
            at: DateTime::from_timestamp_nanos(at),
            now,
            stream,
            html: renderer.line(text),
        });
        ContainerLogRows { rows: rows.collect(), note: None }
    }

    /// The same below a note, such as that lines before them are not shown.
    #[must_use]
    pub fn below(self, note: impl Into<String>) -> Self {
        ContainerLogRows { note: Some(note.into()), ..self }
    }

    /// The newest of them that are no more than `bytes` together, one at least; and whether there were more.
    #[must_use]
    pub fn within(mut self, bytes: usize) -> (Self, bool) {
        let mut left = bytes;
        let fits = |row: &&Row| {
            let size = row.html.len() + ROW_BYTES;
            let is_room = size <= left;
            left = left.saturating_sub(size);
            is_room
        };
        let kept = self.rows.iter().rev().take_while(fits).count().max(1);
        let cut = self.rows.len().saturating_sub(kept);
        self.rows.drain(..cut);
        (self, cut > 0)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Row {
    /// As wide for every line.
    fn clock(&self) -> String {
        let is_of_today = self.at.date_naive() == self.now.date_naive();
        self.at.format(if is_of_today { "%H:%M:%S%.3f" } else { "%e %b %H:%M" }).to_string()
    }

    fn exact(&self) -> String {
        self.at.to_rfc3339_opts(SecondsFormat::Nanos, true)
    }
}

#[cfg(test)]
mod tests {
    use super::ContainerLogRows;
    use crate::logs::Stream;

    #[test]
    fn rows_carry_the_clock_the_stream_and_escaped_text_in_colour() {
        let (now, at) = (1_795_339_900_000, 1_795_339_800_123_456_789);
        let yesterday = at - 86_400_000_000_000;
        let lines = [(yesterday, Stream::Out, "a <b>"), (at, Stream::Err, "\u{1b}[31mbad")];
        let rows = ContainerLogRows::draw(now, lines).below("Earlier lines are not shown.").to_string();
        assert_eq!(
            rows,
            "<p class=\"own\"><time></time><span>Earlier lines are not shown.</span></p>\
             <p><time title=\"2026-11-21T09:30:00.123456789Z\">21 Nov 09:30</time><span>a &lt;b&gt;</span></p>\
             <p class=\"err\" title=\"standard error\"><time title=\"2026-11-22T09:30:00.123456789Z\">09:30:00.123</time><span><span class=\"f1\">bad</span></span></p>"
        );
        assert!(ContainerLogRows::default().is_empty());
    }

    #[test]
    fn the_newest_rows_stay_within_a_page() {
        let long = "x".repeat(1_000);
        let drawn = || ContainerLogRows::draw(0, (0..10).map(|at| (at, Stream::Out, long.as_str())));
        let (rows, is_cut) = drawn().within(3_400);
        assert_eq!((rows.rows.len(), is_cut), (3, true));
        assert_eq!(rows.rows.last().map(|row| row.at.timestamp_subsec_nanos()), Some(9));
        assert_eq!(drawn().within(100_000).0.rows.len(), 10);
        assert_eq!(drawn().within(10).0.rows.len(), 1, "one line is always shown");
    }
}
