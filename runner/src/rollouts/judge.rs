//! What is measured of containers that are judged, and when it is too much.

use std::time::Duration;

use slipway_pipelines::config::{Limits, Usage};
use tokio::time::Instant;

use super::gauge::{Gauge, Used, part};
use crate::targets::docker::Vitals;

/// Without a limit of its own, how many times what the stable version uses is too much.
const TIMES_AS_MUCH: f64 = 2.0;
/// How long a container is not compared at first: it does once what the stable one did long ago, such as compiling itself.
const WARMS_UP: Duration = Duration::from_secs(60);
/// For how long it has to use more than is allowed beside the stable version.
const LASTS: Duration = Duration::from_secs(60);

/// What one container of the stable version uses on average, as far as there is one to compare with: CPUs, and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Stable {
    pub(crate) cpu: Option<f64>,
    pub(crate) memory: Option<f64>,
}

/// How much of something a container used, beside the stable version, and the most that it may: in percent of what it has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    pub(super) value: f64,
    pub(super) stable: Option<f64>,
    pub(super) limit: Option<f64>,
}

/// When a comparison with the stable version counts.
#[derive(Debug, Clone, Copy)]
struct Patience {
    now: Instant,
    /// How long too much has to last.
    lasts: Duration,
    /// Whether the container has run for long enough to be compared.
    is_warm: bool,
}

/// What is known of a container's use of one thing.
#[derive(Debug, Default)]
struct Need {
    judged: Option<Judged>,
    /// Since when it uses more than is allowed beside the stable version.
    excess: Option<Instant>,
}

/// What was seen of one container, and what that makes of it.
#[derive(Debug, Default)]
pub(crate) struct Patient {
    gauge: Gauge,
    /// Since when it is looked at.
    since: Option<Instant>,
    cpu: Need,
    memory: Need,
    /// How often it ended, as far as was seen.
    ends: u32,
}

impl Patient {
    /// What is wrong with how the container runs, beside the stable version.
    pub(crate) fn examine(
        &mut self,
        vitals: Option<&Vitals>,
        limits: &Limits,
        stable: &Stable,
        bake: Duration,
    ) -> Option<String> {
        let Some(vitals) = vitals else {
            self.ends = self.ends.max(1);
            return Some("was removed".to_owned());
        };
        self.ends = u32::try_from(vitals.restarts).unwrap_or(0) + u32::from(!vitals.runs || vitals.out_of_memory);
        if vitals.out_of_memory {
            return Some("ran out of memory".to_owned());
        }
        if vitals.restarts > 0 {
            return Some(format!("ended with exit code {} and was restarted", vitals.exit_code));
        }
        if !vitals.runs {
            return Some(format!("ended with exit code {}", vitals.exit_code));
        }
        let now = Instant::now();
        let age = now - *self.since.get_or_insert(now);
        let Some(used) = self.gauge.read(vitals, now, bake) else {
            (self.cpu, self.memory) = Default::default();
            return None;
        };
        let patience = Patience { now, lasts: part(bake, 4, LASTS), is_warm: age >= part(bake, 4, WARMS_UP) };
        let of_cpu = self.cpu.judge(&used.cpu, limits.max_cpu, stable.cpu, patience);
        let of_memory =
            used.memory.and_then(|used| self.memory.judge(&used, limits.max_memory, stable.memory, patience));
        let named = |what: &str, (used, allowed): (String, String)| format!("used {used} of its {what} ({allowed})");
        of_cpu.map(|said| named("CPU", said)).or_else(|| of_memory.map(|said| named("memory", said)))
    }

    /// What it used of its CPU when that was last known.
    pub(super) fn cpu(&self) -> Option<Judged> {
        self.cpu.judged
    }

    /// What it used of its memory when that was last known.
    pub(super) fn memory(&self) -> Option<Judged> {
        self.memory.judged
    }

    /// How often it ended, as far as was seen.
    pub(super) fn ends(&self) -> u32 {
        self.ends
    }
}

impl Need {
    /// How much was used and what is allowed, in words, where it is too much: at once where the limit is the container's own,
    /// once it lasts where the stable version is the measure.
    fn judge(
        &mut self,
        used: &Used,
        limit: Option<Usage>,
        stable: Option<f64>,
        patience: Patience,
    ) -> Option<(String, String)> {
        let Patience { now, lasts, is_warm } = patience;
        let (value, beside) = (used.percent(used.amount), stable.map(|amount| used.percent(amount)));
        let (own, compared) = (limit.and_then(Usage::percent), most_beside(used, limit, stable));
        let allowed = own.zip(compared).map(|(own, compared)| own.min(compared)).or(own).or(compared);
        self.judged = Some(Judged { value, stable: beside, limit: allowed });
        let exceeds = |limit: &f64| value > *limit;
        self.excess = compared.filter(exceeds).filter(|_| is_warm).map(|_| self.excess.unwrap_or(now));
        let said = format!("{value:.0} %");
        if let Some(own) = own.filter(exceeds) {
            return Some((said, format!("allowed {own} %")));
        }
        let (compared, beside) = (compared?, beside?);
        let lasts = self.excess.is_some_and(|since| now - since >= lasts);
        lasts.then(|| (said, format!("allowed {compared:.0} %, the stable version used {beside:.0} %")))
    }
}

/// The most that a container may use beside the stable version, in percent; none where that is not judged, or cannot be told.
fn most_beside(used: &Used, limit: Option<Usage>, stable: Option<f64>) -> Option<f64> {
    let times = limit.map_or(Some(TIMES_AS_MUCH), Usage::times)?;
    Some(used.percent((stable? * times).max(used.minded_from)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::{Duration, Instant, Limits, Need, Patience, Patient, Stable, Usage, Used, Vitals, most_beside};

    fn vitals(cpu_ns: u64) -> Vitals {
        Vitals {
            runs: true,
            restarts: 0,
            exit_code: 0,
            out_of_memory: false,
            cpu_ns,
            cpus: 0.5,
            has_cpu_limit: true,
            memory: 0,
            memory_limit: 0,
            has_memory_limit: false,
        }
    }

    #[test]
    fn a_container_that_ended_is_named_with_its_code() {
        let examine = |vitals: Option<&Vitals>| {
            Patient::default().examine(vitals, &Limits::default(), &Stable::default(), Duration::from_secs(1))
        };
        assert_eq!(examine(None).unwrap(), "was removed");
        let restarted = Vitals { restarts: 1, exit_code: 3, ..vitals(0) };
        assert_eq!(examine(Some(&restarted)).unwrap(), "ended with exit code 3 and was restarted");
        let ended = Vitals { runs: false, exit_code: 3, ..vitals(0) };
        assert_eq!(examine(Some(&ended)).unwrap(), "ended with exit code 3");
        let killed = Vitals { out_of_memory: true, ..vitals(0) };
        assert_eq!(examine(Some(&killed)).unwrap(), "ran out of memory");
        assert_eq!(examine(Some(&vitals(0))), None);
    }

    /// So many of two CPUs.
    fn cpus(amount: f64) -> Used {
        Used { amount, most: 2.0, minded_from: 1.0 }
    }

    #[test]
    fn without_a_limit_the_stable_version_is_the_measure() {
        let allowed = |limit, stable| most_beside(&cpus(0.0), limit, stable);
        assert_eq!(allowed(None, Some(0.1)), Some(50.0), "nobody minds half of it");
        assert_eq!(allowed(None, Some(0.75)), Some(75.0));
        assert_eq!(allowed(Some(Usage::Times(3.0)), Some(0.5)), Some(75.0));
        assert_eq!(allowed(None, None), None, "there is nothing to compare with");
        assert_eq!(allowed(Some(Usage::Any), Some(0.1)), None);
        assert_eq!(allowed(Some(Usage::Percent(20.0)), Some(0.1)), None);
    }

    #[test]
    fn beside_the_stable_version_too_much_has_to_last() {
        let (mut need, start, lasts) = (Need::default(), Instant::now(), Duration::from_secs(20));
        let by = |now: Instant| Patience { now, lasts, is_warm: true };
        let mut at = |seconds: u64, amount: f64| {
            need.judge(&cpus(amount), None, Some(0.2), by(start + Duration::from_secs(seconds)))
        };
        assert_eq!(at(0, 1.9), None);
        assert_eq!(at(15, 0.9), None);
        assert_eq!(at(16, 1.9), None, "it begins again");
        let (used, allowed) = at(36, 1.9).unwrap();
        assert_eq!((&*used, &*allowed), ("95 %", "allowed 50 %, the stable version used 10 %"));
        let mut cold = Need::default();
        for seconds in [0, 300] {
            let patience = Patience { is_warm: false, ..by(start + Duration::from_secs(seconds)) };
            assert_eq!(cold.judge(&cpus(1.9), None, Some(0.2), patience), None, "it warms up");
        }
        let own = Need::default().judge(&cpus(1.9), Some(Usage::Percent(90.5)), Some(0.2), by(start));
        assert_eq!(own.unwrap().1, "allowed 90.5 %", "a limit of its own is broken at once");
        let both = Some(Usage::Lower { percent: 90.0, times: 8.0 });
        let mut need = Need::default();
        assert_eq!(need.judge(&cpus(1.7), both, Some(0.2), by(start)), None);
        assert_eq!(need.judged.and_then(|judged| judged.limit), Some(80.0), "the lower one is shown");
        assert_eq!(need.judge(&cpus(1.9), both, Some(0.2), by(start)).unwrap().1, "allowed 90 %");
    }
}
