//! What was measured, at one moment or over a span of time, as it is kept: in short rows, since there are many.

use serde::{Deserialize, Serialize};
use slipway_runner::coordinator::{HostMeasurement, ReplicaMeasurement};

/// No machine has more CPUs: what a runner tells beyond it is nonsense.
const MOST_CPUS: f64 = 1_000_000.0;
/// No machine has more bytes.
const MOST_BYTES: u64 = 1 << 50;

/// Of all of an app's containers in an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "AppRow", into = "AppRow")]
pub struct AppFigures {
    /// The app.
    pub app: String,
    /// How often it was measured.
    pub samples: u32,
    /// How many CPUs they used together, on average.
    pub cpu: f64,
    /// The most that they used together.
    pub cpu_max: f64,
    /// The most that one of them used, in percent of what it may.
    pub cpu_share: f64,
    /// The memory that they used together, on average, in bytes.
    pub memory: u64,
    /// The most that they used together.
    pub memory_max: u64,
    /// The most that one of them used, in percent of what it may.
    pub memory_share: f64,
    /// How often the engine had started them again by itself.
    pub restarts: u32,
    /// The fewest that were healthy.
    pub healthy: u32,
    /// How many there should be.
    pub wanted: u32,
}

/// The fields in their order, without their names.
type AppRow = (String, u32, f64, f64, f64, u64, u64, f64, u32, u32, u32);

impl From<AppRow> for AppFigures {
    fn from(row: AppRow) -> Self {
        let (app, samples, cpu, cpu_max, cpu_share, memory, memory_max, memory_share, restarts, healthy, wanted) = row;
        AppFigures {
            app,
            samples,
            cpu,
            cpu_max,
            cpu_share,
            memory,
            memory_max,
            memory_share,
            restarts,
            healthy,
            wanted,
        }
    }
}

impl From<AppFigures> for AppRow {
    fn from(it: AppFigures) -> Self {
        (
            it.app,
            it.samples,
            short(it.cpu),
            short(it.cpu_max),
            short(it.cpu_share),
            it.memory,
            it.memory_max,
            short(it.memory_share),
            it.restarts,
            it.healthy,
            it.wanted,
        )
    }
}

impl AppFigures {
    /// What was measured of the app's containers at one moment. Numbers that no machine has are taken for those that one may
    /// have.
    #[must_use]
    pub fn of(app: &str, wanted: u32, healthy: u32, containers: &[&ReplicaMeasurement]) -> Self {
        let mut figures = AppFigures {
            app: app.to_owned(),
            samples: 1,
            cpu: 0.0,
            cpu_max: 0.0,
            cpu_share: 0.0,
            memory: 0,
            memory_max: 0,
            memory_share: 0.0,
            restarts: 0,
            healthy,
            wanted,
        };
        for container in containers {
            let (cpu, memory) = (cpus(container.cpu), bytes(container.memory));
            figures.cpu += cpu;
            figures.memory += memory;
            figures.cpu_share = figures.cpu_share.max(share(cpu, cpus(container.cpu_limit)));
            figures.memory_share = figures.memory_share.max(share(exact(memory), exact(bytes(container.memory_limit))));
            figures.restarts = figures.restarts.saturating_add(container.restarts);
        }
        figures.cpu_max = figures.cpu;
        figures.memory_max = figures.memory;
        figures
    }

    /// Takes in what was measured of the same app at another time.
    pub fn add(&mut self, other: &AppFigures) {
        self.cpu = average((self.cpu, self.samples), (other.cpu, other.samples));
        self.memory = average_bytes((self.memory, self.samples), (other.memory, other.samples));
        self.samples = self.samples.saturating_add(other.samples);
        self.cpu_max = self.cpu_max.max(other.cpu_max);
        self.cpu_share = self.cpu_share.max(other.cpu_share);
        self.memory_max = self.memory_max.max(other.memory_max);
        self.memory_share = self.memory_share.max(other.memory_share);
        self.restarts = self.restarts.max(other.restarts);
        self.healthy = self.healthy.min(other.healthy);
        self.wanted = self.wanted.max(other.wanted);
    }
}

/// Takes the apps of one moment into the sum of others; an app that was not there before begins.
pub(crate) fn add_all(sum: &mut Vec<AppFigures>, moment: &[AppFigures]) {
    for figures in moment {
        match sum.iter_mut().find(|known| known.app == figures.app) {
            Some(known) => known.add(figures),
            None => sum.push(figures.clone()),
        }
    }
}

/// Of a runner's host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "HostRow", into = "HostRow")]
pub struct HostFigures {
    /// How often it was measured.
    pub samples: u32,
    /// How many CPUs it has.
    pub cpus: u32,
    /// How many were in use, on average.
    pub cpu: f64,
    /// The most that were in use.
    pub cpu_max: f64,
    /// The memory in use, on average, in bytes.
    pub memory: u64,
    /// The most that was in use.
    pub memory_max: u64,
    /// The memory that it has.
    pub memory_limit: u64,
    /// The most that was taken of its disk, in bytes.
    pub disk: u64,
    /// How large its disk is.
    pub disk_limit: u64,
}

/// The fields in their order, without their names.
type HostRow = (u32, u32, f64, f64, u64, u64, u64, u64, u64);

impl From<HostRow> for HostFigures {
    fn from(row: HostRow) -> Self {
        let (samples, cpus, cpu, cpu_max, memory, memory_max, memory_limit, disk, disk_limit) = row;
        HostFigures { samples, cpus, cpu, cpu_max, memory, memory_max, memory_limit, disk, disk_limit }
    }
}

impl From<HostFigures> for HostRow {
    fn from(it: HostFigures) -> Self {
        (
            it.samples,
            it.cpus,
            short(it.cpu),
            short(it.cpu_max),
            it.memory,
            it.memory_max,
            it.memory_limit,
            it.disk,
            it.disk_limit,
        )
    }
}

impl From<HostMeasurement> for HostFigures {
    fn from(measured: HostMeasurement) -> Self {
        let (cpu, memory) = (cpus(measured.cpu), bytes(measured.memory));
        HostFigures {
            samples: 1,
            cpus: measured.cpus,
            cpu,
            cpu_max: cpu,
            memory,
            memory_max: memory,
            memory_limit: bytes(measured.memory_limit),
            disk: bytes(measured.disk),
            disk_limit: bytes(measured.disk_limit),
        }
    }
}

impl HostFigures {
    /// Takes in what was measured of the same host at another time; how large it is, the later one knows.
    pub fn add(&mut self, later: &HostFigures) {
        self.cpu = average((self.cpu, self.samples), (later.cpu, later.samples));
        self.memory = average_bytes((self.memory, self.samples), (later.memory, later.samples));
        self.samples = self.samples.saturating_add(later.samples);
        self.cpu_max = self.cpu_max.max(later.cpu_max);
        self.memory_max = self.memory_max.max(later.memory_max);
        self.disk = self.disk.max(later.disk);
        self.cpus = later.cpus;
        self.memory_limit = later.memory_limit;
        self.disk_limit = later.disk_limit;
    }
}

/// What can be a number of CPUs.
fn cpus(told: f64) -> f64 {
    if told.is_finite() { told.clamp(0.0, MOST_CPUS) } else { 0.0 }
}

/// What can be a number of bytes.
fn bytes(told: u64) -> u64 {
    told.min(MOST_BYTES)
}

/// In percent; nothing of what has no limit.
fn share(used: f64, limit: f64) -> f64 {
    if limit > 0.0 { used * 100.0 / limit } else { 0.0 }
}

/// Four digits are enough for people, and short for the database.
fn short(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn average(one: (f64, u32), other: (f64, u32)) -> f64 {
    let count = f64::from(one.1) + f64::from(other.1);
    if count > 0.0 { (one.0 * f64::from(one.1) + other.0 * f64::from(other.1)) / count } else { 0.0 }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an average of what fits, fits")]
fn average_bytes(one: (u64, u32), other: (u64, u32)) -> u64 {
    average((exact(one.0), one.1), (exact(other.0), other.1)).round() as u64
}

#[expect(clippy::cast_precision_loss, reason = "no machine has so many bytes that one more matters")]
fn exact(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn container(cpu: f64, memory: u64, restarts: u32) -> ReplicaMeasurement {
        ReplicaMeasurement {
            environment: "e".to_owned(),
            app: "web".to_owned(),
            cpu,
            cpu_limit: 0.5,
            memory,
            memory_limit: 1_000,
            restarts,
        }
    }

    #[test]
    fn an_apps_containers_are_one_and_their_worst_is_known() {
        let (calm, busy) = (container(0.1, 200, 0), container(0.5, 800, 2));
        let figures = AppFigures::of("web", 3, 2, &[&calm, &busy]);
        assert!((figures.cpu - 0.6).abs() < 1e-9 && (figures.cpu_share - 100.0).abs() < 1e-9, "{figures:?}");
        assert_eq!((figures.memory, figures.memory_max, figures.restarts), (1_000, 1_000, 2));
        assert!((figures.memory_share - 80.0).abs() < 1e-9, "{figures:?}");
        assert_eq!((figures.healthy, figures.wanted), (2, 3));
    }

    #[test]
    fn a_sum_has_averages_and_extremes() {
        let mut sum = vec![AppFigures::of("web", 2, 2, &[&container(0.2, 100, 0)])];
        add_all(&mut sum, &[AppFigures::of("web", 2, 1, &[&container(0.4, 400, 3)])]);
        add_all(&mut sum, &[AppFigures::of("web", 2, 2, &[&container(0.0, 100, 3)]), AppFigures::of("db", 1, 1, &[])]);
        let web = &sum[0];
        assert_eq!((web.samples, web.memory, web.memory_max, web.restarts, web.healthy), (3, 200, 400, 3, 1));
        assert!((web.cpu - 0.2).abs() < 1e-9 && (web.cpu_max - 0.4).abs() < 1e-9, "{web:?}");
        assert_eq!((sum[1].app.as_str(), sum[1].samples), ("db", 1));
        let mut host =
            HostFigures::from(HostMeasurement { cpus: 2, cpu: 1.0, memory: 10, ..HostMeasurement::default() });
        host.add(&HostFigures::from(HostMeasurement { cpus: 4, cpu: 3.0, disk: 5, ..HostMeasurement::default() }));
        assert_eq!((host.cpus, host.memory, host.memory_max, host.disk, host.samples), (4, 5, 10, 5, 2));
        assert!((host.cpu - 2.0).abs() < 1e-9 && (host.cpu_max - 3.0).abs() < 1e-9, "{host:?}");
    }

    #[test]
    fn what_no_machine_has_is_not_believed() {
        let nonsense = AppFigures::of("web", 1, 1, &[&container(f64::NAN, u64::MAX, 0), &container(-1.0, 0, u32::MAX)]);
        assert_eq!((nonsense.cpu, nonsense.memory), (0.0, MOST_BYTES));
        let vast = AppFigures::of("web", 1, 1, &[&container(f64::INFINITY, 0, 0), &container(1e300, 0, 0)]);
        assert!((vast.cpu - MOST_CPUS).abs() < 1.0, "{vast:?}");
    }

    #[test]
    fn rows_are_short() {
        let figures = vec![AppFigures::of("web", 2, 2, &[&container(0.123_456_789, 12_345_678, 0)])];
        let text = serde_json::to_string(&figures).unwrap();
        assert_eq!(text, r#"[["web",1,0.1235,0.1235,24.6914,12345678,12345678,1234567.8,0,2,2]]"#);
        let read: Vec<AppFigures> = serde_json::from_str(&text).unwrap();
        assert_eq!((read[0].app.as_str(), read[0].memory, read[0].wanted), ("web", 12_345_678, 2));
    }
}
