//! How a container is doing.

use bollard::{models::ContainerState, query_parameters::StatsOptionsBuilder};
use futures_util::StreamExt;

use super::{DockerTarget, TargetError, runs};

/// What the engine knows of a container at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Vitals {
    /// Whether it runs.
    pub runs: bool,
    /// How often the engine started it again by itself.
    pub restarts: i64,
    /// How it ended last; 0 if it never did.
    pub exit_code: i64,
    /// Whether it was killed because it needed more memory than it may have.
    pub out_of_memory: bool,
    /// The CPU time that it has used, in nanoseconds.
    pub cpu_ns: u64,
    /// How many CPUs it may use.
    pub cpus: f64,
}

impl DockerTarget {
    /// How the container is doing now; none if it is gone.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn vitals(&self, name: &str) -> Result<Option<Vitals>, TargetError> {
        let found = match self.engine.inspect_container(name, None).await {
            Ok(found) => found,
            Err(failure) => {
                let error = self.engine.error(format!("inspect the container {name}"), &failure);
                return if error.is_not_found() { Ok(None) } else { Err(error.into()) };
            }
        };
        let state: ContainerState = found.state.unwrap_or_default();
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let stats = self.engine.stats(name, Some(options)).next().await;
        // One that does not run, or was just removed, uses nothing.
        let cpu = stats.and_then(Result::ok).and_then(|stats| stats.cpu_stats).unwrap_or_default();
        let limit = found.host_config.and_then(|host| host.nano_cpus).filter(|nano| *nano > 0);
        Ok(Some(Vitals {
            runs: runs(&state),
            restarts: found.restart_count.unwrap_or(0),
            exit_code: state.exit_code.unwrap_or(0),
            out_of_memory: state.oom_killed.unwrap_or(false),
            cpu_ns: cpu.cpu_usage.and_then(|usage| usage.total_usage).unwrap_or(0),
            cpus: limit.map_or(f64::from(cpu.online_cpus.unwrap_or(1).max(1)), cpus),
        }))
    }
}

/// The engine counts CPUs in billionths.
#[expect(clippy::cast_precision_loss, reason = "a number of CPUs needs no more digits")]
fn cpus(nano: i64) -> f64 {
    nano as f64 / 1e9
}
