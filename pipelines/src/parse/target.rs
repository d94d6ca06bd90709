//! What depends on the kind of engine that runs an environment: where its containers are placed, and what only one kind
//! can do.

use super::{
    fields::{fields, number, or_report, shown, text, texts},
    quantities,
};
use crate::{
    config::{App, Environment, TargetKind},
    diagnostics::{Place, Problem, Report},
    document::Node,
    reference,
    release::{Placement, ReleaseSettings, Reservation, RunSpec},
};

/// The most constraints or preferences of an app.
const MAX_RULES: usize = 20;
/// The longest of them, in bytes.
const MAX_RULE: usize = 255;
const MAX_CPUS: f64 = 1_024.0;
/// The attributes of nodes that a constraint may name; one that ends with a dot is followed by a label's name
/// (<https://docs.docker.com/reference/cli/docker/service/create/#constraint>).
const ATTRIBUTES: [&str; 8] = [
    "node.id",
    "node.hostname",
    "node.ip",
    "node.role",
    "node.platform.os",
    "node.platform.arch",
    "node.labels.",
    "engine.labels.",
];

/// Reads `placement`.
pub(super) fn placement(node: &Node, report: &mut Report<'_>) -> Option<Placement> {
    report.within(reference::PLACEMENT.anchor, |report| {
        let mut placement = Placement::default();
        for field in fields(node, &reference::PLACEMENT, report)? {
            match field.key.as_str() {
                "constraints" => {
                    let what = "a constraint such as node.labels.zone==a";
                    placement.constraints = rules(&field.value, what, constraint, report)?;
                }
                _ => {
                    let what = "a preference such as spread=node.labels.zone";
                    placement.preferences = rules(&field.value, what, preference, report)?;
                }
            }
        }
        Some(placement)
    })
}

/// Reads `reserve`.
pub(super) fn reserve(node: &Node, report: &mut Report<'_>) -> Option<Reservation> {
    let mut reserve = Reservation::default();
    for field in fields(node, &reference::RESERVE, report)? {
        if field.key == "cpus" {
            reserve.cpus = number(&field.value, 0.01..=MAX_CPUS, report);
        } else if let Some(written) = text(&field.value, "a size such as 256M", report) {
            reserve.memory = or_report(quantities::memory(written), field.value.place, report);
        }
    }
    Some(reserve)
}

/// Reads a list of rules, each by `rule`, which knows what is wrong with one.
pub(super) fn rules(
    node: &Node,
    what: &str,
    rule: impl Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) -> Option<Vec<String>> {
    let written = texts(node, what, report)?;
    if written.len() > MAX_RULES {
        report.add(node.place, Problem::new(format!("there are {} of them; the limit is {MAX_RULES}", written.len())));
        return None;
    }
    let mut read = Vec::new();
    for (text, place) in written {
        match rule(text).filter(|_| text.len() <= MAX_RULE) {
            Some(rule) => read.push(rule),
            None => report.add(place, Problem::new(format!("\"{}\" cannot stand here", shown(text))).expected(what)),
        }
    }
    Some(read)
}

/// `KEY==VALUE` or `KEY!=VALUE`, without blanks.
pub(super) fn constraint(written: &str) -> Option<String> {
    let (key, value, sign) = match (written.split_once("=="), written.split_once("!=")) {
        (Some((key, value)), None) => (key.trim(), value.trim(), "=="),
        (None, Some((key, value))) => (key.trim(), value.trim(), "!="),
        _ => return None,
    };
    let is_value = !value.is_empty() && value.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '=' | '!'));
    (is_attribute(key) && is_value).then(|| format!("{key}{sign}{value}"))
}

/// `spread=KEY`, where the key is a label's: nothing else divides nodes into kinds.
pub(super) fn preference(written: &str) -> Option<String> {
    let key = written.trim().strip_prefix("spread")?.trim_start().strip_prefix('=')?.trim();
    let is_label = key.starts_with("node.labels.") || key.starts_with("engine.labels.");
    (is_label && is_attribute(key)).then(|| key.to_owned())
}

fn is_attribute(key: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    key.chars().all(legal)
        && ATTRIBUTES.iter().any(|known| {
            if known.ends_with('.') { key.len() > known.len() && key.starts_with(known) } else { key == *known }
        })
}

/// Reports what the environment's kind of engine cannot do.
pub(super) fn check(environment: &Environment, apps: &[App], place: Place, report: &mut Report<'_>) {
    for app in apps {
        let over = environment.apps.iter().find(|(over, _)| *over == app.name).map(|(_, over)| over);
        for problem in unkept(environment, app, over) {
            report.add(place, problem);
        }
    }
}

/// What the environment's kind of engine cannot keep of a released app's settings with these over them.
pub(crate) fn unkept(environment: &Environment, app: &App, over: Option<&ReleaseSettings>) -> Vec<Problem> {
    const ONE_NODE: &str = "with \"target: docker\" there is one node alone";
    const ELSEWHERE: &str = "it under \"apps\" of an environment that has \"target: swarm\"";
    let Some(own) = &app.release else { return Vec::new() };
    let layers: Vec<&ReleaseSettings> = std::iter::once(own).chain(over).collect();
    let run = RunSpec::resolve(&layers);
    let settings = match environment.target {
        TargetKind::Docker => vec![
            (run.placement != Placement::default(), "placement", ONE_NODE, ELSEWHERE),
            (!run.resources.reserve.is_none(), "reserve", ONE_NODE, ELSEWHERE),
        ],
        TargetKind::Swarm => vec![(
            !run.volumes.is_empty(),
            "volumes",
            "on a Swarm each node has a volume of its own, and a container that moves would find another one",
            "\"volumes: []\" for it under \"apps\" of this environment, and its data in a service of its own",
        )],
    };
    let told = settings.into_iter().filter(|(is_set, ..)| *is_set).map(|(_, key, why, remedy)| {
        let what = format!("\"{key}\" of the app \"{}\" in \"{}\": {why}", app.name, environment.name);
        Problem::new(what).expected(remedy)
    });
    told.collect()
}
