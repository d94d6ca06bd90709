//! Times and durations as people read them. The present is always passed in.

use askama::Template;
use chrono::{DateTime, SecondsFormat, Utc};

/// A moment, shown as its age with the exact time behind it. Both in unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"<time datetime="{{ self.iso() }}" title="{{ self.exact() }}" data-at="{{ at }}">{{ self.age() }}</time>"#
)]
pub struct When {
    /// The moment.
    pub at: i64,
    /// The present.
    pub now: i64,
}

impl askama::filters::HtmlSafe for When {}

impl When {
    /// RFC 3339, to the second.
    #[must_use]
    pub fn iso(&self) -> String {
        moment(self.at).to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// The whole date and time in UTC.
    #[must_use]
    pub fn exact(&self) -> String {
        moment(self.at).format("%-d %B %Y, %H:%M:%S UTC").to_string()
    }

    /// How long ago it was, or how soon it comes, coarsely; a date once that is two weeks. Clocks that differ a little make
    /// nothing come.
    #[must_use]
    pub fn age(&self) -> String {
        let seconds = (self.now - self.at) / 1000;
        match seconds {
            -1_209_600..=-86_400 => format!("in {} d", -seconds / 86_400),
            -86_399..=-3_600 => format!("in {} h", -seconds / 3_600),
            -3_599..=-60 => format!("in {} min", -seconds / 60),
            -59..5 => "just now".to_owned(),
            5..60 => format!("{seconds} s ago"),
            60..3_600 => format!("{} min ago", seconds / 60),
            3_600..86_400 => format!("{} h ago", seconds / 3_600),
            86_400..1_209_600 => format!("{} d ago", seconds / 86_400),
            _ => moment(self.at).format("%-d %b %Y").to_string(),
        }
    }
}

/// How long something took, or takes so far. All in unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"<span class="took"{% if let Some(since) = self.running_since() %} data-since="{{ since }}"{% endif %}>{{ self.text() }}</span>"#
)]
pub struct Took {
    /// When it began; none when it has not.
    pub from: Option<i64>,
    /// When it ended; none when it has not.
    pub to: Option<i64>,
    /// The present.
    pub now: i64,
}

impl askama::filters::HtmlSafe for Took {}

impl Took {
    fn running_since(&self) -> Option<i64> {
        if self.to.is_none() { self.from } else { None }
    }

    /// The duration; empty when nothing has begun.
    #[must_use]
    pub fn text(&self) -> String {
        self.from.map_or_else(String::new, |from| duration(self.to.unwrap_or(self.now) - from))
    }
}

/// A duration in milliseconds as `0.4 s`, `12.0 s`, `3:05 min` or `1:02 h`.
#[must_use]
pub fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{}.{} s", seconds, ms % 1000 / 100),
        60..3_600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// The place of a log line on its step's clock: `12.3`, `3:05.1`, `1:02:03.0`.
#[must_use]
pub fn offset(ms: i64) -> String {
    let ms = ms.max(0);
    let (seconds, tenths) = (ms / 1000, ms % 1000 / 100);
    match seconds {
        0..60 => format!("{seconds}.{tenths}"),
        60..3_600 => format!("{}:{:02}.{tenths}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}.{tenths}", seconds / 3_600, seconds % 3_600 / 60, seconds % 60),
    }
}

fn moment(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Took, When, duration, offset};

    #[test]
    fn ages_are_coarse_before_and_after() {
        let age = |seconds: i64| When { at: 1_000_000_000_000, now: 1_000_000_000_000 + seconds * 1000 }.age();
        assert_eq!(age(-5), "just now");
        assert_eq!(age(59), "59 s ago");
        assert_eq!(age(61), "1 min ago");
        assert_eq!(age(7_300), "2 h ago");
        assert_eq!(age(90_000), "1 d ago");
        assert_eq!(age(2_000_000), "9 Sep 2001");
        assert_eq!((age(-60), age(-7_300)), ("in 1 min".to_owned(), "in 2 h".to_owned()));
        assert_eq!((age(-90_000), age(-2_000_000)), ("in 1 d".to_owned(), "9 Sep 2001".to_owned()));
    }

    #[test]
    fn durations_keep_their_width() {
        assert_eq!(duration(430), "0.4 s");
        assert_eq!(duration(12_040), "12.0 s");
        assert_eq!(duration(185_000), "3:05 min");
        assert_eq!(duration(3_725_000), "1:02 h");
        assert_eq!(offset(185_140), "3:05.1");
        assert_eq!(offset(3_723_000), "1:02:03.0");
    }

    #[test]
    fn what_runs_tells_the_page_since_when() {
        let running = Took { from: Some(1_000), to: None, now: 3_500 };
        assert_eq!(running.to_string(), r#"<span class="took" data-since="1000">2.5 s</span>"#);
        let done = Took { from: Some(1_000), to: Some(2_000), now: 9_000 };
        assert_eq!(done.to_string(), r#"<span class="took">1.0 s</span>"#);
    }
}
