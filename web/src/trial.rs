//! What is measured of a new version while it is tried, beside the stable one and against what is allowed.

use askama::Template;

use crate::state::State;

/// The drawing of a measurement is this many units wide.
const WIDTH: f64 = 100.0;
/// How much room is left above a limit that nothing comes near.
const HEADROOM: f64 = 1.25;

/// The stages of a rollout that were measured; the last is shown, those before it can be opened.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "trials.html")]
pub struct TrialList {
    trials: Vec<Trial>,
}

impl askama::filters::HtmlSafe for TrialList {}

/// A stage, and what was measured last in it.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Names it within the page, as its step is named.
    pub key: String,
    /// What it tries.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// What was measured, app by app.
    pub rows: Vec<ReadingRow>,
}

/// A measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadingRow {
    /// The app.
    pub app: String,
    /// What was measured.
    pub what: &'static str,
    /// Which container has the most of it.
    pub replica: Option<u32>,
    /// How much it is.
    pub value: f64,
    /// How much it is of the stable version.
    pub stable: Option<f64>,
    /// The most that it may be.
    pub limit: Option<f64>,
    /// These three for people, with their unit.
    pub texts: [Option<String>; 3],
}

/// A measurement as a bar, the stable version's as a mark on it, and the limit.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Meter {
    value: f64,
    stable: Option<f64>,
    limit: f64,
}

impl TrialList {
    /// In order.
    #[must_use]
    pub fn new(trials: Vec<Trial>) -> Self {
        TrialList { trials }
    }

    /// Whether nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trials.is_empty()
    }

    /// Each with whether it is the last.
    fn all(&self) -> impl Iterator<Item = (&Trial, bool)> {
        let count = self.trials.len();
        self.trials.iter().enumerate().map(move |(place, trial)| (trial, place + 1 == count))
    }
}

impl Trial {
    fn class(&self) -> &'static str {
        self.state.tone().class()
    }

    fn has_apps(&self) -> bool {
        self.rows.iter().any(|row| Some(&row.app) != self.rows.first().map(|first| &first.app))
    }

    /// Whether any of the app's containers is another than the first.
    fn has_replicas(&self, app: &str) -> bool {
        self.rows.iter().any(|row| row.app == app && row.replica.is_some_and(|replica| replica > 1))
    }
}

impl ReadingRow {
    fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.value > limit)
    }

    /// None where there is no limit to draw it against.
    fn meter(&self) -> Option<Meter> {
        let limit = self.limit?;
        let most = (limit * HEADROOM).max(self.value).max(self.stable.unwrap_or(0.0));
        let x = |value: f64| if most > 0.0 { (value * WIDTH / most).clamp(0.0, WIDTH) } else { 0.0 };
        Some(Meter { value: x(self.value), stable: self.stable.map(x), limit: x(limit) })
    }

    fn text(&self, place: usize) -> Option<&str> {
        self.texts.get(place)?.as_deref()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    fn row(value: f64, stable: Option<f64>, limit: Option<f64>) -> ReadingRow {
        let texts = [Some(value), stable, limit].map(|value| value.map(|value| format!("{value} %")));
        ReadingRow { app: "<web>".into(), what: "Answers 5xx", replica: None, value, stable, limit, texts }
    }

    #[test]
    fn a_measurement_is_drawn_against_its_limit() {
        let calm = row(20.0, Some(40.0), Some(80.0)).meter().unwrap();
        assert_eq!((calm.value, calm.stable, calm.limit), (20.0, Some(40.0), 80.0));
        let over = row(100.0, None, Some(1.0)).meter().unwrap();
        assert_eq!((over.value, over.limit), (100.0, 1.0), "what is far over its limit takes all the room");
        assert_eq!(row(0.0, None, Some(0.0)).meter().unwrap().value, 0.0);
        assert_eq!(row(3.0, None, None).meter(), None);
    }

    #[test]
    fn what_is_too_much_is_said_in_words_too() {
        let trial = |key: &str, rows| Trial { key: key.into(), name: "Try it".into(), state: State::Failed, rows };
        let list = TrialList::new(vec![
            trial("1-1", vec![row(0.0, Some(0.0), Some(1.0))]),
            trial("1-2", vec![row(100.0, Some(0.0), Some(1.0))]),
        ]);
        let html = list.to_string();
        assert_eq!(html.matches("too much").count(), 1, "{html}");
        assert_eq!(html.matches("<details").count(), 2);
        assert_eq!(html.matches(" open").count(), 1, "the last one alone: {html}");
        assert!(!html.contains("<web>") && TrialList::default().is_empty());
    }
}
