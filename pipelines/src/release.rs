//! How an app runs where it is released: the settings as written in layers, and the specification they resolve to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::TargetKind;

/// One layer of run settings: an app's `release:`, or an environment's `apps.<name>:` over it. Absent means inherited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReleaseSettings {
    /// The port that the app listens on inside its container.
    pub port: Option<u16>,
    /// How many containers run.
    pub replicas: Option<u32>,
    /// Environment variables; a layer adds to and overrides those below.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Secrets among its environment variables, by name; a layer adds to those below.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// The command, in place of the image's own.
    pub command: Option<Vec<String>>,
    /// How to tell that a container is ready for traffic; a layer adds to and overrides those below.
    pub health: Option<HealthSettings>,
    /// Limits of CPU, memory and processes; a layer adds to and overrides those below.
    pub resources: Option<Resources>,
    /// On which nodes of a Swarm it runs; a layer replaces those below.
    #[serde(default)]
    pub placement: Option<Placement>,
    /// The host name that the proxy routes to the app, with the path that its requests begin with where only those are.
    pub domain: Option<String>,
    /// The host name under which a blue-green release is reached before its switch.
    #[serde(default)]
    pub preview: Option<String>,
    /// Named volumes; a layer replaces those below.
    pub volumes: Option<Vec<Volume>>,
    /// How long old containers may finish their requests after traffic has left them, in milliseconds.
    pub drain_ms: Option<u64>,
    /// What is run before the release takes over; a layer replaces those below.
    #[serde(default)]
    pub before: Option<ReleaseCommands>,
    /// What is run once it has; a layer replaces those below.
    #[serde(default)]
    pub after: Option<ReleaseCommands>,
}

impl ReleaseSettings {
    /// Lays another layer over this one.
    pub fn lay(&mut self, layer: &ReleaseSettings) {
        self.port = layer.port.or(self.port);
        self.replicas = layer.replicas.or(self.replicas);
        self.env.extend(layer.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        let more: Vec<String> = layer.secrets.iter().filter(|name| !self.secrets.contains(name)).cloned().collect();
        self.secrets.extend(more);
        if let Some(resources) = &layer.resources {
            self.resources.get_or_insert_default().lay(resources);
        }
        if let Some(health) = &layer.health {
            self.health.get_or_insert_default().lay(health);
        }
        self.drain_ms = layer.drain_ms.or(self.drain_ms);
        replace(&mut self.command, &layer.command);
        replace(&mut self.placement, &layer.placement);
        replace(&mut self.domain, &layer.domain);
        replace(&mut self.preview, &layer.preview);
        replace(&mut self.volumes, &layer.volumes);
        replace(&mut self.before, &layer.before);
        replace(&mut self.after, &layer.after);
    }
}

/// Takes what is given.
fn replace<T: Clone>(place: &mut Option<T>, given: &Option<T>) {
    if given.is_some() {
        place.clone_from(given);
    }
}

/// How an app runs in one environment, with nothing left to look up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The port that the app listens on inside its container; none for a worker that serves nobody.
    pub port: Option<u16>,
    /// How many containers run.
    pub replicas: u32,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Secrets among its environment variables, by name: the release knows the names, the runner is given the values.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// The command, in place of the image's own.
    pub command: Option<Vec<String>>,
    /// How to tell that a container is ready for traffic.
    pub health: HealthCheck,
    /// Limits of CPU, memory and processes.
    pub resources: Resources,
    /// On which nodes of a Swarm it runs.
    #[serde(default)]
    pub placement: Placement,
    /// What runs the containers.
    #[serde(default)]
    pub target: TargetKind,
    /// The host name that the proxy routes to the app, with the path that its requests begin with where only those are.
    pub domain: Option<String>,
    /// The host name under which a blue-green release is reached before its switch.
    #[serde(default)]
    pub preview: Option<String>,
    /// Named volumes.
    pub volumes: Vec<Volume>,
    /// How long old containers may finish their requests after traffic has left them, in milliseconds.
    pub drain_ms: u64,
    /// What is run before anything of the release takes traffic, such as migrations.
    #[serde(default)]
    pub before: ReleaseCommands,
    /// What is run once the release has all the traffic.
    #[serde(default)]
    pub after: ReleaseCommands,
}

/// Commands of a release, run one after the other, each in a container of the app's image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseCommands {
    /// Each a program and its arguments.
    pub run: Vec<Vec<String>>,
    /// How long each of them may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for ReleaseCommands {
    /// None.
    fn default() -> Self {
        ReleaseCommands { run: Vec::new(), timeout_ms: DEFAULT_COMMAND_MS }
    }
}

/// The longest that a container may take to become healthy, unless `health.start` says otherwise, in milliseconds.
pub const DEFAULT_START_MS: u64 = 30_000;
/// The longest that a command of a release may take, unless it says otherwise, in milliseconds.
pub const DEFAULT_COMMAND_MS: u64 = 30 * 60 * 1_000;
/// The longest that requests may take after traffic has left a container, in milliseconds.
pub const DEFAULT_DRAIN_MS: u64 = 10_000;

/// A readiness check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// The time between two probes, in milliseconds.
    pub interval_ms: u64,
    /// How long one probe may take, in milliseconds.
    pub timeout_ms: u64,
    /// How many probes in a row must fail before a container that was healthy counts as sick.
    pub retries: u32,
    /// How long a container may take until its first success, in milliseconds.
    pub start_ms: u64,
}

/// One layer of a readiness check. Absent means inherited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthSettings {
    /// What is asked.
    pub probe: Option<Probe>,
    /// The time between two probes, in milliseconds.
    pub interval_ms: Option<u64>,
    /// How long one probe may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// How many probes in a row must fail before a container that was healthy counts as sick.
    pub retries: Option<u32>,
    /// How long a container may take until its first success, in milliseconds.
    pub start_ms: Option<u64>,
}

impl HealthSettings {
    /// Lays another layer over this one.
    pub fn lay(&mut self, layer: &HealthSettings) {
        replace(&mut self.probe, &layer.probe);
        self.interval_ms = layer.interval_ms.or(self.interval_ms);
        self.timeout_ms = layer.timeout_ms.or(self.timeout_ms);
        self.retries = layer.retries.or(self.retries);
        self.start_ms = layer.start_ms.or(self.start_ms);
    }

    /// The check, where what no layer says is as usual.
    #[must_use]
    pub fn resolve(self, usual: Probe) -> HealthCheck {
        let usual = HealthCheck::with_defaults(usual);
        HealthCheck {
            probe: self.probe.unwrap_or(usual.probe),
            interval_ms: self.interval_ms.unwrap_or(usual.interval_ms),
            timeout_ms: self.timeout_ms.unwrap_or(usual.timeout_ms),
            retries: self.retries.unwrap_or(usual.retries),
            start_ms: self.start_ms.unwrap_or(usual.start_ms),
        }
    }
}

impl From<HealthCheck> for HealthSettings {
    fn from(check: HealthCheck) -> Self {
        let HealthCheck { probe, interval_ms, timeout_ms, retries, start_ms } = check;
        HealthSettings {
            probe: Some(probe),
            interval_ms: Some(interval_ms),
            timeout_ms: Some(timeout_ms),
            retries: Some(retries),
            start_ms: Some(start_ms),
        }
    }
}

/// The kinds of readiness probes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "snake_case")]
pub enum Probe {
    /// A GET of this path on the app's port answers 200 to 399.
    Http {
        /// The path, starting with `/`.
        path: String,
    },
    /// The app's port accepts a connection.
    Tcp,
    /// The engine runs this in the container, and it ends with 0.
    Command {
        /// A program and its arguments.
        command: Vec<String>,
    },
    /// The image's own HEALTHCHECK, or, where it has none, that the container keeps running.
    Container,
}

/// What a container may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// In CPUs; 0.5 is half of one.
    pub cpus: Option<f64>,
    /// In bytes.
    pub memory: Option<u64>,
    /// How many processes and threads may be at once; none for [`DEFAULT_PIDS`].
    #[serde(default)]
    pub pids: Option<u32>,
    /// What a node of a Swarm must have left for it.
    #[serde(default, skip_serializing_if = "Reservation::is_none")]
    pub reserve: Reservation,
}

impl Resources {
    /// Lays another layer over this one.
    pub fn lay(&mut self, layer: &Resources) {
        self.cpus = layer.cpus.or(self.cpus);
        self.memory = layer.memory.or(self.memory);
        self.pids = layer.pids.or(self.pids);
        self.reserve.cpus = layer.reserve.cpus.or(self.reserve.cpus);
        self.reserve.memory = layer.reserve.memory.or(self.reserve.memory);
    }
}

/// What a node of a Swarm must have left for a container to be placed on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Reservation {
    /// In CPUs.
    pub cpus: Option<f64>,
    /// In bytes.
    pub memory: Option<u64>,
}

impl Reservation {
    /// Whether nothing is reserved.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Reservation::default()
    }
}

/// On which nodes of a Swarm an app's containers run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// What a node must be like, as Swarm's scheduler reads it: `node.labels.zone==a`.
    pub constraints: Vec<String>,
    /// Over which kinds of nodes the containers are spread, the most important first: `node.labels.zone`.
    pub preferences: Vec<String>,
}

/// How many processes and threads a container may have at once, unless `resources.pids` says otherwise: enough for any app
/// that is well, and too few for one that starts more and more to take its machine down.
pub const DEFAULT_PIDS: u32 = 4_096;

/// A named volume of the environment, mounted into an app's containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The volume's name within the environment.
    pub name: String,
    /// Where it is mounted; an absolute path.
    pub path: String,
}

impl RunSpec {
    /// Lays the layers over each other, the later over the earlier, and fills what none of them says.
    ///
    /// Without a health check, an app with a port is asked by TCP, and one without by its container's own state. What
    /// runs the containers is not the layers' to say, but the environment's.
    #[must_use]
    pub fn resolve(layers: &[&ReleaseSettings]) -> Self {
        let mut merged = ReleaseSettings::default();
        for layer in layers {
            merged.lay(layer);
        }
        let probe = if merged.port.is_some() { Probe::Tcp } else { Probe::Container };
        RunSpec {
            port: merged.port,
            replicas: merged.replicas.unwrap_or(1),
            env: merged.env,
            secrets: merged.secrets,
            command: merged.command,
            health: merged.health.unwrap_or_default().resolve(probe),
            resources: merged.resources.unwrap_or_default(),
            placement: merged.placement.unwrap_or_default(),
            target: TargetKind::default(),
            domain: merged.domain,
            preview: merged.preview,
            volumes: merged.volumes.unwrap_or_default(),
            drain_ms: merged.drain_ms.unwrap_or(DEFAULT_DRAIN_MS),
            before: merged.before.unwrap_or_default(),
            after: merged.after.unwrap_or_default(),
        }
    }
}

impl RunSpec {
    /// The first setting that needs a port where there is none.
    #[must_use]
    pub fn without_port(&self) -> Option<&'static str> {
        let is_asked = matches!(self.health.probe, Probe::Http { .. } | Probe::Tcp);
        let needing = [("domain", self.domain.is_some()), ("preview", self.preview.is_some()), ("health", is_asked)];
        needing.into_iter().find(|(_, is_there)| *is_there && self.port.is_none()).map(|(key, _)| key)
    }
}

impl HealthCheck {
    /// A check with the usual times: every 2 s, 1 s each, 3 failures, 30 s to start.
    #[must_use]
    pub fn with_defaults(probe: Probe) -> Self {
        HealthCheck { probe, interval_ms: 2_000, timeout_ms: 1_000, retries: 3, start_ms: DEFAULT_START_MS }
    }
}
