//! What was measured over some time, for people and programs.

use super::{AppFigures, HostFigures, MOMENT_MS, SUM_MS};
use crate::{
    ids::EnvironmentId,
    store::{Conn, StoreError, measurements as stored, text::text_enum},
};

/// The most rows that are read at once: a week's.
const MOST_ROWS: i64 = 2_100;

text_enum! {
    /// How much time is looked at.
    Window {
        /// An hour, as it was measured.
        Hour = "hour",
        /// A day, summed up.
        Day = "day",
        /// A week, summed up.
        Week = "week",
    }
}

impl Window {
    /// How long it is, in milliseconds.
    #[must_use]
    pub fn length_ms(self) -> i64 {
        const HOUR_MS: i64 = 60 * 60 * 1_000;
        match self {
            Window::Hour => HOUR_MS,
            Window::Day => 24 * HOUR_MS,
            Window::Week => 7 * 24 * HOUR_MS,
        }
    }

    /// How much time one of its points sums up, in milliseconds.
    #[must_use]
    pub fn span_ms(self) -> i64 {
        match self {
            Window::Hour => MOMENT_MS,
            Window::Day | Window::Week => SUM_MS,
        }
    }
}

/// What was measured at some moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Point<F> {
    /// When, or since when, in unix milliseconds.
    pub at: i64,
    /// What.
    pub figures: F,
}

/// What was measured of one app, the oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The app.
    pub app: String,
    /// Its points.
    pub points: Vec<Point<AppFigures>>,
}

/// What was measured of an environment's apps in the window that ends at `until` (unix milliseconds), by app.
///
/// # Errors
/// When the database fails.
pub async fn of_environment(
    conn: &mut Conn<'_>,
    environment: &EnvironmentId,
    window: Window,
    until: i64,
) -> Result<Vec<Series>, StoreError> {
    let rows = stored::between::<Vec<AppFigures>>(conn, environment.as_str(), slice(window, until)).await?;
    let mut series: Vec<Series> = Vec::new();
    for row in rows {
        for figures in row.figures.0 {
            let point = Point { at: row.at, figures };
            match series.iter_mut().find(|known| known.app == point.figures.app) {
                Some(known) => known.points.push(point),
                None => series.push(Series { app: point.figures.app.clone(), points: vec![point] }),
            }
        }
    }
    series.sort_by(|one, other| one.app.cmp(&other.app));
    Ok(series)
}

/// What was measured of a runner's host in the window that ends at `until` (unix milliseconds), the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_host(
    conn: &mut Conn<'_>,
    runner: &str,
    window: Window,
    until: i64,
) -> Result<Vec<Point<HostFigures>>, StoreError> {
    let rows = stored::between::<HostFigures>(conn, runner, slice(window, until)).await?;
    Ok(rows.into_iter().map(|row| Point { at: row.at, figures: row.figures.0 }).collect())
}

fn slice(window: Window, until: i64) -> stored::Slice {
    stored::Slice { span_ms: window.span_ms(), since: until - window.length_ms(), until, limit: MOST_ROWS }
}
