//! Whether the wall clock is believed, by which things get old: one that is wrong makes all of them old at once.

use std::time::Duration;

use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// How far the wall clock may go apart from the steady one. Nothing is kept by the minute.
const MOST_APART: Duration = HOUR;
/// How long after the last round a start believes the clock. What goes with an hour more of it would soon have gone.
const LONGEST_AWAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long nothing goes for its age then, by the steady clock: time to set a clock right. One that is right stays as it is.
const PAUSE: Duration = HOUR;

/// Compares the wall clock with a steady one, for whoever removes what is old.
#[derive(Debug)]
pub struct ClockWatch {
    /// What both clocks showed when they were last taken to agree.
    wall_ms: i64,
    steady: Instant,
    doubt: Option<Doubt>,
}

#[derive(Debug)]
struct Doubt {
    until: Instant,
    reason: String,
}

impl ClockWatch {
    /// Begins while the clocks show these times, in unix milliseconds, with a doubt where the last round was long before: the
    /// machine was off, or the clock is wrong. A server that pauses makes no round, so that no restart ends its doubt.
    #[must_use]
    pub fn begin(wall_ms: i64, steady: Instant, last_round_ms: i64) -> Self {
        let mut watch = ClockWatch { wall_ms, steady, doubt: None };
        let away = wall_ms.saturating_sub(last_round_ms);
        if away > milliseconds(LONGEST_AWAY) {
            watch.pause(steady, format!("nothing was collected for {} hours before this start", hours(away)));
        }
        watch
    }

    /// Why nothing goes for its age, at these times; none while the clock is believed.
    pub fn doubt(&mut self, wall_ms: i64, steady: Instant) -> Option<String> {
        let passed = milliseconds(steady.saturating_duration_since(self.steady));
        let apart = wall_ms.saturating_sub(self.wall_ms).saturating_sub(passed);
        if apart.saturating_abs() > milliseconds(MOST_APART) {
            (self.wall_ms, self.steady) = (wall_ms, steady);
            let way = if apart > 0 { "forward" } else { "back" };
            self.pause(steady, format!("the clock was set {way} by {} hours", hours(apart)));
        }
        self.doubt.take_if(|doubt| doubt.until <= steady);
        let doubt = self.doubt.as_ref()?;
        let minutes = doubt.until.duration_since(steady).as_secs().div_ceil(60);
        Some(format!("{}: nothing goes for its age for another {minutes} minutes", doubt.reason))
    }

    fn pause(&mut self, steady: Instant, reason: String) {
        tracing::warn!("{reason}: for an hour nothing is collected for its age, should the clock be wrong");
        self.doubt = Some(Doubt { until: steady + PAUSE, reason });
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn hours(milliseconds: i64) -> u64 {
    milliseconds.unsigned_abs() / 3_600_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn a_clock_that_is_set_is_believed_an_hour_later() {
        let start = Instant::now();
        let mut watch = ClockWatch::begin(0, start, 0);
        assert_eq!(watch.doubt(HOUR_MS, start), None, "an hour is no harm");
        let (late, later) = (start + HOUR / 2, start + HOUR * 2);
        let said = watch.doubt(60 * HOUR_MS, late);
        let wanted = "the clock was set forward by 59 hours: nothing goes for its age for another 60 minutes";
        assert_eq!(said.as_deref(), Some(wanted));
        assert!(watch.doubt(60 * HOUR_MS + HOUR_MS / 2, late + HOUR / 2).is_some());
        // It is set back, which is another time that it was set.
        let said = watch.doubt(2 * HOUR_MS, later).unwrap_or_default();
        assert!(said.starts_with("the clock was set back by 59 hours: "), "{said}");
        assert_eq!(watch.doubt(3 * HOUR_MS, later + HOUR), None);
    }

    #[test]
    fn small_steps_count_together_and_time_that_passes_does_not() {
        let start = Instant::now();
        let mut watch = ClockWatch::begin(0, start, 0);
        assert_eq!(watch.doubt(5_000 * HOUR_MS, start + HOUR * 5_000), None);
        assert_eq!(watch.doubt(5_001 * HOUR_MS, start + HOUR * 5_000), None);
        assert!(watch.doubt(5_002 * HOUR_MS, start + HOUR * 5_000).is_some());
    }

    #[test]
    fn a_start_long_after_the_last_round_waits() {
        let start = Instant::now();
        let begin = |last_round_ms| ClockWatch::begin(100 * HOUR_MS, start, last_round_ms);
        assert_eq!(begin(76 * HOUR_MS).doubt(100 * HOUR_MS, start), None);
        assert_eq!(begin(1_000 * HOUR_MS).doubt(100 * HOUR_MS, start), None, "the clock was ahead, and is right now");
        let said = begin(70 * HOUR_MS).doubt(101 * HOUR_MS, start + HOUR / 2);
        let wanted =
            "nothing was collected for 30 hours before this start: nothing goes for its age for another 30 minutes";
        assert_eq!(said.as_deref(), Some(wanted));
        assert_eq!(begin(70 * HOUR_MS).doubt(101 * HOUR_MS, start + HOUR), None);
    }
}
