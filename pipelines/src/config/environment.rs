//! The environments: where their releases come from, and what must hold before one goes live.

use schemars::JsonSchema;
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
    /// Within which limits it must stay there meanwhile.
    #[serde(default)]
    pub bake_limits: Limits,
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
    /// The path within the repository of a compose file that says how the apps run here.
    #[serde(default)]
    pub compose: Option<String>,
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
            bake_limits: Limits::default(),
            approvals: Approvals::default(),
            strategy: Strategy::default(),
            window: None,
            target: TargetKind::default(),
            compose: None,
        }
    }
}

/// Where an environment's releases come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approvals {
    /// How many people.
    pub count: u32,
    /// Whether whoever wrote the commit or asked for the release may be one of them.
    pub author: bool,
}

/// How a release replaces the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "strategy", rename_all = "snake_case")]
pub enum Strategy {
    /// Some containers at a time.
    Rolling(Pace),
    /// All new containers beside the old ones, and one switch.
    BlueGreen {
        /// How long the new ones are watched before it, in milliseconds.
        #[serde(default)]
        bake_ms: u64,
    },
    /// The old ones end before the new ones start.
    Recreate,
    /// A growing share of the traffic, judged at each step.
    Canary {
        /// The shares, growing.
        steps: Vec<Share>,
        /// How long each step is watched, in milliseconds.
        bake_ms: u64,
        /// Within which limits it must stay.
        #[serde(flatten)]
        limits: Limits,
    },
}

impl Default for Strategy {
    fn default() -> Self {
        Strategy::Rolling(Pace::default())
    }
}

impl Strategy {
    /// The limits of what goes live by it.
    #[must_use]
    pub fn limits(&self) -> Limits {
        match self {
            Strategy::Canary { limits, .. } => *limits,
            Strategy::Rolling(_) | Strategy::BlueGreen { .. } | Strategy::Recreate => Limits::default(),
        }
    }
}

/// What is measured of a release that is judged, and how much of it may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Limits {
    /// The CPU that a container uses on average over a while.
    pub max_cpu: Option<Usage>,
    /// The memory, the same way.
    pub max_memory: Option<Usage>,
    /// The share of answers 5xx, in percent.
    pub max_errors: Option<f64>,
    /// How long the slowest twentieth of the answers takes.
    pub max_latency: Option<Latency>,
}

/// How much of its CPU or of its memory a container may use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// So many times as much as the stable version beside it uses.
    Times(f64),
    /// All of it.
    Any,
    /// Several say something, and the lower holds.
    Lower {
        /// [`Usage::Percent`].
        percent: f64,
        /// [`Usage::Times`].
        times: f64,
    },
    /// So many percent of its limit, or of its machine.
    #[serde(untagged)]
    Percent(f64),
}

/// Written by hand, as a share is the number itself, which a derived schema does not know of.
impl JsonSchema for Usage {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Usage".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let number = || schemars::json_schema!({"type": "number"});
        let of = |fields: &[&str]| {
            let properties: serde_json::Map<_, _> =
                fields.iter().map(|field| ((*field).to_owned(), number().to_value())).collect();
            schemars::json_schema!({"type": "object", "properties": properties, "required": fields})
        };
        schemars::json_schema!({
            "description": "How much of its CPU or of its memory a container may use: percent of its limit or of its machine; \
                so many times as much as the stable version uses; the lower of both; or `any`.",
            "oneOf": [
                number(),
                of(&["times"]),
                {"type": "object", "properties": {"lower": of(&["percent", "times"])}, "required": ["lower"]},
                {"const": "any"},
            ],
        })
    }
}

impl Usage {
    /// The share that is allowed, where one is said.
    #[must_use]
    pub fn percent(self) -> Option<f64> {
        match self {
            Usage::Percent(percent) | Usage::Lower { percent, .. } => Some(percent),
            Usage::Times(_) | Usage::Any => None,
        }
    }

    /// How many times what another version uses is allowed, where that is said.
    #[must_use]
    pub fn times(self) -> Option<f64> {
        match self {
            Usage::Times(times) | Usage::Lower { times, .. } => Some(times),
            Usage::Percent(_) | Usage::Any => None,
        }
    }

    /// Both at once.
    fn and(self, other: Usage) -> Usage {
        match (lower(self.percent(), other.percent()), lower(self.times(), other.times())) {
            (Some(percent), Some(times)) => Usage::Lower { percent, times },
            (Some(percent), None) => Usage::Percent(percent),
            (None, Some(times)) => Usage::Times(times),
            (None, None) => Usage::Any,
        }
    }
}

fn lower(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.zip(other).map(|(one, other)| one.min(other)).or(one).or(other)
}

/// How slow answers may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// So many milliseconds.
    Ms(u64),
    /// So many times as long as the stable version beside it takes.
    Times(f64),
    /// As slow as they are.
    Any,
}

impl Limits {
    /// Both at once, for what has no other version beside it: of each the lower limit, and of times those that are told in
    /// milliseconds.
    #[must_use]
    pub fn and(self, other: Limits) -> Limits {
        let both = |one: Option<Usage>, other: Option<Usage>| {
            one.zip(other).map(|(one, other)| one.and(other)).or(one).or(other)
        };
        let ms = |latency: Option<Latency>| match latency {
            Some(Latency::Ms(ms)) => Some(ms),
            Some(Latency::Times(_) | Latency::Any) | None => None,
        };
        Limits {
            max_cpu: both(self.max_cpu, other.max_cpu),
            max_memory: both(self.max_memory, other.max_memory),
            max_errors: lower(self.max_errors, other.max_errors),
            max_latency: [ms(self.max_latency), ms(other.max_latency)].into_iter().flatten().min().map(Latency::Ms),
        }
    }
}

/// How many of an app's containers a rolling release replaces at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Pace {
    /// How many more than the replicas may run meanwhile.
    pub surge: Quota,
    /// How many fewer than the replicas may be ready meanwhile.
    pub unavailable: Quota,
}

impl Default for Pace {
    /// One more, and none fewer.
    fn default() -> Self {
        Pace { surge: Quota::Count(1), unavailable: Quota::Count(0) }
    }
}

/// A number of containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// So many.
    Count(u32),
    /// So many of a hundred replicas.
    Percent(u8),
}

impl Pace {
    /// How many more and how many fewer than these replicas: shares of them are rounded up and down, as Kubernetes does it
    /// (<https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment>). Where both come
    /// to nothing, one may be missing.
    #[must_use]
    pub fn of(self, replicas: u32) -> (u32, u32) {
        let surge = match self.surge {
            Quota::Count(count) => count,
            Quota::Percent(percent) => (replicas * u32::from(percent)).div_ceil(100),
        };
        let unavailable = match self.unavailable {
            Quota::Count(count) => count,
            Quota::Percent(percent) => replicas * u32::from(percent) / 100,
        };
        if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
    }
}

/// A share of the traffic in percent, from 1 to 100.
pub type Share = u8;

/// When releases may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReleaseWindow")]
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

/// How long a release must have been live in a source, and how well.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bake {
    /// How long, in milliseconds.
    pub ms: u64,
    /// Within which limits it must stay meanwhile.
    pub limits: Limits,
}

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Its length, in milliseconds.
    pub ms: u64,
}

/// What runs the containers of an environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// One Docker engine.
    #[default]
    Docker,
    /// A Swarm.
    Swarm,
}

impl TargetKind {
    /// The word of captain.yml.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            TargetKind::Docker => "docker",
            TargetKind::Swarm => "swarm",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Latency, Limits, Pace, Quota, Strategy, Usage};

    #[test]
    fn of_several_limits_the_lowest_holds_and_alone_nothing_is_compared() {
        let cpu = |percent: f64| Some(Usage::Percent(percent));
        let one = Limits { max_cpu: cpu(90.0), max_latency: Some(Latency::Times(2.0)), ..Limits::default() };
        let errors = Limits { max_errors: Some(1.0), max_latency: Some(Latency::Ms(800)), ..Limits::default() };
        let both = Limits { max_cpu: cpu(70.0), max_latency: Some(Latency::Ms(500)), ..errors };
        let expected = Limits { max_cpu: cpu(70.0), ..both };
        assert_eq!(one.and(errors).and(both), expected);
        assert_eq!(one.and(Limits::default()).max_latency, None, "there is no other version beside it");
    }

    #[test]
    fn a_share_and_a_factor_hold_both() {
        let (share, twice) = (Usage::Percent(90.0), Usage::Times(2.0));
        let lower = Usage::Lower { percent: 90.0, times: 2.0 };
        for (one, other, both) in [
            (share, twice, lower),
            (Usage::Any, share, share),
            (twice, Usage::Any, twice),
            (Usage::Any, Usage::Any, Usage::Any),
            (lower, Usage::Percent(95.0), lower),
        ] {
            assert_eq!((one.and(other), other.and(one)), (both, both));
        }
        let off = Limits { max_cpu: Some(Usage::Any), ..Limits::default() };
        assert_eq!(off.and(Limits::default()), off, "who says nothing does not contradict");
    }

    #[test]
    fn what_a_container_may_use_is_a_number_where_it_is_a_share() {
        for (usage, text) in
            [(Usage::Percent(90.0), "90.0"), (Usage::Times(2.0), r#"{"times":2.0}"#), (Usage::Any, r#""any""#)]
        {
            assert!(serde_json::to_string(&usage).is_ok_and(|written| written == text));
            assert!(serde_json::from_str::<Usage>(text).is_ok_and(|read| read == usage));
        }
        let kept = r#"{"strategy":"canary","steps":[10],"bake_ms":1,"max_cpu":90,"max_memory":{"times":3}}"#;
        let read: Result<Strategy, _> = serde_json::from_str(kept);
        let limits = read.map(|strategy| strategy.limits());
        assert!(
            limits.is_ok_and(|it| (it.max_cpu, it.max_memory) == (Some(Usage::Percent(90.0)), Some(Usage::Times(3.0))))
        );
    }

    #[test]
    fn shares_of_replicas_are_rounded_as_kubernetes_does_it() {
        let pace = |surge, unavailable| Pace { surge, unavailable };
        let quarter = pace(Quota::Percent(25), Quota::Percent(25));
        for (pace, replicas, expected) in [
            (Pace::default(), 3, (1, 0)),
            (quarter, 10, (3, 2)),
            (quarter, 1, (1, 0)),
            (pace(Quota::Count(0), Quota::Percent(25)), 2, (0, 1)),
            (pace(Quota::Percent(100), Quota::Count(0)), 4, (4, 0)),
        ] {
            assert_eq!(pace.of(replicas), expected, "{pace:?} of {replicas}");
        }
    }

    #[test]
    fn what_was_kept_before_there_was_a_pace_is_read() {
        let read: Result<Strategy, _> = serde_json::from_str(r#"{"strategy":"rolling"}"#);
        assert!(read.is_ok_and(|strategy| strategy == Strategy::default()));
    }
}
