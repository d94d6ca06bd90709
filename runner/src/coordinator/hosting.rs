//! What a runner is told of the environments that it hosts, and what it tells of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slipway_pipelines::config::{Limits, Strategy};

use super::{RegistryCredential, ReleaseContent, SecretValue};

/// From how many times on what was done about a replica was in vain.
const IN_VAIN: u32 = 3;

/// A runner's question what its environments are to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostingQuestion {
    /// The runner that asks.
    pub runner: String,
    /// The life of it that asks; an older one is told that it hosts nothing.
    pub incarnation: String,
}

/// What a runner's environments are to run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Hosting {
    /// For how long the runner may go by this without having asked again, in milliseconds.
    pub lease_ms: u64,
    /// The environments whose containers are the runner's to look after: something is live there, and no rollout of them
    /// has begun.
    pub environments: Vec<HostedEnvironment>,
}

/// An environment that a runner looks after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostedEnvironment {
    /// The environment's id.
    pub environment: String,
    /// Its name, such as `production`.
    pub environment_name: String,
    /// The name of the repository that it belongs to.
    pub repository_name: String,
    /// What is live there.
    pub release: ReleaseContent,
    /// Whether two containers of a replica must never run side by side.
    #[serde(default = "alone")]
    pub alone: bool,
    /// The secrets that its apps name.
    #[serde(default)]
    pub secrets: Vec<SecretValue>,
    /// Credentials for the registries that its images may have to be fetched from.
    #[serde(default)]
    pub registries: Vec<RegistryCredential>,
    /// What was last told of its replicas: of a life before, perhaps, whose troubles are over by now.
    #[serde(default)]
    pub known: Vec<ReplicaReport>,
    /// That it is judged, because another environment asks that it has been live for a while; none where nobody does.
    #[serde(default)]
    pub bake: Option<Bake>,
}

/// Where a server does not say: what stood alone before may have to.
fn alone() -> bool {
    true
}

/// How what is live is judged for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bake {
    /// How much longer, in milliseconds.
    pub left_ms: u64,
    /// How long altogether, in milliseconds; 0 where it is not known.
    #[serde(default)]
    pub whole_ms: u64,
    /// Within which limits it must stay meanwhile.
    #[serde(default)]
    pub limits: Limits,
    /// How it went live. Runners that speak protocol 1 read their limits from it.
    #[serde(default)]
    pub strategy: Strategy,
    /// What the release before used, by app, as far as that is known.
    #[serde(default)]
    pub usual: BTreeMap<String, Usual>,
}

/// What one container of an app used when it had most to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usual {
    /// How many CPUs.
    pub cpu: f64,
    /// How much memory, in bytes.
    pub memory: f64,
}

/// How the replicas of an environment stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentReport {
    /// The runner that tells.
    pub runner: String,
    /// The environment's id.
    pub environment: String,
    /// The release that they belong to; what is told of another than the live one is dropped.
    pub release: String,
    /// All of them.
    pub replicas: Vec<ReplicaReport>,
    /// What was found wanting while it baked; none while nothing was.
    #[serde(default)]
    pub breach: Option<String>,
}

/// How one replica stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaReport {
    /// The app.
    pub app: String,
    /// Which replica, from 1.
    pub replica: u32,
    /// The name of its container.
    pub container: String,
    /// Where it takes connections inside the environment's network, `address:port`; none while it takes none.
    #[serde(default)]
    pub address: Option<String>,
    /// How it is.
    pub condition: Condition,
    /// What was found amiss, and what was done about it; told once more, as over, when it is.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// Whether it has not been well for so long that people should know of it, however often it was put right.
    #[serde(default)]
    pub lasts: bool,
    /// How often its engine started its container again by itself; on a Swarm, how often its task ended and another took its
    /// place.
    #[serde(default)]
    pub restarts: u32,
}

impl ReplicaReport {
    /// Whether it was put right again and again, whatever was amiss, or for long, and is not well for it.
    #[must_use]
    pub fn stays_unwell(&self) -> bool {
        let in_vain = |trouble: &Trouble| !trouble.over && trouble.times >= IN_VAIN;
        self.condition == Condition::CrashLoop
            || (self.condition != Condition::Healthy && (self.lasts || self.trouble.as_ref().is_some_and(in_vain)))
    }
}

/// How a replica is. One of an unknown kind counts as sick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It runs, and passes its health check.
    Healthy,
    /// It was started, and has not passed its health check yet.
    Starting,
    /// It does not end well again and again: between two tries there are longer and longer pauses.
    CrashLoop,
    /// It is not as it should be.
    #[serde(other)]
    Sick,
}

impl Condition {
    /// The word for it in the API and on pages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Condition::Healthy => "healthy",
            Condition::Starting => "starting",
            Condition::CrashLoop => "crash_loop",
            Condition::Sick => "sick",
        }
    }
}

/// Something that was not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What was found, such as `its container was removed`.
    pub found: String,
    /// What was done, such as `made it again`.
    pub done: String,
    /// How often it was put right, or ended, without having been well for a while in between.
    pub times: u32,
    /// Whether it is over.
    #[serde(default)]
    pub over: bool,
}
