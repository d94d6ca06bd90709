//! The lines of a step's log, as rows that a page holds and a stream adds to.

use askama::Template;

use crate::{
    ansi::{LineHtml, Renderer},
    time,
};

/// The lines that one log page shows at most.
pub const PAGE_LINES: i64 = 2_000;
/// The lines that a build's page shows of a step at most.
pub const TAIL_LINES: i64 = 40;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// Slipway itself.
    Slipway,
}

impl Stream {
    fn class(self) -> &'static str {
        match self {
            Stream::Out => "out",
            Stream::Err => "err",
            Stream::Slipway => "own",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Stream::Out => "",
            Stream::Err => "standard error",
            Stream::Slipway => "Slipway",
        }
    }
}

/// One line as a row.
#[derive(Debug, Clone)]
pub struct LogRow {
    number: i64,
    offset: String,
    stream: Stream,
    html: LineHtml,
}

/// Rows of one step's log, in order.
#[derive(Debug, Clone, Template)]
#[template(path = "log_rows.html")]
pub struct LogRows {
    /// What line numbers link to; empty for the page that holds the rows.
    page: String,
    /// Goes before the anchors' numbers, so that several logs fit on one page: `L` or `s1-3-L`.
    prefix: String,
    rows: Vec<LogRow>,
}

impl askama::filters::HtmlSafe for LogRows {}

/// Turns stored lines into rows; keeps the terminal's colours from line to line.
#[derive(Debug, Clone)]
pub struct LogWriter {
    page: String,
    prefix: String,
    began: i64,
    renderer: Renderer,
}

impl LogWriter {
    /// A writer for the log's own page. `began` is the step's start in unix milliseconds, where the time column counts from.
    #[must_use]
    pub fn for_log_page(began: i64) -> Self {
        LogWriter { page: String::new(), prefix: "L".to_owned(), began, renderer: Renderer::default() }
    }

    /// A writer for lines that were found in a log; their numbers lead to `page`, the log's own.
    #[must_use]
    pub fn for_found(page: &str, began: i64) -> Self {
        LogWriter { page: page.to_owned(), ..Self::for_log_page(began) }
    }

    /// A writer for a page with several logs, each with the key of its step; line numbers lead to `page`, the log's own.
    #[must_use]
    pub fn for_step(key: &str, page: &str, began: i64) -> Self {
        LogWriter { page: page.to_owned(), prefix: format!("s{key}-L"), began, renderer: Renderer::default() }
    }

    /// Reads a line only for the colours that it leaves behind.
    pub fn pass_over(&mut self, text: &str) {
        self.renderer.line(text);
    }

    /// Makes rows of lines given as number, time in unix milliseconds, stream and text.
    pub fn rows<'a>(&mut self, lines: impl IntoIterator<Item = (i64, i64, Stream, &'a str)>) -> LogRows {
        let rows = lines
            .into_iter()
            .map(|(number, at, stream, text)| LogRow {
                number,
                offset: time::offset(at - self.began),
                stream,
                html: self.renderer.line(text),
            })
            .collect();
        LogRows { page: self.page.clone(), prefix: self.prefix.clone(), rows }
    }
}

impl LogRows {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The number of the last line; none when there are no rows.
    #[must_use]
    pub fn last(&self) -> Option<i64> {
        self.rows.last().map(|row| row.number)
    }

    /// The number of the first line; none when there are no rows.
    #[must_use]
    pub fn first(&self) -> Option<i64> {
        self.rows.first().map(|row| row.number)
    }
}

#[cfg(test)]
mod tests {
    use super::{LogWriter, Stream};

    #[test]
    fn rows_carry_number_time_stream_and_escaped_text() {
        let mut writer = LogWriter::for_log_page(1_000);
        let rows = writer.rows([(7, 1_250, Stream::Out, "a <b>"), (8, 62_000, Stream::Err, "\u{1b}[31mbad")]);
        assert_eq!(
            rows.to_string(),
            "<p id=\"L7\"><a href=\"#L7\">7</a><time>0.2</time><span>a &lt;b&gt;</span></p>\
             <p id=\"L8\" class=\"err\" title=\"standard error\"><a href=\"#L8\">8</a><time>1:01.0</time><span><span class=\"f1\">bad</span></span></p>"
        );
        let found = LogWriter::for_found("/x/steps/3", 0).rows([(7, 0, Stream::Out, "hello")]).to_string();
        assert!(found.contains("id=\"L7\"") && found.contains("href=\"/x/steps/3?line=7#L7\""), "{found}");
        let elsewhere =
            LogWriter::for_step("1-3", "/x/steps/3", 0).rows([(1, 0, Stream::Slipway, "hello")]).to_string();
        assert!(
            elsewhere.contains("id=\"s1-3-L1\"") && elsewhere.contains("href=\"/x/steps/3?line=1#L1\""),
            "{elsewhere}"
        );
    }
}
