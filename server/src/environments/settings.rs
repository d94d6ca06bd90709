//! How an environment wants its releases.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_pipelines::config::{self, Approvals, Limits, Strategy, TargetKind, Window};

/// How an environment wants its releases, as captain.yml of the default branch has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EnvironmentSettings")]
#[serde(default)]
pub struct Settings {
    /// Whether what is live in its source is promoted by itself.
    pub auto: bool,
    /// How long a release must have been live in the source before it may enter, in milliseconds.
    pub bake_ms: u64,
    /// What its containers may use there meanwhile.
    pub bake_limits: Limits,
    /// Who must agree first.
    pub approvals: Approvals,
    /// How a release replaces the one before.
    pub strategy: Strategy,
    /// When releases may begin; none means at any time.
    pub window: Option<Window>,
    /// What runs the containers.
    pub target: TargetKind,
}

impl From<&config::Environment> for Settings {
    fn from(environment: &config::Environment) -> Self {
        Settings {
            auto: environment.auto,
            bake_ms: environment.bake_ms,
            bake_limits: environment.bake_limits,
            approvals: environment.approvals,
            strategy: environment.strategy.clone(),
            window: environment.window.clone(),
            target: environment.target,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use slipway_pipelines::config::Usage;

    use super::*;

    #[test]
    fn settings_are_read_as_they_were_stored_and_as_older_rows_have_them() {
        assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default());
        let settings = Settings {
            strategy: Strategy::Canary {
                steps: vec![10],
                bake_ms: 0,
                limits: Limits {
                    max_cpu: Some(Usage::Percent(90.1)),
                    max_memory: Some(Usage::Times(3.0)),
                    ..Limits::default()
                },
            },
            target: TargetKind::Swarm,
            ..Settings::default()
        };
        let stored = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&stored).unwrap(), settings);
    }
}
