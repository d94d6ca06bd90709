//! What is measured of new containers while they are tried, as people see it at that moment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most readings that are told at once.
pub const MOST_READINGS: usize = 350;

/// What was measured last in a step; it takes the place of what was told before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Readings {
    /// At most [`MOST_READINGS`].
    pub readings: Vec<Reading>,
}

/// One measurement of an app's new version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// The app.
    pub app: String,
    /// What was measured.
    pub measure: Measure,
    /// Which of its new containers has the most of it, from 1; none for what is counted of all of them.
    #[serde(default)]
    pub replica: Option<u32>,
    /// How much it is.
    pub value: f64,
    /// How much it is of the stable version beside it.
    #[serde(default)]
    pub stable: Option<f64>,
    /// The most that it may be; none where it is not judged, or not yet.
    #[serde(default)]
    pub limit: Option<f64>,
}

/// What is measured. A word that is not known is something that a later version measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// How many requests were answered.
    Requests,
    /// The share of answers 5xx, in percent.
    Errors,
    /// How long the slowest twentieth of the answers takes, in milliseconds.
    Latency,
    /// The CPU that a container uses, in percent of what it may.
    Cpu,
    /// The memory, the same way.
    Memory,
    /// How often a container ended.
    Ends,
    /// How many health checks in a row a container failed.
    FailedChecks,
    /// Something else.
    #[serde(other)]
    Other,
}

impl Reading {
    /// Whether it is more than it may be.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.value > limit)
    }
}

impl Readings {
    /// As many as may be told. Where there are more, what is over its limit is never left out.
    #[must_use]
    pub fn bounded(mut all: Vec<Reading>) -> Self {
        // JSON has no word for the others.
        all.retain(|reading| reading.value.is_finite());
        if all.len() > MOST_READINGS {
            all.sort_by_key(|reading| !reading.is_over());
            all.truncate(MOST_READINGS);
        }
        Readings { readings: all }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_its_limit_is_never_left_out() {
        let reading = |value: f64| Reading {
            app: "web".to_owned(),
            measure: Measure::Cpu,
            replica: Some(1),
            value,
            stable: None,
            limit: Some(50.0),
        };
        let mut all = vec![reading(10.0); MOST_READINGS + 4];
        all.extend([reading(f64::NAN), reading(99.0)]);
        let told = Readings::bounded(all).readings;
        assert_eq!(told.len(), MOST_READINGS);
        assert!(told.first().is_some_and(Reading::is_over));
    }

    #[test]
    fn what_a_later_version_measures_is_no_error() {
        let told: Reading = serde_json::from_str(r#"{"app":"web","measure":"goldfish","value":3}"#).unwrap();
        assert_eq!((told.measure, told.limit), (Measure::Other, None));
    }
}
