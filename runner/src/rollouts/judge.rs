//! What is measured of new containers, and when it is too much.

use std::{collections::VecDeque, time::Duration};

use slipway_pipelines::config::{Strategy, UsageLimits};
use tokio::time::Instant;

use crate::{proxy::Traffic, targets::docker::Vitals};

/// How many answers a share is judged by before the watching is over; at its end, any number counts.
const ENOUGH_REQUESTS: u64 = 20;
/// Without a limit of its own, how many percentage points more answers of 5xx than the stable version's are too many.
const MORE_ERRORS_THAN_STABLE: f64 = 5.0;
/// Over how long the use of CPU and memory is averaged: starting up is not what a container does all day.
const WINDOW: Duration = Duration::from_secs(10);

/// What captain.yml allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// What a container may use.
    pub(super) usage: UsageLimits,
    /// The largest share of answers 5xx, in percent.
    pub(super) max_errors: Option<f64>,
    /// The longest that the slowest twentieth of the requests may take, in milliseconds.
    pub(super) max_latency_ms: Option<u64>,
}

impl Limits {
    /// Those of a strategy; none where it has none.
    pub(crate) fn of(strategy: &Strategy) -> Self {
        match *strategy {
            Strategy::Canary { usage, max_errors, max_latency_ms, .. } => Limits { usage, max_errors, max_latency_ms },
            _ => Limits::of_usage(UsageLimits::default()),
        }
    }

    /// Those of what containers use alone.
    pub(crate) fn of_usage(usage: UsageLimits) -> Self {
        Limits { usage, max_errors: None, max_latency_ms: None }
    }

    /// What is wrong with the traffic that was counted. While the watching goes on, few answers say nothing yet.
    pub(super) fn judge(&self, traffic: &Traffic, is_over: bool) -> Option<String> {
        if !is_over && traffic.canary.requests < ENOUGH_REQUESTS {
            return None;
        }
        self.too_many_errors(traffic).or_else(|| self.too_slow(traffic))
    }

    fn too_many_errors(&self, traffic: &Traffic) -> Option<String> {
        let share = traffic.canary.error_share()?;
        let stable = traffic.stable.error_share().unwrap_or(0.0);
        let limit = self.max_errors.unwrap_or(stable + MORE_ERRORS_THAN_STABLE);
        (share > limit).then(|| {
            format!(
                "{} of its {} answers were 5xx ({share:.1} %; allowed {limit:.1} %, the stable version had {stable:.1} %)",
                traffic.canary.errors, traffic.canary.requests
            )
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "a time needs no more digits")]
    fn too_slow(&self, traffic: &Traffic) -> Option<String> {
        let limit = self.max_latency_ms?;
        let took = traffic.canary.slowest_twentieth_ms()?;
        let stable = traffic.stable.slowest_twentieth_ms();
        let stable = stable.map(|took| format!(", the stable version {took:.0} ms")).unwrap_or_default();
        (took > limit as f64)
            .then(|| format!("the slowest twentieth of its answers took {took:.0} ms (allowed {limit} ms{stable})"))
    }
}

/// What a container had used at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    cpu_ns: u64,
    memory: u64,
}

/// What a container used on average, in percent of what it may.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Usage {
    cpu: f64,
    memory: f64,
}

/// What was seen of one container, and what that makes of it.
#[derive(Debug, Default)]
pub(crate) struct Patient {
    /// What it had used at some moments, the oldest first.
    samples: VecDeque<Sample>,
    /// How many health checks in a row it failed.
    sick: u32,
}

impl Patient {
    /// What is wrong with how the container runs.
    pub(crate) fn examine(&mut self, vitals: Option<&Vitals>, limits: &Limits, bake: Duration) -> Option<String> {
        let Some(vitals) = vitals else { return Some("was removed".to_owned()) };
        if vitals.out_of_memory {
            return Some("ran out of memory".to_owned());
        }
        if vitals.restarts > 0 {
            return Some(format!("ended with exit code {} and was restarted", vitals.exit_code));
        }
        if !vitals.runs {
            return Some(format!("ended with exit code {}", vitals.exit_code));
        }
        let used = self.usage(vitals, Instant::now(), WINDOW.min(bake / 2))?;
        let UsageLimits { max_cpu, max_memory } = limits.usage;
        let judged = [("CPU", used.cpu, max_cpu), ("memory", used.memory, max_memory)];
        judged.into_iter().find_map(|(what, used, limit)| {
            let limit = limit.filter(|limit| used > *limit)?;
            Some(format!("used {used:.0} % of its {what} (allowed {limit} %)"))
        })
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
            // An engine that names no limit tells nothing to judge by.
            memory: if vitals.memory_limit == 0 { 0.0 } else { memory * 100.0 / vitals.memory_limit as f64 },
        })
    }
}

/// What was counted, in a sentence.
pub(super) fn summary(traffic: &Traffic) -> String {
    let lane = |lane: &crate::proxy::Lane| match (lane.error_share(), lane.slowest_twentieth_ms()) {
        (Some(share), Some(took)) => {
            format!("{} requests, {share:.1} % of them 5xx, the slowest twentieth {took:.0} ms", lane.requests)
        }
        _ => "no requests".to_owned(),
    };
    format!("the new version: {}; the stable one: {}", lane(&traffic.canary), lane(&traffic.stable))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::{Duration, Instant, Limits, Patient, Traffic, Usage, UsageLimits, Vitals};
    use crate::proxy::Lane;

    const NONE: Limits =
        Limits { usage: UsageLimits { max_cpu: None, max_memory: None }, max_errors: None, max_latency_ms: None };

    fn lane(requests: u64, errors: u64, slow: u64) -> Lane {
        Lane { requests, errors, within: vec![(0.1, requests - slow), (1.0, requests), (f64::INFINITY, requests)] }
    }

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
    fn few_answers_are_judged_at_the_end_only() {
        let traffic = Traffic { stable: lane(100, 0, 0), canary: lane(2, 1, 0) };
        assert_eq!(NONE.judge(&traffic, false), None);
        assert_eq!(
            NONE.judge(&traffic, true).unwrap(),
            "1 of its 2 answers were 5xx (50.0 %; allowed 5.0 %, the stable version had 0.0 %)"
        );
        assert_eq!(NONE.judge(&Traffic::default(), true), None, "nobody came");
    }

    #[test]
    fn without_a_limit_the_stable_version_is_the_measure() {
        let as_bad = Traffic { stable: lane(100, 30, 0), canary: lane(100, 34, 0) };
        assert_eq!(NONE.judge(&as_bad, false), None);
        let limited = Limits { max_errors: Some(1.0), ..NONE };
        assert!(limited.judge(&as_bad, false).unwrap().starts_with("34 of its 100 answers were 5xx"));
    }

    #[test]
    fn slow_answers_are_a_breach() {
        let limits = Limits { max_latency_ms: Some(200), ..NONE };
        let traffic = Traffic { stable: lane(100, 0, 0), canary: lane(100, 0, 50) };
        assert_eq!(
            limits.judge(&traffic, false).unwrap(),
            "the slowest twentieth of its answers took 910 ms (allowed 200 ms, the stable version 95 ms)"
        );
        assert_eq!(NONE.judge(&traffic, false), None);
    }

    #[test]
    fn a_container_that_ended_is_named_with_its_code() {
        let examine = |vitals: Option<&Vitals>| Patient::default().examine(vitals, &NONE, Duration::from_secs(1));
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
        assert_eq!(at(2, 500, 60), Some(Usage { cpu: 50.0, memory: 10.0 }), "half of a second in two, of half a CPU");
        assert_eq!(at(3, 1_000, 60), Some(Usage { cpu: 50.0, memory: 20.0 }));
        assert_eq!(at(4, 1_500, 180), Some(Usage { cpu: 100.0, memory: 50.0 }));
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
