//! What a container uses of its CPU and its memory, on average over a while.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::targets::docker::Vitals;

/// Over how long it is averaged: starting up is not what a container does all day.
const WINDOW: Duration = Duration::from_secs(10);
/// How much of what it may use is never too much beside another version: one that hardly works uses many times nothing.
const NEVER_MINDED: f64 = 0.5;

/// Where a container has no limit of memory, how much of it is never too much beside another version, in bytes.
const MEMORY_NEVER_MINDED: f64 = 1_073_741_824.0;

/// What a container had used at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    cpu_ns: u64,
    memory: u64,
}

/// How much of something a container used on average: CPUs, or bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Used {
    pub(super) amount: f64,
    /// How much of it the container may use.
    pub(super) most: f64,
    /// How much of it is never too much beside another version.
    pub(super) minded_from: f64,
}

impl Used {
    /// This much of it, in percent of what the container may use.
    pub(super) fn percent(&self, amount: f64) -> f64 {
        amount * 100.0 / self.most
    }
}

/// What a container used on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Average {
    pub(super) cpu: Used,
    /// None where the engine names no limit.
    pub(super) memory: Option<Used>,
}

/// What is known of the use of one container.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    /// What it had used at some moments, the oldest first.
    samples: VecDeque<Sample>,
    average: Option<Average>,
}

impl Gauge {
    /// The averages over the window of a bake of some length, as they were last known; none until that time has passed once.
    pub(super) fn read(&mut self, vitals: &Vitals, now: Instant, bake: Duration) -> Option<Average> {
        // What was counted begins anew with every start of the container.
        if self.samples.back().is_some_and(|last| vitals.cpu_ns < last.cpu_ns) {
            *self = Gauge::default();
        }
        self.average = self.measure(vitals, now, part(bake, 2, WINDOW)).or(self.average);
        self.average
    }

    #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
    fn measure(&mut self, vitals: &Vitals, now: Instant, window: Duration) -> Option<Average> {
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
        // A whole machine is no measure of what one app should need.
        let own_cpus = if vitals.has_cpu_limit { vitals.cpus } else { vitals.cpus.min(1.0) };
        let limit = vitals.memory_limit as f64;
        let minded = limit * NEVER_MINDED;
        let minded = if vitals.has_memory_limit { minded } else { minded.min(MEMORY_NEVER_MINDED) };
        Some(Average {
            cpu: Used { amount: cpu / passed.as_secs_f64(), most: vitals.cpus, minded_from: own_cpus * NEVER_MINDED },
            memory: (limit > 0.0).then_some(Used { amount: memory, most: limit, minded_from: minded }),
        })
    }
}

/// A part of a bake, and no more than `most`. What has no end of its own, such as a pause, may last for days.
pub(super) fn part(bake: Duration, parts: u32, most: Duration) -> Duration {
    if bake.is_zero() { most } else { most.min(bake / parts) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::{Average, Duration, Gauge, Instant, Vitals, part};

    fn vitals(used_ms: u64, memory: u64) -> Vitals {
        Vitals {
            runs: true,
            restarts: 0,
            exit_code: 0,
            out_of_memory: false,
            cpu_ns: used_ms * 1_000_000,
            cpus: 0.5,
            has_cpu_limit: true,
            memory,
            memory_limit: 200,
            has_memory_limit: true,
        }
    }

    /// Both in percent of what it may use.
    fn shares(average: Average) -> (f64, Option<f64>) {
        let share = |used: super::Used| used.percent(used.amount);
        (share(average.cpu), average.memory.map(share))
    }

    #[test]
    fn what_is_used_is_averaged_over_a_window() {
        let (mut gauge, start, second) = (Gauge::default(), Instant::now(), Duration::from_secs(1));
        let mut at = |seconds: u32, used_ms: u64, memory: u64| {
            gauge.measure(&vitals(used_ms, memory), start + second * seconds, second * 2).map(shares)
        };
        assert_eq!(at(0, 0, 0), None);
        assert_eq!(at(1, 500, 0), None, "the window is not full");
        assert_eq!(at(2, 500, 60), Some((50.0, Some(10.0))), "half of a second in two, of half a CPU");
        assert_eq!(at(3, 1_000, 60), Some((50.0, Some(20.0))));
        assert_eq!(at(4, 1_500, 180), Some((100.0, Some(50.0))));
    }

    #[test]
    fn what_was_known_ends_with_the_container_s_life() {
        let (mut gauge, start, bake) = (Gauge::default(), Instant::now(), Duration::from_secs(2));
        let mut at = |seconds: u64, used_ms: u64| {
            gauge.read(&vitals(used_ms, 0), start + Duration::from_secs(seconds), bake).map(shares)
        };
        assert_eq!(at(0, 1_000), None);
        assert_eq!(at(1, 1_500), Some((100.0, Some(0.0))));
        assert_eq!(at(2, 100), None, "it was started again");
        assert_eq!(at(3, 100), Some((0.0, Some(0.0))));
    }

    #[test]
    fn a_pause_is_no_bake_of_no_time() {
        let seconds = Duration::from_secs;
        assert_eq!(part(seconds(8), 2, seconds(10)), seconds(4));
        assert_eq!(part(seconds(60), 2, seconds(10)), seconds(10));
        assert_eq!(part(Duration::ZERO, 2, seconds(10)), seconds(10));
    }

    #[test]
    fn of_a_whole_machine_half_a_cpu_is_minded() {
        let measured = |vitals: Vitals| {
            let (mut gauge, start) = (Gauge::default(), Instant::now());
            gauge.measure(&vitals, start, Duration::from_secs(1));
            gauge.measure(&vitals, start + Duration::from_secs(1), Duration::from_secs(1)).unwrap()
        };
        let own = measured(Vitals { cpus: 4.0, ..vitals(0, 10) });
        assert_eq!((own.cpu.minded_from, own.memory.unwrap().minded_from), (2.0, 100.0));
        let machine = measured(Vitals { cpus: 4.0, has_cpu_limit: false, memory_limit: 0, ..vitals(0, 10) });
        assert_eq!((machine.cpu.minded_from, machine.memory), (0.5, None));
        let roomy = Vitals { memory_limit: 64 << 30, has_memory_limit: false, ..vitals(0, 10) };
        assert_eq!(measured(roomy).memory.unwrap().minded_from, super::MEMORY_NEVER_MINDED);
    }
}
