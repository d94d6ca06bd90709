//! `[retention]`: how long what is stored is kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measurements::{MOMENT_MS, SUM_MS};

/// The limits in force. A number of days that is 0 means for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RetentionLimits")]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Of each branch, the newest builds that are kept whatever their age; of a tag as well.
    pub builds_keep: u32,
    /// How long a build is kept in any case.
    pub builds_days: u32,
    /// How long the log of a step is kept after its end.
    pub logs_days: u32,
    /// How long the bytes of a delivery are kept.
    pub payloads_days: u32,
    /// How long a delivery is known, so that it is not taken twice.
    pub deliveries_days: u32,
    /// How long events are kept, which pages that were left open go on from.
    pub events_days: u32,
    /// How long entries of the audit log are kept.
    pub audit_days: u32,
    /// Of each environment, the releases that it can be rolled back to, whatever their age.
    pub releases_keep: u32,
    /// How long a release is kept in any case.
    pub releases_days: u32,
    /// How many hours what was measured is kept as it came; 0 means for ever.
    pub measurements_hours: u32,
    /// How long what was measured is kept, summed up.
    pub measurements_days: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            builds_keep: 50,
            builds_days: 90,
            logs_days: 30,
            payloads_days: 14,
            deliveries_days: 90,
            events_days: 30,
            audit_days: 0,
            releases_keep: 10,
            releases_days: 90,
            measurements_hours: 24,
            measurements_days: 7,
        }
    }
}

/// An hour in milliseconds.
const HOUR_MS: i64 = 60 * 60 * 1_000;
/// A day.
const DAY_MS: i64 = 24 * HOUR_MS;

/// What is older than so many days at `now`; nothing where it is kept for ever. In unix milliseconds.
pub(super) fn older_than(days: u32, now: i64) -> Option<i64> {
    (days > 0).then(|| now - i64::from(days) * DAY_MS)
}

impl Limits {
    /// Of measurements: how much time one sums up, in milliseconds; from before when they are old at `now`; and why.
    pub(super) fn measurements(&self, now: i64) -> Vec<(i64, i64, String)> {
        let Limits { measurements_hours: hours, measurements_days: days, .. } = *self;
        let moments =
            (hours > 0).then(|| (MOMENT_MS, now - i64::from(hours) * HOUR_MS, format!("older than {hours} hours")));
        let sums = older_than(days, now).map(|before| (SUM_MS, before, format!("summed up, older than {days} days")));
        moments.into_iter().chain(sums).collect()
    }

    /// The key whose number cannot be used, the number, and the reason.
    pub(crate) fn refusal(&self) -> Option<(&'static str, u32, &'static str)> {
        let least_one = "the newest one is always needed: give at least 1";
        let in_order = |shorter: u32, longer: u32| longer == 0 || (shorter > 0 && shorter <= longer);
        if self.builds_keep == 0 {
            return Some(("retention.builds_keep", 0, least_one));
        }
        if self.releases_keep == 0 {
            return Some(("retention.releases_keep", 0, least_one));
        }
        if !in_order(self.logs_days, self.builds_days) {
            let reason = "a log cannot outlive its build: give at most builds_days";
            return Some(("retention.logs_days", self.logs_days, reason));
        }
        if !in_order(self.payloads_days, self.deliveries_days) {
            let reason = "a payload cannot outlive its delivery: give at most deliveries_days";
            return Some(("retention.payloads_days", self.payloads_days, reason));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold_together_and_nonsense_is_named() {
        assert_eq!(Limits::default().refusal(), None);
        let key = |limits: Limits| limits.refusal().map(|(key, ..)| key);
        assert_eq!(key(Limits { builds_keep: 0, ..Limits::default() }), Some("retention.builds_keep"));
        assert_eq!(key(Limits { releases_keep: 0, ..Limits::default() }), Some("retention.releases_keep"));
        assert_eq!(key(Limits { logs_days: 91, ..Limits::default() }), Some("retention.logs_days"));
        assert_eq!(key(Limits { logs_days: 0, ..Limits::default() }), Some("retention.logs_days"));
        assert_eq!(key(Limits { logs_days: 0, builds_days: 0, ..Limits::default() }), None);
        assert_eq!(key(Limits { payloads_days: 100, ..Limits::default() }), Some("retention.payloads_days"));
    }

    #[test]
    fn for_ever_is_never_over() {
        assert_eq!(older_than(0, 1_000), None);
        assert_eq!(older_than(1, DAY_MS + 5), Some(5));
        let limits = Limits { measurements_hours: 0, measurements_days: 0, ..Limits::default() };
        assert_eq!(limits.measurements(DAY_MS), []);
        let kept: Vec<_> =
            Limits::default().measurements(7 * DAY_MS).into_iter().map(|(_, before, _)| before).collect();
        assert_eq!(kept, [6 * DAY_MS, 0]);
    }
}
