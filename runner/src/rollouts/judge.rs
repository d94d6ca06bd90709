//! What is measured of containers that are judged, and when it is too much.

use std::{collections::VecDeque, time::Duration};

use slipway_pipelines::config::Limits;
use tokio::time::Instant;

use crate::targets::docker::Vitals;

/// Over how long the use of CPU and memory is averaged: starting up is not what a container does all day.
const WINDOW: Duration = Duration::from_secs(10);

/// What a container had used at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    cpu_ns: u64,
    memory: u64,
}

/// What a container used on average, in percent of what it may.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    pub(super) cpu: f64,
    /// None where the engine names no limit.
    pub(super) memory: Option<f64>,
}

/// What was seen of one container, and what that makes of it.
#[derive(Debug, Default)]
pub(crate) struct Patient {
    /// What it had used at some moments, the oldest first.
    samples: VecDeque<Sample>,
    /// How many health checks in a row it failed.
    sick: u32,
    /// How often it ended, as far as was seen.
    ends: u32,
    /// What it used when that was last known.
    used: Option<Usage>,
}

impl Patient {
    /// What is wrong with how the container runs.
    pub(crate) fn examine(&mut self, vitals: Option<&Vitals>, limits: &Limits, bake: Duration) -> Option<String> {
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
        self.used = self.usage(vitals, Instant::now(), WINDOW.min(bake / 2)).or(self.used);
        let used = self.used?;
        let judged = [("CPU", Some(used.cpu), limits.max_cpu), ("memory", used.memory, limits.max_memory)];
        judged.into_iter().find_map(|(what, used, limit)| {
            let (used, limit) = (used?, limit?);
            if used <= limit {
                return None;
            }
            Some(format!("used {used:.0} % of its {what} (allowed {limit} %)"))
        })
    }

    /// What it used when that was last known.
    pub(super) fn used(&self) -> Option<Usage> {
        self.used
    }

    /// How often it ended, as far as was seen.
    pub(super) fn ends(&self) -> u32 {
        self.ends
    }

    /// How many health checks in a row it failed.
    pub(super) fn failed_checks(&self) -> u32 {
        self.sick
    }

    /// What is wrong with the container's health, by the outcome of one more check.
    pub(super) fn check(&mut self, healthy: Result<(), String>, retries: u32) -> Option<String> {
        match healthy {
            Ok(()) => self.sick = 0,
            Err(_) => self.sick += 1,
        }
        healthy.err().filter(|_| self.sick >= retries.max(1)).map(|met| format!("is sick: {met}"))
    }

    /// The averages over the window; none until that time has passed.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
    fn usage(&mut self, vitals: &Vitals, now: Instant, window: Duration) -> Option<Usage> {
        self.samples.push_back(Sample { at: now, cpu_ns: vitals.cpu_ns, memory: vitals.memory });
        while self.samples.get(1).is_some_and(|sample| now - sample.at >= window) {
            self.samples.pop_front();
        }
        let since = self.samples.front()?;
        let passed = now - since.at;
        if passed.is_zero() || passed < window {
            return None;
        }
        let cpu = vitals.cpu_ns.saturating_sub(since.cpu_ns) as f64 / 1e9;
        let memory = self.samples.iter().map(|sample| sample.memory as f64).sum::<f64>() / self.samples.len() as f64;
        Some(Usage {
            cpu: cpu * 100.0 / (passed.as_secs_f64() * vitals.cpus),
            memory: (vitals.memory_limit > 0).then(|| memory * 100.0 / vitals.memory_limit as f64),
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::{Duration, Instant, Limits, Patient, Usage, Vitals};

    fn vitals(cpu_ns: u64) -> Vitals {
        Vitals {
            runs: true,
            restarts: 0,
            exit_code: 0,
            out_of_memory: false,
            cpu_ns,
            cpus: 0.5,
            memory: 0,
            memory_limit: 0,
        }
    }

    #[test]
    fn a_container_that_ended_is_named_with_its_code() {
        let examine =
            |vitals: Option<&Vitals>| Patient::default().examine(vitals, &Limits::default(), Duration::from_secs(1));
        assert_eq!(examine(None).unwrap(), "was removed");
        let restarted = Vitals { restarts: 1, exit_code: 3, ..vitals(0) };
        assert_eq!(examine(Some(&restarted)).unwrap(), "ended with exit code 3 and was restarted");
        let ended = Vitals { runs: false, exit_code: 3, ..vitals(0) };
        assert_eq!(examine(Some(&ended)).unwrap(), "ended with exit code 3");
        let killed = Vitals { out_of_memory: true, ..vitals(0) };
        assert_eq!(examine(Some(&killed)).unwrap(), "ran out of memory");
        assert_eq!(examine(Some(&vitals(0))), None);
    }

    #[test]
    fn what_is_used_is_averaged_over_a_window() {
        let (mut patient, start, second) = (Patient::default(), Instant::now(), Duration::from_secs(1));
        let mut at = |seconds: u32, used_ms: u64, memory: u64| {
            let vitals = Vitals { memory, memory_limit: 200, ..vitals(used_ms * 1_000_000) };
            patient.usage(&vitals, start + second * seconds, second * 2)
        };
        assert_eq!(at(0, 0, 0), None);
        assert_eq!(at(1, 500, 0), None, "the window is not full");
        assert_eq!(
            at(2, 500, 60),
            Some(Usage { cpu: 50.0, memory: Some(10.0) }),
            "half of a second in two, of half a CPU"
        );
        assert_eq!(at(3, 1_000, 60), Some(Usage { cpu: 50.0, memory: Some(20.0) }));
        assert_eq!(at(4, 1_500, 180), Some(Usage { cpu: 100.0, memory: Some(50.0) }));
    }

    #[test]
    fn one_failed_check_is_no_sickness() {
        let mut patient = Patient::default();
        let sick = || Err("GET /health answered 500".to_owned());
        assert_eq!(patient.check(sick(), 2), None);
        assert_eq!(patient.check(Ok(()), 2), None);
        assert_eq!(patient.check(sick(), 2), None);
        assert_eq!(patient.check(sick(), 2).unwrap(), "is sick: GET /health answered 500");
    }
}
