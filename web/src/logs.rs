//! The lines of a step's log, as rows that a page holds and a stream adds to.

use askama::Template;

use crate::{
    ansi::{LineHtml, Renderer},
    folds::{Mark, mark},
    time,
};

/// The lines of one part of a log, which the viewer fetches as it comes into sight: the first part begins with line 1.
pub const PART_LINES: i64 = 250;
/// The lines that one log page shows at most.
pub const PAGE_LINES: i64 = 2 * PART_LINES;
/// What a page's lines may be together, in bytes, so that a page of long lines is no heavier than others.
pub const PAGE_BYTES: usize = 80_000;
/// What a row is besides its line, about, in bytes.
const ROW_BYTES: usize = 90;
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
    pub(crate) fn class(self) -> &'static str {
        match self {
            Stream::Out => "out",
            Stream::Err => "err",
            Stream::Slipway => "own",
        }
    }

    pub(crate) fn meaning(self) -> &'static str {
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
    fold: Fold,
    html: LineHtml,
}

/// Whether a row can be folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold {
    /// It is a line as others.
    None,
    /// What follows can be folded below it.
    Head,
    /// It is the last of a fold.
    End,
}

impl LogRow {
    fn class(&self) -> String {
        let fold = match self.fold {
            Fold::None => "",
            Fold::Head => "group",
            Fold::End => "endgroup",
        };
        let stream = if self.stream == Stream::Out { "" } else { self.stream.class() };
        [stream, fold].join(" ").trim().to_owned()
    }
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
            .map(|(number, at, stream, text)| {
                let (fold, shown) = match mark(stream, text) {
                    None => (Fold::None, text),
                    Some(Mark::Begins(title)) => (Fold::Head, title),
                    Some(Mark::Ends { shown, .. }) => (Fold::End, shown),
                };
                let offset = time::offset(at - self.began);
                LogRow { number, offset, stream, fold, html: self.renderer.line(shown) }
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

    /// As many of the rows around line `kept` as are no more than `bytes` together; that line's at least.
    #[must_use]
    pub fn within(mut self, bytes: usize, kept: i64) -> LogRows {
        let size = |row: &LogRow| row.html.len() + ROW_BYTES;
        let mut left = bytes;
        let mut last = self.rows.partition_point(|row| row.number < kept);
        let mut first = last;
        loop {
            let (before, behind) = (first.checked_sub(1).and_then(|at| self.rows.get(at)), self.rows.get(last));
            let takes_behind = match (before, behind) {
                (None, None) => break,
                (None, Some(_)) => true,
                (Some(_), None) => false,
                // Both sides grow evenly.
                (Some(before), Some(behind)) => behind.number - kept <= kept - before.number,
            };
            let Some(row) = (if takes_behind { behind } else { before }) else { break };
            if first < last && size(row) > left {
                break;
            }
            left = left.saturating_sub(size(row));
            if takes_behind { last += 1 } else { first -= 1 }
        }
        self.rows.truncate(last);
        self.rows.drain(..first);
        self
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
        let folds = LogWriter::for_log_page(0)
            .rows([(1, 0, Stream::Out, "::group::Fetch"), (2, 0, Stream::Err, "::endgroup::")]);
        assert_eq!(
            folds.to_string(),
            "<p id=\"L1\" class=\"group\"><a href=\"#L1\">1</a><time>0.0</time><span>Fetch</span></p>\
             <p id=\"L2\" class=\"err endgroup\" title=\"standard error\"><a href=\"#L2\">2</a><time>0.0</time><span></span></p>"
        );
        let elsewhere =
            LogWriter::for_step("1-3", "/x/steps/3", 0).rows([(1, 0, Stream::Slipway, "hello")]).to_string();
        assert!(
            elsewhere.contains("id=\"s1-3-L1\"") && elsewhere.contains("href=\"/x/steps/3?line=1#L1\""),
            "{elsewhere}"
        );
    }

    #[test]
    fn a_page_of_long_lines_shows_fewer_around_the_one_that_matters() {
        let long = "x".repeat(1_000);
        let rows = || LogWriter::for_log_page(0).rows((1..=100).map(|number| (number, 0, Stream::Out, long.as_str())));
        let within = |bytes, kept| {
            let rows = rows().within(bytes, kept);
            (rows.first(), rows.last())
        };
        assert_eq!(within(1_000_000, 50), (Some(1), Some(100)));
        assert_eq!(within(11_000, 100), (Some(91), Some(100)));
        assert_eq!(within(11_000, 1), (Some(1), Some(10)));
        assert_eq!(within(11_000, 50), (Some(46), Some(55)));
        assert_eq!(within(5, 50), (Some(50), Some(50)), "one is always shown");
        assert_eq!(within(11_000, 900), (Some(91), Some(100)));
    }
}
