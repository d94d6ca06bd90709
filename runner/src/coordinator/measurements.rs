//! What a runner measures of its host and of the containers of releases on its engine.

use serde::{Deserialize, Serialize};

/// What was measured since the time before. It is told once: what is lost on its way stays lost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// The runner that measured.
    pub runner: String,
    /// The life of it that measured; what an older one tells is dropped.
    pub incarnation: String,
    /// Its host; none where the system does not tell.
    #[serde(default)]
    pub host: Option<HostMeasurement>,
    /// The containers of releases that run; none where the engine does not tell.
    #[serde(default)]
    pub replicas: Option<Vec<ReplicaMeasurement>>,
}

/// What was measured of a runner's host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct HostMeasurement {
    /// How many CPUs it has.
    pub cpus: u32,
    /// How many of them were in use, on average.
    pub cpu: f64,
    /// The memory in use, in bytes.
    pub memory: u64,
    /// The memory that it has, in bytes.
    pub memory_limit: u64,
    /// What is taken of the disk that the runner's folder is on, in bytes.
    pub disk: u64,
    /// How large that disk is, in bytes.
    pub disk_limit: u64,
}

/// What was measured of one container of a release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplicaMeasurement {
    /// The environment's id.
    pub environment: String,
    /// The app.
    pub app: String,
    /// How many CPUs it used, on average.
    pub cpu: f64,
    /// How many CPUs it may use.
    pub cpu_limit: f64,
    /// The memory that it uses, in bytes.
    pub memory: u64,
    /// The memory that it may use, in bytes.
    pub memory_limit: u64,
    /// How often the engine started it again by itself.
    pub restarts: u32,
}
