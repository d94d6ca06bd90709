//! What is remembered of one replica: how it is, how often it was put right, and when that may be tried again.

use std::time::Duration;

use slipway_pipelines::release::HealthCheck;
use tokio::time::Instant;

use super::ailment::Ailment;
use crate::coordinator::{Condition, Trouble};

/// How long a replica must have been well until it counts as if nothing had ever been.
const CALM: Duration = Duration::from_secs(60);
/// How long a replica must not have been well until people are to know of it, however often it was put right.
const LONG: Duration = Duration::from_secs(10 * 60);
/// From how many times on it is a loop.
const LOOP: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// One replica, as far as is remembered.
#[derive(Debug, Clone)]
pub(super) struct Care {
    phase: Phase,
    /// Since when it has not been well; none while it is.
    unwell_since: Option<Instant>,
    /// Probes that failed in a row.
    failures: u32,
    /// How often it was put right, or ended, without having been well for a while in between.
    times: u32,
    /// Whether the last of these was its own doing.
    is_own_doing: bool,
    not_before: Option<Instant>,
    next_probe: Instant,
    trouble: Option<Trouble>,
    /// How often the engine had started its container again when it was last looked at; none before the first look.
    restarts: Option<i64>,
    /// Whether its container was heard to end since it was last looked at.
    pub(super) is_suspect: bool,
}

/// Where a replica stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It passed its last probes.
    Well(Instant),
    /// It was started, and passed none yet.
    Starting(Instant),
    /// It is not as it should be.
    Ill,
}

impl Care {
    /// Of a replica that is seen for the first time. One that runs is believed to be well until it fails its probes; what
    /// was told of it before may be over.
    pub(super) fn begin(known: Option<Trouble>, now: Instant) -> Self {
        Care {
            phase: Phase::Well(now),
            unwell_since: None,
            failures: 0,
            times: known.as_ref().map_or(0, |trouble| trouble.times),
            is_own_doing: true,
            not_before: None,
            next_probe: now,
            trouble: known.filter(|trouble| !trouble.over),
            restarts: None,
            is_suspect: true,
        }
    }

    pub(super) fn is_well(&self) -> bool {
        matches!(self.phase, Phase::Well(_))
    }

    /// Whether its container was started and has not passed a probe yet.
    pub(super) fn is_starting(&self) -> bool {
        matches!(self.phase, Phase::Starting(_))
    }

    /// Whether it is worth looking at it soon.
    pub(super) fn is_pressing(&self) -> bool {
        matches!(self.phase, Phase::Starting(_)) || self.is_suspect
    }

    /// Whether it is to be asked again. One that starts is asked at every look, so that it is seen quickly.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(self.phase, Phase::Starting(_)) || now >= self.next_probe
    }

    /// How long its container has run without having been well.
    pub(super) fn ran(&self, now: Instant) -> Duration {
        match self.phase {
            Phase::Starting(since) => now.duration_since(since),
            Phase::Well(_) | Phase::Ill => Duration::MAX,
        }
    }

    /// Its container was started by a life before, and may have passed no probe yet.
    pub(super) fn is_unproven(&mut self, now: Instant) {
        self.starts(now);
    }

    /// Something is amiss.
    pub(super) fn falls_ill(&mut self, now: Instant) {
        self.phase = Phase::Ill;
        self.unwell_since.get_or_insert(now);
    }

    fn starts(&mut self, now: Instant) {
        self.phase = Phase::Starting(now);
        self.unwell_since.get_or_insert(now);
    }

    /// Whether anything may be done about it yet.
    pub(super) fn may_be_treated(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|not_before| now >= not_before)
    }

    /// Something was done about it. The next time that something is amiss, it waits for longer.
    pub(super) fn was_treated(&mut self, found: &Ailment, done: String, now: Instant) {
        self.is_own_doing = found.is_own_doing();
        self.count(found.to_string(), done, 1, now);
        self.starts(now);
        self.restarts = None;
    }

    /// It was set right, and served all the while.
    pub(super) fn was_set_right(&mut self, found: &Ailment, done: String, now: Instant) {
        self.is_own_doing = found.is_own_doing();
        self.count(found.to_string(), done, 1, now);
    }

    /// Something is amiss that is another's to put right: it is told once, until it is over.
    pub(super) fn is_left(&mut self, found: &Ailment, done: &str) {
        if self.trouble.as_ref().is_none_or(|trouble| trouble.over) {
            self.times = self.times.saturating_add(1);
            self.is_own_doing = found.is_own_doing();
            self.trouble =
                Some(Trouble { found: found.to_string(), done: done.to_owned(), times: self.times, over: false });
        }
    }

    /// Its container was looked at: the engine has started it again so many times in all, and it ended like this last.
    pub(super) fn looked_at(&mut self, restarts: i64, exit_code: i64, now: Instant) {
        self.is_suspect = false;
        let times = self.restarts.replace(restarts).map_or(0, |before| restarts - before);
        let Some(times) = u32::try_from(times).ok().filter(|times| *times > 0) else { return };
        self.is_own_doing = true;
        let found = format!("its container ended with exit code {exit_code}");
        self.count(found, Ailment::Restarting.done().to_owned(), times, now);
        self.starts(now);
    }

    fn count(&mut self, found: String, done: String, times: u32, now: Instant) {
        self.failures = 0;
        self.times = self.times.saturating_add(times);
        self.not_before = Some(now + pause(self.times));
        self.trouble = Some(Trouble { found, done, times: self.times, over: false });
    }

    /// A probe passed; whether it is the first since its container was started.
    pub(super) fn passed(&mut self, check: &HealthCheck, now: Instant) -> bool {
        self.failures = 0;
        self.next_probe = now + Duration::from_millis(check.interval_ms);
        let since = match self.phase {
            Phase::Well(since) => since,
            Phase::Starting(_) | Phase::Ill => now,
        };
        let is_first = !self.is_well();
        self.phase = Phase::Well(since);
        self.unwell_since = None;
        let is_loop = self.is_loop();
        let calm = now.duration_since(since) >= CALM;
        if calm {
            self.times = 0;
            self.not_before = None;
        }
        if let Some(trouble) = self.trouble.as_mut().filter(|_| calm || !is_loop) {
            trouble.over = true;
        }
        is_first
    }

    /// A probe failed; why it counts as sick from now on, if it does.
    pub(super) fn failed(&mut self, met: String, check: &HealthCheck, now: Instant) -> Option<Ailment> {
        self.failures = self.failures.saturating_add(1);
        self.next_probe = now + Duration::from_millis(check.interval_ms);
        let is_sick = match self.phase {
            Phase::Well(_) | Phase::Ill => self.failures >= check.retries.max(1),
            Phase::Starting(since) => now.duration_since(since) >= Duration::from_millis(check.start_ms),
        };
        is_sick.then_some(Ailment::Unhealthy(met))
    }

    fn is_loop(&self) -> bool {
        self.is_own_doing && self.times >= LOOP
    }

    /// How it is.
    pub(super) fn condition(&self) -> Condition {
        match self.phase {
            _ if self.is_loop() && self.trouble.as_ref().is_some_and(|trouble| !trouble.over) => Condition::CrashLoop,
            Phase::Well(_) => Condition::Healthy,
            Phase::Starting(_) => Condition::Starting,
            Phase::Ill => Condition::Sick,
        }
    }

    /// Whether it has not been well for so long that people should know of it.
    pub(super) fn lasts(&self, now: Instant) -> bool {
        self.unwell_since.is_some_and(|since| now.duration_since(since) >= LONG)
    }

    /// How often the engine had started its container again when it was last looked at.
    pub(super) fn restarts(&self) -> u32 {
        self.restarts.and_then(|restarts| u32::try_from(restarts).ok()).unwrap_or(0)
    }

    /// What is told of what was amiss.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.clone()
    }

    /// What was told as over need not be told again.
    pub(super) fn was_told(&mut self, told: Option<&Trouble>) {
        if self.trouble.as_ref().is_some_and(|trouble| trouble.over && Some(trouble) == told) {
            self.trouble = None;
        }
    }
}

/// How long to wait after so many times.
fn pause(times: u32) -> Duration {
    let factor = 1_u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use slipway_pipelines::release::Probe;

    use super::*;

    fn check() -> HealthCheck {
        HealthCheck::with_defaults(Probe::Tcp)
    }

    #[test]
    fn pauses_grow_up_to_a_minute() {
        assert_eq!([1, 2, 3, 7, 100].map(|times| pause(times).as_secs()), [1, 2, 4, 60, 60]);
    }

    #[test]
    fn what_does_not_stay_well_is_a_loop_until_it_was_calm() {
        let start = Instant::now();
        let mut care = Care::begin(None, start);
        assert!(care.may_be_treated(start), "the first time is put right at once");
        care.was_treated(&Ailment::Stopped, "started it again".to_owned(), start);
        assert_eq!(care.condition(), Condition::Starting);
        assert!(care.passed(&check(), start));
        assert_eq!(care.condition(), Condition::Healthy);
        assert!(care.trouble().is_some_and(|trouble| trouble.over));
        assert!(!care.may_be_treated(start), "the second time waits");
        for _ in 0..2 {
            care.was_treated(&Ailment::Stopped, "started it again".to_owned(), start);
        }
        care.passed(&check(), start);
        assert_eq!(care.condition(), Condition::CrashLoop, "well for a moment is not well");
        care.passed(&check(), start + CALM);
        assert_eq!(care.condition(), Condition::Healthy);
        assert!(care.may_be_treated(start + CALM), "it begins anew");
    }

    #[test]
    fn a_replica_is_sick_after_its_retries_and_one_that_starts_after_its_time() {
        let start = Instant::now();
        let mut care = Care::begin(None, start);
        let failed = |care: &mut Care, at| care.failed("refused".to_owned(), &check(), at).is_some();
        assert_eq!([0; 3].map(|_| failed(&mut care, start)), [false, false, true]);
        care.was_treated(&Ailment::Removed, "made it again".to_owned(), start);
        assert_eq!([0; 5].map(|_| failed(&mut care, start)), [false; 5]);
        assert!(failed(&mut care, start + Duration::from_secs(30)));
    }

    #[test]
    fn what_is_not_well_for_long_is_told_however_rarely_it_was_put_right() {
        let start = Instant::now();
        let mut care = Care::begin(None, start);
        assert!(!care.lasts(start + LONG), "it is well");
        care.falls_ill(start);
        care.was_treated(&Ailment::Removed, "made it again".to_owned(), start + LONG / 2);
        care.falls_ill(start + LONG / 2);
        assert!(!care.lasts(start + LONG - Duration::from_millis(1)));
        assert!(care.lasts(start + LONG));
        care.passed(&check(), start + LONG);
        assert!(!care.lasts(start + LONG * 2));
    }

    #[test]
    fn what_is_over_is_told_once() {
        let start = Instant::now();
        let known = Trouble { found: "a".to_owned(), done: "b".to_owned(), times: 1, over: false };
        let mut care = Care::begin(Some(known), start);
        care.passed(&check(), start);
        let told = care.trouble();
        assert!(told.as_ref().is_some_and(|trouble| trouble.over));
        care.was_told(told.as_ref());
        assert_eq!(care.trouble(), None);
    }
}
