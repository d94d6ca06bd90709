//! How an environment wants its releases, and what of that this version can keep.

use serde::{Deserialize, Serialize};
use slipway_pipelines::config::{self, Approvals, Limits, Strategy, TargetKind, Window};

/// How an environment wants its releases, as captain.yml of the default branch has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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

impl Settings {
    /// Why no release may enter the environment: what it asks for cannot be kept by this version of Slipway, and to
    /// release past it would be worse than not to release. None where everything can be kept.
    #[must_use]
    pub fn refusal(&self, environment: &str) -> Option<String> {
        let unkept = self.unkept();
        let settings = unkept.join(" and ");
        (!unkept.is_empty()).then(|| {
            format!(
                "{environment} takes no releases: it asks for {settings}, which this version of Slipway cannot keep yet; \
                 take that out of captain.yml of the default branch to release there"
            )
        })
    }

    /// The settings that cannot be kept, as captain.yml has them.
    fn unkept(&self) -> Vec<String> {
        // A Swarm does not tell what the containers of other nodes use. The reader of captain.yml refuses it; the settings
        // may be of a runner with another one.
        let is_blind = self.target == TargetKind::Swarm;
        let named = self.strategy.limits().usage_keys().into_iter().filter(|_| is_blind);
        named.map(|key| format!("`{key}` with `target: swarm`")).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_kept_is_not_refused() {
        let window = Window { days: [true; 7], from_minute: 0, to_minute: 60, timezone: "UTC".to_owned() };
        let approvals = Approvals { count: 2, author: false };
        let window = Some(window);
        let settings = Settings { auto: true, bake_ms: 300_000, approvals, window, ..Settings::default() };
        assert_eq!(settings.refusal("staging"), None);
        assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default(), "as older rows have it");
    }

    #[test]
    fn every_setting_that_cannot_be_kept_is_named() {
        let settings = Settings {
            strategy: Strategy::Canary {
                steps: vec![10],
                bake_ms: 0,
                limits: Limits { max_cpu: Some(90.1), max_memory: Some(80.0), ..Limits::default() },
            },
            target: TargetKind::Swarm,
            ..Settings::default()
        };
        assert_eq!(
            settings.refusal("production").unwrap(),
            "production takes no releases: it asks for `max_cpu` with `target: swarm` and `max_memory` with `target: swarm`, which this version of Slipway cannot keep yet; take \
             that out of captain.yml of the default branch to release there"
        );
        let stored = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&stored).unwrap(), settings);
    }
}
