//! The environments: where their releases come from, and what differs there.

use super::{
    fields::{boolean, field, fields, is_host_label, map, or_report, shown, text, word, wrong_kind},
    promotion, release, target,
};
use crate::{
    config::{App, Environment, Source, TargetKind},
    diagnostics::{Place, Problem, Report},
    document::{Entry, Node, Value},
    paths, reference,
    release::ReleaseSettings,
};

/// The most environments that a file may have.
const MAX_ENVIRONMENTS: usize = 100;
const FROM_EXPECTED: &str = "{branch: NAME}, or the name of another environment";

/// Reads all environments. `names` are all top-level keys, to tell an unknown app from one that is faulty itself.
pub(super) fn read_all(node: &Node, apps: &[App], names: &[&str], report: &mut Report<'_>) -> Vec<Environment> {
    report.within(reference::ENVIRONMENT.anchor, |report| all(node, apps, names, report))
}

fn all(node: &Node, apps: &[App], names: &[&str], report: &mut Report<'_>) -> Vec<Environment> {
    let Some(entries) = map(node, "the environments", report) else { return Vec::new() };
    if entries.len() > MAX_ENVIRONMENTS {
        let message = format!("there are {} environments; the limit is {MAX_ENVIRONMENTS}", entries.len());
        report.add(node.place, Problem::new(message));
        return Vec::new();
    }
    let mut environments = Vec::new();
    let mut places = Vec::new();
    for entry in entries {
        if let Some((environment, place)) = read(entry, apps, names, report) {
            environments.push(environment);
            places.push(place);
        }
    }
    check_sources(&environments, &places, entries, report);
    environments
}

/// Reads one environment, and the place of its `from`.
fn read(entry: &Entry, apps: &[App], names: &[&str], report: &mut Report<'_>) -> Option<(Environment, Place)> {
    if !is_host_label(&entry.key) {
        let problem = Problem::new(format!("\"{}\" cannot be an environment's name", shown(&entry.key)))
            .expected("lower-case letters, digits and \"-\", at most 63");
        report.add(entry.place, problem);
    }
    let fields = fields(&entry.value, &reference::ENVIRONMENT, report)?;
    let overrides = field(&fields, "apps");
    // A compose file may name the ports that captain.yml does not; what it says is known once it is read.
    let is_composed = field(&fields, "compose").is_some();
    let overrides =
        overrides.map(|field| read_apps(&field.value, (apps, names), is_composed, report)).unwrap_or_default();
    let mut environment = Environment { apps: overrides, ..Environment::new(entry.key.clone(), NOWHERE) };
    for field in &fields {
        let node = &field.value;
        match field.key.as_str() {
            "auto" => environment.auto = boolean(node, report).unwrap_or_default(),
            "bake" => {
                let bake = promotion::bake(node, report).unwrap_or_default();
                (environment.bake_ms, environment.bake_limits) = (bake.ms, bake.limits);
            }
            "approvals" => environment.approvals = promotion::approvals(node, report).unwrap_or_default(),
            "strategy" => environment.strategy = promotion::strategy(node, report).unwrap_or_default(),
            "window" => environment.window = promotion::window(node, report),
            "compose" => environment.compose = path(node, report),
            "target" => environment.target = kind(node, report).unwrap_or_default(),
            _ => {}
        }
    }
    check_domains(entry, apps, &environment.apps, report);
    target::check(&environment, apps, field(&fields, "target").map_or(entry.place, |field| field.place), report);
    let Some(from) = field(&fields, "from") else {
        let message = format!("the environment \"{}\" does not say where its releases come from", shown(&entry.key));
        report.add(entry.place, Problem::new(message).expected(format!("\"from\": {FROM_EXPECTED}")));
        return None;
    };
    environment.from = source(&from.value, report)?;
    Some((environment, from.value.place))
}

fn path(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let expected = "a path such as deploy/docker-compose.yml";
    let written = text(node, expected, report)?;
    let wrong = |reason| Problem::new(format!("\"{}\" is no path of the repository: {reason}", shown(written)));
    or_report(paths::clean(written).map_err(|reason| wrong(reason).expected(expected)), node.place, report)
}

/// What runs the containers.
fn kind(node: &Node, report: &mut Report<'_>) -> Option<TargetKind> {
    word(node, &[("docker", TargetKind::Docker), ("swarm", TargetKind::Swarm)], report)
}

/// The source of an environment until its own has been read.
const NOWHERE: Source = Source::Branch { branch: String::new() };

fn source(node: &Node, report: &mut Report<'_>) -> Option<Source> {
    match &node.value {
        Value::Scalar(environment) => Some(Source::Environment { environment: environment.clone() }),
        Value::Map(_) => {
            let fields = fields(node, &reference::FROM, report)?;
            let Some(branch) = fields.first() else {
                wrong_kind(node, FROM_EXPECTED, report);
                return None;
            };
            branch_name(&branch.value, report).map(|branch| Source::Branch { branch })
        }
        _ => {
            wrong_kind(node, FROM_EXPECTED, report);
            None
        }
    }
}

/// The name of one branch.
pub(super) fn branch_name(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let name = text(node, "a branch's name", report)?;
    let illegal = |c: char| c.is_control() || matches!(c, ' ' | '*' | '?' | '[' | ':' | '~' | '^');
    if name.is_empty() || name.len() > 255 || name.contains(illegal) {
        let problem = Problem::new(format!("\"{}\" cannot be a branch's name", shown(name)));
        report.add(node.place, problem.expected("the name of one branch, such as main"));
        return None;
    }
    Some(name.strip_prefix("refs/heads/").unwrap_or(name).to_owned())
}

/// What differs in the environment, by app.
fn read_apps(
    node: &Node,
    (apps, names): (&[App], &[&str]),
    is_composed: bool,
    report: &mut Report<'_>,
) -> Vec<(String, ReleaseSettings)> {
    let mut overrides = Vec::new();
    for entry in map(node, "the settings by app", report).unwrap_or_default() {
        if report.is_full() {
            break;
        }
        let Some(app) = apps.iter().find(|app| app.name == entry.key) else {
            // An app whose own entry is faulty has been reported there.
            if !names.contains(&entry.key.as_str()) {
                let problem = Problem::new(format!("unknown app \"{}\"", shown(&entry.key)))
                    .expected("an app of this file")
                    .nearest(&entry.key, apps.iter().map(|app| app.name.as_str()));
                report.add(entry.place, problem);
            }
            continue;
        };
        let Some(base) = &app.release else {
            let problem = Problem::new(format!("the app \"{}\" is not released", app.name))
                .expected("\"release\" at the app before an environment can change it");
            report.add(entry.place, problem);
            continue;
        };
        let read = release::read(&entry.value, is_composed || base.port.is_some(), report);
        overrides.extend(read.map(|settings| (app.name.clone(), settings)));
    }
    overrides
}

/// Reports a domain that two apps of the environment would share.
fn check_domains(entry: &Entry, apps: &[App], overrides: &[(String, ReleaseSettings)], report: &mut Report<'_>) {
    let mut domains: Vec<(&str, &str)> = Vec::new();
    for app in apps {
        let over = overrides.iter().find(|(name, _)| *name == app.name).and_then(|(_, over)| over.domain.as_deref());
        let own = app.release.as_ref().and_then(|release| release.domain.as_deref());
        let Some(domain) = over.or(own) else { continue };
        if let Some((other, _)) = domains.iter().find(|(_, taken)| taken.eq_ignore_ascii_case(domain)) {
            let message = format!("the apps \"{other}\" and \"{}\" share the domain \"{domain}\" here", app.name);
            report.add(entry.place, Problem::new(message).expected("a domain, or a path of it, for each app"));
        }
        domains.push((&app.name, domain));
    }
}

/// Reports sources that do not exist, and environments that come from themselves by any way.
fn check_sources(environments: &[Environment], places: &[Place], entries: &[Entry], report: &mut Report<'_>) {
    let known = || entries.iter().map(|entry| entry.key.as_str());
    let mut reported: Vec<&str> = Vec::new();
    for (environment, place) in environments.iter().zip(places) {
        let Source::Environment { environment: source } = &environment.from else { continue };
        if !known().any(|name| name == source) {
            let problem = Problem::new(format!("unknown environment \"{}\"", shown(source)))
                .expected("another environment; a branch is written {branch: NAME}")
                .nearest(source, known());
            report.add(*place, problem);
            continue;
        }
        let circle = circle_from(environment, environments);
        if !circle.is_empty() && !reported.contains(&environment.name.as_str()) {
            let message = format!("these environments come from each other: {}", circle.join(" from "));
            report.add(*place, Problem::new(message).expected("one of them with from: {branch: NAME}"));
            reported.extend(circle);
        }
    }
}

/// The way from an environment back to itself; empty if there is none.
fn circle_from<'e>(start: &'e Environment, all: &'e [Environment]) -> Vec<&'e str> {
    let mut way = vec![start.name.as_str()];
    let mut at = start;
    while let Source::Environment { environment } = &at.from {
        way.push(environment);
        if *environment == start.name {
            return way;
        }
        match all.iter().find(|other| other.name == *environment) {
            // A circle that the start is not part of is reported at its own members.
            Some(next) if way.len() <= all.len() => at = next,
            _ => return Vec::new(),
        }
    }
    Vec::new()
}
