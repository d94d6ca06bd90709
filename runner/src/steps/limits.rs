//! What a step's container may use and do.

use std::time::Duration;

use bollard::models::{HostConfig, HostConfigLogConfig};

/// Bounds of each step of a build.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepLimits {
    /// How long a step may take.
    pub time: Duration,
    /// How many steps of one build run at once.
    pub parallel: usize,
    /// The most memory a container may use, in bytes; swap is not added to it.
    pub memory: u64,
    /// The most CPUs that a container may use; none leaves it to the engine to share them out.
    pub cpus: Option<f64>,
    /// The most processes and threads that a container may have.
    pub pids: i64,
}

impl Default for StepLimits {
    fn default() -> Self {
        StepLimits {
            time: Duration::from_secs(3600),
            parallel: 4,
            memory: 4 * 1024 * 1024 * 1024,
            cpus: None,
            pids: 4096,
        }
    }
}

/// What package managers and test servers need of Docker's default capabilities. What is missing lets a process make
/// devices, forge packets, or change its own capabilities.
/// <https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities>
const CAPABILITIES: [&str; 8] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];

impl StepLimits {
    /// The part of a container's description that contains it.
    pub(super) fn host_config(&self) -> HostConfig {
        let memory = i64::try_from(self.memory).unwrap_or(i64::MAX);
        HostConfig {
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            cap_drop: Some(vec!["ALL".to_owned()]),
            cap_add: Some(CAPABILITIES.iter().map(|&name| name.to_owned()).collect()),
            pids_limit: Some(self.pids),
            memory: Some(memory),
            memory_swap: Some(memory),
            nano_cpus: self.cpus.map(|cpus| (cpus * 1e9) as i64),
            // The output is read as it comes and kept by the server: the engine need not store it a second time.
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            ..HostConfig::default()
        }
    }
}
