//! The environments: where their releases come from, and what must hold before one goes live.

use serde::{Deserialize, Serialize};

use crate::release::ReleaseSettings;

/// A named place to release to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// Where its releases come from.
    pub from: Source,
    /// What differs there from the apps' own settings, by app.
    pub apps: Vec<(String, ReleaseSettings)>,
    /// Whether what is live in its source is promoted by itself.
    #[serde(default)]
    pub auto: bool,
    /// How long a release must have been live in the source before it may enter, in milliseconds.
    #[serde(default)]
    pub bake_ms: u64,
    /// Who must agree first.
    #[serde(default)]
    pub approvals: Approvals,
    /// How a release replaces the one before.
    #[serde(default)]
    pub strategy: Strategy,
    /// When releases may begin; none means at any time.
    #[serde(default)]
    pub window: Option<Window>,
    /// What runs the containers.
    #[serde(default)]
    pub target: TargetKind,
}

impl Environment {
    /// An environment with nothing but a name and a source.
    #[must_use]
    pub fn new(name: impl Into<String>, from: Source) -> Self {
        Environment {
            name: name.into(),
            from,
            apps: Vec::new(),
            auto: false,
            bake_ms: 0,
            approvals: Approvals::default(),
            strategy: Strategy::default(),
            window: None,
            target: TargetKind::default(),
        }
    }
}

/// Where an environment's releases come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Source {
    /// Every successful build of a branch is released.
    Branch {
        /// The branch's name.
        branch: String,
    },
    /// What is live in another environment may be promoted.
    Environment {
        /// The other environment's name.
        environment: String,
    },
}

/// Who must agree to a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvals {
    /// How many people.
    pub count: u32,
    /// Whether whoever wrote the commit or asked for the release may be one of them.
    pub author: bool,
}

/// How a release replaces the one before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "strategy", rename_all = "snake_case")]
pub enum Strategy {
    /// Container by container.
    #[default]
    Rolling,
    /// All new containers beside the old ones, and one switch.
    BlueGreen,
    /// The old ones end before the new ones start.
    Recreate,
    /// A growing share of the traffic, judged at each step.
    Canary {
        /// The shares, growing.
        steps: Vec<Share>,
        /// How long each step is watched, in milliseconds.
        bake_ms: u64,
        /// The most CPU that a container may use, in percent of its limit.
        max_cpu: Option<f64>,
        /// The largest share of answers 5xx, in percent.
        max_errors: Option<f64>,
        /// The longest that the slowest twentieth of the requests may take, in milliseconds.
        max_latency_ms: Option<u64>,
    },
}

/// A share of the traffic in percent, from 1 to 100.
pub type Share = u8;

/// When releases may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The days that it begins on, Monday first.
    pub days: [bool; 7],
    /// The first minute of the day.
    pub from_minute: u16,
    /// The minute of the day before which a release must have begun; of the next day, where it is not later than the
    /// first one.
    pub to_minute: u16,
    /// The time zone, an IANA name such as `Europe/Madrid`.
    pub timezone: String,
}

/// What runs the containers of an environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// One Docker engine.
    #[default]
    Docker,
    /// A Swarm.
    Swarm,
}
