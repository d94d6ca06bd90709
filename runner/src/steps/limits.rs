//! What a step's container may use and do.

use std::{collections::HashMap, time::Duration};

use bollard::models::{HostConfig, HostConfigLogConfig, ResourcesUlimits};

/// What the containers of a build reach besides each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StepNetwork {
    /// Whatever the engine's machine reaches, but for that machine itself and what clouds tell it by link-local addresses.
    #[default]
    Open,
    /// Whatever the engine's machine reaches, and that machine.
    Unguarded,
    /// Nothing: no other machine, and no address of the engine's own. Images are pulled and pushed by the engine all the same.
    None,
    /// The hosts that the operator lists, by a proxy, and besides them nothing.
    Registries,
}

impl StepNetwork {
    /// Whether the network itself leads nowhere.
    #[must_use]
    pub fn is_closed(self) -> bool {
        matches!(self, StepNetwork::None | StepNetwork::Registries)
    }
}

/// Bounds of each step of a build.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepLimits {
    /// How long a step may take.
    pub time: Duration,
    /// How long a push may show no progress before it is tried again.
    pub push_silence: Duration,
    /// How many steps of one build run at once.
    pub parallel: usize,
    /// The most memory a container may use, in bytes; swap is not added to it.
    pub memory: u64,
    /// The most CPUs that a container may use; none leaves it to the engine to share them out.
    pub cpus: Option<f64>,
    /// The most processes and threads that a container may have.
    pub pids: i64,
    /// The most that a build may take of the disk while its commands run, in bytes; none bounds it by the disk alone.
    pub disk: Option<u64>,
    /// What a container reaches.
    pub network: StepNetwork,
}

impl Default for StepLimits {
    fn default() -> Self {
        StepLimits {
            time: Duration::from_secs(3600),
            push_silence: Duration::from_secs(120),
            parallel: 4,
            memory: 4 * 1024 * 1024 * 1024,
            cpus: None,
            pids: 4096,
            disk: Some(50 * 1024 * 1024 * 1024),
            network: StepNetwork::Open,
        }
    }
}

/// How much of a container's output the engine keeps, in MiB, for a runner that comes back. Twice as much is there at
/// most: a part is only let go of when two later ones are full. It is more than a step's log holds by default.
pub(super) const KEPT_MIB: u64 = 128;

/// What package managers and test servers need of Docker's default capabilities. What is missing lets a process make
/// devices, forge packets, or change its own capabilities.
/// <https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities>
const CAPABILITIES: [&str; 8] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];

/// The output is read as it comes. The engine keeps it as well, bounded, and in its fastest form: a runner that was gone
/// reads there what was written meanwhile.
pub(crate) fn kept_output() -> HostConfigLogConfig {
    let size = format!("{KEPT_MIB}m");
    let options = [("max-size", &*size), ("max-file", "2"), ("compress", "false")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    HostConfigLogConfig { typ: Some("local".to_owned()), config: Some(HashMap::from(options)) }
}

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
            log_config: Some(kept_output()),
            // What a process leaves when it crashes holds its variables, and lies where the machine wants it.
            ulimits: Some(vec![ResourcesUlimits { name: Some("core".to_owned()), soft: Some(0), hard: Some(0) }]),
            // Engines of before 26.0 resolve names of elsewhere also for networks that lead nowhere, unless told to ask within
            // the container (CVE-2024-29018).
            dns: self.network.is_closed().then(|| vec!["127.0.0.1".to_owned()]),
            ..HostConfig::default()
        }
    }
}
