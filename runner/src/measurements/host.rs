//! Measuring the host, from what Linux tells of itself
//! (<https://www.kernel.org/doc/html/latest/filesystems/proc.html>).

use std::{fs, path::Path};

use crate::coordinator::HostMeasurement;

/// Where all CPUs' time went until some moment, in the system's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    all: u64,
    idle: u64,
    cpus: u32,
}

/// The host as it was the time before.
#[derive(Debug, Default)]
pub(super) struct Host {
    before: Option<Times>,
}

impl Host {
    /// What of the host is in use, its disk being that of the folder; none the first time, and on systems that do not tell.
    pub(super) fn measure(&mut self, folder: &Path) -> Option<HostMeasurement> {
        let now = times(&fs::read_to_string("/proc/stat").ok()?)?;
        let before = self.before.replace(now)?;
        let (memory, memory_limit) = memory(&fs::read_to_string("/proc/meminfo").ok()?)?;
        let disk = rustix::fs::statvfs(folder).ok()?;
        let size = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Some(HostMeasurement {
            cpus: now.cpus,
            cpu: in_use(before, now)?,
            memory,
            memory_limit,
            disk: size(disk.f_blocks.saturating_sub(disk.f_bfree)),
            disk_limit: size(disk.f_blocks),
        })
    }
}

/// The times of `/proc/stat`. Its first line sums up the CPUs: user, nice, system, idle, waiting for disks, interrupts of
/// both kinds, and what other machines on the same hardware took. Times of guests are within those of users.
fn times(stat: &str) -> Option<Times> {
    let sum = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = sum.split_ascii_whitespace().take(8).map_while(|ticks| ticks.parse().ok()).collect();
    let idle = ticks.get(3)?.saturating_add(*ticks.get(4)?);
    let of_one =
        |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let cpus = u32::try_from(stat.lines().filter(of_one).count()).ok()?;
    let all = ticks.iter().fold(0_u64, |sum, ticks| sum.saturating_add(*ticks));
    Some(Times { all, idle, cpus })
}

/// How many CPUs were in use between the two, on average.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
fn in_use(before: Times, now: Times) -> Option<f64> {
    let all = now.all.checked_sub(before.all).filter(|all| *all > 0)?;
    // What is waited for is not always counted upwards.
    let idle = now.idle.saturating_sub(before.idle).min(all);
    Some(f64::from(now.cpus) * (all - idle) as f64 / all as f64)
}

/// What of the memory is in use, and how much there is, in bytes, from `/proc/meminfo`.
fn memory(meminfo: &str) -> Option<(u64, u64)> {
    let line = |name: &str| {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1_024)
    };
    let all = line("MemTotal:")?;
    Some((all.saturating_sub(line("MemAvailable:")?), all))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    const STAT: &str = "cpu  100 0 50 700 150 0 0 0 0 0\ncpu0 50 0 25 350 75 0 0 0 0 0\ncpu1 50 0 25 350 75 0 0 0 0 0\n\
                        intr 1 2 3\ncpufreq 1\n";

    #[test]
    fn a_hosts_times_are_read_and_compared() {
        let before = times(STAT).unwrap();
        assert_eq!(before, Times { all: 1_000, idle: 850, cpus: 2 });
        let now = Times { all: 1_200, idle: 900, cpus: 2 };
        assert!((in_use(before, now).unwrap() - 1.5).abs() < 1e-9, "three quarters of two CPUs");
        assert_eq!(in_use(now, now), None);
        assert_eq!(times("nothing"), None);
        assert_eq!(times("cpu 1 2 x"), None);
    }

    #[test]
    fn a_hosts_memory_is_read() {
        let meminfo = "MemTotal:        1000 kB\nMemFree:   100 kB\nMemAvailable:     400 kB\n";
        assert_eq!(memory(meminfo), Some((600 * 1_024, 1_000 * 1_024)));
        assert_eq!(memory("MemTotal: many kB\n"), None);
    }

    #[test]
    fn this_host_is_measured_from_the_second_look_on() {
        let folder = std::env::temp_dir();
        let mut host = Host::default();
        assert_eq!(host.measure(&folder), None);
        // Ticks pass.
        let before = host.before.unwrap();
        host.before = Some(Times { all: before.all.saturating_sub(10), ..before });
        let measured = host.measure(&folder).unwrap();
        assert!(measured.cpus > 0 && measured.cpu <= f64::from(measured.cpus), "{measured:?}");
        assert!(measured.memory > 0 && measured.memory < measured.memory_limit, "{measured:?}");
        assert!(measured.disk > 0 && measured.disk <= measured.disk_limit, "{measured:?}");
    }
}
