//! What differs in how apps run, line by line, in the words of captain.yml.

use std::collections::{BTreeMap, BTreeSet};

use slipway_pipelines::{
    config::{Latency, Pace, Quota, Strategy, TargetKind},
    release::{HealthCheck, Probe, ReleaseCommands},
};
use slipway_runner::coordinator::ReleasedApp;

/// Stands for the app where a setting is of all of them.
const EVERY_APP: &str = "every app";

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    /// The app.
    pub app: String,
    /// The setting, such as `replicas` or `env LOG_LEVEL`.
    pub setting: String,
    /// As it is; none where it is not set.
    pub before: Option<String>,
    /// As it would be.
    pub after: Option<String>,
    /// Whether its values are not everybody's to read.
    pub is_private: bool,
}

/// What differs of the apps that run before and after. Secrets differ by name and version: nobody knows their values here.
pub(super) fn changes(before: &[ReleasedApp], after: &[ReleasedApp]) -> Vec<SettingChange> {
    let mut changes = Vec::new();
    for app in after {
        let earlier = before.iter().find(|earlier| earlier.app == app.app);
        let (old, new) = (earlier.map(lines).unwrap_or_default(), lines(app));
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names.into_iter().filter(|name| old.get(*name) != new.get(*name)) {
            changes.push(SettingChange {
                app: app.app.clone(),
                setting: name.clone(),
                before: old.get(name).cloned(),
                after: new.get(name).cloned(),
                is_private: name.starts_with("env "),
            });
        }
    }
    changes
}

/// What differs of how the release takes the place of the one before.
pub(super) fn strategy_change(before: &Strategy, after: &Strategy) -> Option<SettingChange> {
    (before != after).then(|| SettingChange {
        app: EVERY_APP.to_owned(),
        setting: "strategy".to_owned(),
        before: Some(strategy(before)),
        after: Some(strategy(after)),
        is_private: false,
    })
}

fn strategy(strategy: &Strategy) -> String {
    match strategy {
        Strategy::Rolling(pace) if *pace == Pace::default() => "rolling".to_owned(),
        Strategy::Rolling(pace) => {
            format!("rolling, surge {}, unavailable {}", quota(pace.surge), quota(pace.unavailable))
        }
        Strategy::BlueGreen { bake_ms: 0 } => "blue-green".to_owned(),
        Strategy::BlueGreen { bake_ms } => format!("blue-green, bake {}", span(*bake_ms)),
        Strategy::Recreate => "recreate".to_owned(),
        Strategy::Canary { steps, bake_ms, limits } => {
            let shares: Vec<String> = steps.iter().map(|share| format!("{share}%")).collect();
            let limits = [
                limits.max_cpu.map(|usage| format!("max_cpu {usage}")),
                limits.max_memory.map(|usage| format!("max_memory {usage}")),
                limits.max_errors.map(|share| format!("max_errors {share}%")),
                limits.max_latency.map(|latency| format!("max_latency {}", self::latency(latency))),
            ];
            let told = [format!("canary {}", shares.join(" ")), format!("bake {}", span(*bake_ms))];
            told.into_iter().chain(limits.into_iter().flatten()).collect::<Vec<_>>().join(", ")
        }
    }
}

fn latency(latency: Latency) -> String {
    match latency {
        Latency::Ms(ms) => span(ms),
        Latency::Times(times) => format!("{times}x"),
        Latency::Any => "off".to_owned(),
    }
}

fn quota(quota: Quota) -> String {
    match quota {
        Quota::Count(count) => count.to_string(),
        Quota::Percent(share) => format!("{share}%"),
    }
}

fn lines(app: &ReleasedApp) -> BTreeMap<String, String> {
    let run = &app.run;
    let mut lines = BTreeMap::from([
        ("replicas".to_owned(), run.replicas.to_string()),
        ("drain".to_owned(), span(run.drain_ms)),
        ("health".to_owned(), health(&run.health)),
    ]);
    let optional = [
        ("port", run.port.map(|port| port.to_string())),
        ("command", run.command.as_ref().map(|words| words.join(" "))),
        ("domain", run.domain.clone()),
        ("preview", run.preview.clone()),
        ("cpus", run.resources.cpus.map(|cpus| cpus.to_string())),
        ("memory", run.resources.memory.map(bytes)),
        ("pids", run.resources.pids.map(|pids| pids.to_string())),
        ("reserve cpus", run.resources.reserve.cpus.map(|cpus| cpus.to_string())),
        ("reserve memory", run.resources.reserve.memory.map(bytes)),
        ("target", (run.target != TargetKind::Docker).then(|| run.target.word().to_owned())),
        ("constraints", joined(&run.placement.constraints)),
        ("preferences", joined(&run.placement.preferences)),
    ];
    lines.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    let commands = [("before", &run.before), ("after", &run.after)].into_iter().filter(|(_, of)| !of.run.is_empty());
    lines.extend(commands.map(|(moment, of)| (moment.to_owned(), command_lines(of))));
    lines.extend(run.env.iter().map(|(name, value)| (format!("env {name}"), value.clone())));
    let version = |name: &String| match app.secret_versions.get(name) {
        Some(version) => format!("version {version}"),
        None => "set on the server".to_owned(),
    };
    lines.extend(run.secrets.iter().map(|name| (format!("secret {name}"), version(name))));
    lines.extend(run.volumes.iter().map(|volume| (format!("volume {}", volume.name), volume.path.clone())));
    lines
}

fn joined(rules: &[String]) -> Option<String> {
    (!rules.is_empty()).then(|| rules.join(", "))
}

fn command_lines(commands: &ReleaseCommands) -> String {
    let lines: Vec<String> = commands.run.iter().map(|words| words.join(" ")).collect();
    format!("{} (within {} each)", lines.join("; "), span(commands.timeout_ms))
}

fn health(check: &HealthCheck) -> String {
    let probe = match &check.probe {
        Probe::Http { path } => format!("GET {path}"),
        Probe::Tcp => "a connection".to_owned(),
        Probe::Command { command } => command.join(" "),
        Probe::Container => "the container's own".to_owned(),
    };
    let (interval, timeout, start) = (span(check.interval_ms), span(check.timeout_ms), span(check.start_ms));
    format!("{probe} every {interval}, {timeout} each, {} retries, {start} to start", check.retries)
}

/// As captain.yml has durations.
fn span(ms: u64) -> String {
    match ms {
        ms if ms % 60_000 == 0 && ms > 0 => format!("{}m", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

/// As captain.yml has sizes.
fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    let whole = UNITS.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| bytes.to_string(), |(unit, letter)| format!("{}{letter}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use slipway_pipelines::{
        config::{Limits, Usage},
        release::{ReleaseSettings, Reservation, Resources, RunSpec},
    };

    use super::*;

    fn app(settings: &ReleaseSettings) -> ReleasedApp {
        ReleasedApp {
            app: "web".to_owned(),
            image: "registry/web".to_owned(),
            digest: "sha256:0".to_owned(),
            run: RunSpec::resolve(&[settings]),
            build: None,
            secret_versions: BTreeMap::new(),
        }
    }

    #[test]
    fn only_what_differs_is_told() {
        let before = ReleaseSettings {
            port: Some(80),
            env: BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())]),
            ..ReleaseSettings::default()
        };
        let after = ReleaseSettings {
            replicas: Some(3),
            env: BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "3".to_owned())]),
            secrets: vec!["KEY".to_owned()],
            resources: Some(Resources {
                cpus: Some(0.5),
                memory: Some(256 << 20),
                pids: Some(10_000),
                reserve: Reservation::default(),
            }),
            drain_ms: Some(1_500),
            ..before.clone()
        };
        let told: Vec<String> = changes(&[app(&before)], &[app(&after)])
            .into_iter()
            .map(|change| {
                let value = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
                format!("{}: {} -> {}", change.setting, value(change.before), value(change.after))
            })
            .collect();
        let expected = [
            "cpus: - -> 0.5",
            "drain: 10s -> 1500ms",
            "env B: 2 -> 3",
            "memory: - -> 256M",
            "pids: - -> 10000",
            "replicas: 1 -> 3",
            "secret KEY: - -> set on the server",
        ];
        assert_eq!(told, expected);
        assert!(changes(&[app(&after)], &[app(&after)]).is_empty());
    }

    #[test]
    fn another_strategy_is_told_as_captain_yml_has_it() {
        let canary = Strategy::Canary {
            steps: vec![10, 50],
            bake_ms: 300_000,
            limits: Limits {
                max_cpu: Some(Usage::Percent(90.0)),
                max_latency: Some(Latency::Times(1.5)),
                ..Limits::default()
            },
        };
        let slow = Strategy::Rolling(Pace { surge: Quota::Percent(25), unavailable: Quota::Count(1) });
        assert_eq!(strategy(&canary), "canary 10% 50%, bake 5m, max_cpu 90%, max_latency 1.5x");
        let told = strategy_change(&Strategy::BlueGreen { bake_ms: 0 }, &slow).and_then(|change| change.after);
        assert_eq!(told.as_deref(), Some("rolling, surge 25%, unavailable 1"));
        assert_eq!(strategy_change(&slow, &slow), None);
    }

    #[test]
    fn values_of_variables_are_not_everybody_s() {
        let settings = ReleaseSettings {
            env: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            secrets: vec!["KEY".to_owned()],
            ..ReleaseSettings::default()
        };
        let all = changes(&[], &[app(&settings)]);
        let private: Vec<&str> =
            all.iter().filter(|change| change.is_private).map(|change| change.setting.as_str()).collect();
        assert_eq!(private, ["env A"]);
    }
}
