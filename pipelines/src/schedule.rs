//! When a schedule comes: its `cron` in its time zone.
//!
//! When the clocks are set forward, a time that does not exist comes right after the gap. When they are set back, a set
//! time such as `30 2 * * *` comes once, and one that repeats within the hour goes on repeating, as in cron.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;

use crate::config::Schedule;

/// Times that come again and again, in a time zone.
#[derive(Debug, Clone)]
pub struct Times {
    cron: Cron,
    zone: Tz,
}

/// A time that cannot be read; captain.yml's reader lets none through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimesError {
    /// The line is none of cron's.
    #[error("\"{cron}\" is no time: {reason}")]
    Cron {
        /// The line.
        cron: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody knows the time zone.
    #[error("\"{0}\" is no time zone")]
    Zone(String),
}

impl Times {
    /// The times of a schedule.
    ///
    /// # Errors
    /// When its line or its time zone cannot be read.
    pub fn of(schedule: &Schedule) -> Result<Self, TimesError> {
        Self::read(&schedule.cron, &schedule.timezone)
    }

    /// The times that a line of cron means in a time zone.
    ///
    /// # Errors
    /// When one of the two cannot be read.
    pub fn read(cron: &str, timezone: &str) -> Result<Self, TimesError> {
        let zone = timezone.parse().map_err(|_| TimesError::Zone(timezone.to_owned()))?;
        let wrong =
            |error: croner::errors::CronError| TimesError::Cron { cron: cron.to_owned(), reason: error.to_string() };
        // Another name for the same line, which the reader of lines does not know.
        let line = if cron == "@midnight" { "@daily" } else { cron };
        Ok(Times { cron: line.parse().map_err(wrong)?, zone })
    }

    /// The first time after a moment; both are unix milliseconds. None when there is none.
    #[must_use]
    pub fn after(&self, moment: i64) -> Option<i64> {
        let next = self.cron.find_next_occurrence(&self.local(moment)?, false).ok()?;
        Some(next.timestamp_millis()).filter(|next| *next > moment)
    }

    /// The last time at or before a moment.
    #[must_use]
    pub fn until(&self, moment: i64) -> Option<i64> {
        let last = self.cron.find_previous_occurrence(&self.local(moment)?, true).ok()?;
        Some(last.timestamp_millis()).filter(|last| *last <= moment)
    }

    fn local(&self, moment: i64) -> Option<DateTime<Tz>> {
        Some(DateTime::<Utc>::from_timestamp_millis(moment)?.with_timezone(&self.zone))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn millis(moment: &str) -> i64 {
        moment.parse::<DateTime<Utc>>().unwrap().timestamp_millis()
    }

    /// The times of a line in Madrid after a moment, in UTC.
    fn times(cron: &str, from: &str, count: usize) -> Vec<String> {
        let times = Times::read(cron, "Europe/Madrid").unwrap();
        let next = |moment: &i64| times.after(*moment);
        let shown =
            |moment: i64| DateTime::<Utc>::from_timestamp_millis(moment).unwrap().format("%d %H:%M").to_string();
        std::iter::successors(next(&millis(from)), next).take(count).map(shown).collect()
    }

    #[test]
    fn a_time_that_the_clocks_leave_out_comes_right_after_the_gap() {
        // In Madrid, 02:00 becomes 03:00 on the 29th of March 2026, which is 01:00 in UTC.
        assert_eq!(times("30 2 * * *", "2026-03-27T12:00:00Z", 3), ["28 01:30", "29 01:00", "30 00:30"]);
        assert_eq!(times("*/30 * * * *", "2026-03-29T00:20:00Z", 3), ["29 00:30", "29 01:00", "29 01:30"]);
    }

    #[test]
    fn a_time_that_the_clocks_repeat_comes_once_and_what_repeats_by_itself_goes_on() {
        // 03:00 becomes 02:00 on the 25th of October 2026, which is 01:00 in UTC.
        assert_eq!(times("30 2 * * *", "2026-10-24T12:00:00Z", 2), ["25 00:30", "26 01:30"]);
        assert_eq!(times("0 * * * *", "2026-10-24T23:10:00Z", 3), ["25 00:00", "25 01:00", "25 02:00"]);
    }

    #[test]
    fn either_day_is_enough_and_names_stand_for_lines() {
        assert_eq!(times("0 0 13 * fri", "2026-10-30T00:00:00Z", 3), ["05 23:00", "12 23:00", "19 23:00"]);
        assert_eq!(times("@daily", "2026-01-01T12:00:00Z", 2), ["01 23:00", "02 23:00"]);
        for name in ["@yearly", "@annually", "@monthly", "@weekly", "@midnight", "@hourly"] {
            assert_eq!(times(name, "2026-01-01T12:00:00Z", 2).len(), 2, "{name}");
        }
    }

    #[test]
    fn the_last_time_is_found_from_the_other_side() {
        let times = Times::read("0 2 * * *", "Europe/Madrid").unwrap();
        let at = millis("2026-11-20T01:00:00Z");
        assert_eq!(times.until(at), Some(at), "a time is its own last one");
        assert_eq!(times.until(at + 5 * 60 * 60 * 1000), Some(at));
        assert_eq!(times.after(at), Some(millis("2026-11-21T01:00:00Z")));
    }

    #[test]
    fn everything_that_the_reader_lets_through_is_understood() {
        let lines =
            ["0 2 * * *", "*/5 0-6,22-23 1,15 jan-Mar MON-fri", "59 23 31 12 7", "0 0 29 2 *", "5/10 * * * sun"];
        for line in lines {
            let read = crate::parse::cron_line(line).unwrap();
            assert!(Times::read(&read, "UTC").unwrap().after(0).is_some(), "{line} became {read}");
        }
    }
}
