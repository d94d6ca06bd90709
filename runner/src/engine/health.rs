//! Health checks that the engine itself runs.

use bollard::models::HealthConfig;

/// Runs a command in the container again and again; until the time to start is over, a failure does not count.
pub(crate) fn health_command(command: &[String], interval_ms: u64, start_ms: u64) -> HealthConfig {
    HealthConfig {
        test: Some(["CMD".to_owned()].into_iter().chain(command.iter().cloned()).collect()),
        interval: Some(nanoseconds(interval_ms)),
        start_period: Some(nanoseconds(start_ms)),
        ..HealthConfig::default()
    }
}

/// As the engine has times.
pub(crate) fn nanoseconds(ms: u64) -> i64 {
    i64::try_from(ms.saturating_mul(1_000_000)).unwrap_or(i64::MAX)
}
