//! How an environment is as a whole.

use slipway_runner::coordinator::{Condition, ReplicaReport};

use super::attention::Attention;
use crate::store::{overview::Stage, runners::Runner};

/// How many containers of what is live are as they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Nobody says.
    Unknown,
    /// As its runner told it.
    Told {
        /// How many are healthy.
        healthy: u32,
        /// How many there are to be.
        wanted: u32,
        /// How many were found amiss, and are being put right.
        drifted: u32,
    },
}

impl Health {
    /// That of a stage, as the runner that hosts it told; `now` is the database's, in unix milliseconds.
    #[must_use]
    pub fn of(stage: &Stage, runners: &[Runner], now: i64) -> Self {
        let host = runners.iter().find(|runner| Some(&runner.id) == stage.runner_id.as_ref());
        let (Some(content), Some(told)) = (&stage.content, &stage.replicas) else { return Health::Unknown };
        if Attention::of(host, None, now) != Attention::Heard {
            return Health::Unknown;
        }
        let healthy = told.iter().filter(|replica| replica.condition == Condition::Healthy);
        let treated = told.iter().filter(|replica| replica.trouble.as_ref().is_some_and(|trouble| !trouble.over));
        Health::Told {
            healthy: count(healthy),
            wanted: content.iter().map(|app| app.run.replicas).sum(),
            drifted: count(treated),
        }
    }
}

fn count<'r>(replicas: impl Iterator<Item = &'r ReplicaReport>) -> u32 {
    u32::try_from(replicas.count()).unwrap_or(u32::MAX)
}
