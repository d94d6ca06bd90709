//! What a service says of how it is deployed: how often, with what, and on which nodes of a Swarm.

use super::{
    super::{
        fields::{map, number, shown},
        release::{MAX_CPUS, MAX_REPLICAS, PIDS},
        target::{constraint, preference, rules},
    },
    service::{ignored, memory},
};
use crate::{
    config::TargetKind,
    diagnostics::{Problem, Report},
    document::{Node, Value},
    release::{Placement, ReleaseSettings, Resources},
};

/// Reads `deploy`. One engine has no nodes to choose among: what is said of them there would change nothing.
pub(super) fn read(
    node: &Node,
    target: TargetKind,
    settings: &mut ReleaseSettings,
    resources: &mut Resources,
    report: &mut Report<'_>,
) {
    for field in map(node, "deploy", report).unwrap_or_default() {
        let node = &field.value;
        match field.key.as_str() {
            "replicas" => settings.replicas = number(node, 1..=MAX_REPLICAS, report),
            "resources" => bounds(node, target, resources, report),
            "placement" if target == TargetKind::Swarm => settings.placement = Some(placement(node, report)),
            "mode" if node.value == Value::Scalar("replicated".to_owned()) => {}
            "update_config" | "rollback_config" => {
                ignored(field, "\"strategy\" of the environment in captain.yml says how a release comes", report);
            }
            "restart_policy" | "labels" | "endpoint_mode" => {
                ignored(field, "Slipway sees to it", report);
            }
            "placement" => {
                let problem = Problem::new("\"placement\" of deploy: with \"target: docker\" there is one node alone");
                report.add(field.place, problem.expected("\"target: swarm\" at the environment in captain.yml"));
            }
            key => {
                let problem = Problem::new(format!("\"{}\" of deploy is not supported", shown(key)));
                report.add(field.place, problem.expected("replicas, resources, placement, or mode: replicated"));
            }
        }
    }
}

fn bounds(node: &Node, target: TargetKind, resources: &mut Resources, report: &mut Report<'_>) {
    for field in map(node, "resources", report).unwrap_or_default() {
        match field.key.as_str() {
            "limits" => limits(&field.value, resources, report),
            "reservations" if target == TargetKind::Swarm => reservations(&field.value, resources, report),
            "reservations" => ignored(field, "one engine has no other node to place a container on", report),
            _ => ignored(field, "only limits and reservations are known", report),
        }
    }
}

fn limits(node: &Node, resources: &mut Resources, report: &mut Report<'_>) {
    for limit in map(node, "limits", report).unwrap_or_default() {
        match limit.key.as_str() {
            "cpus" => resources.cpus = number(&limit.value, 0.01..=MAX_CPUS, report),
            "memory" => resources.memory = memory(&limit.value, report),
            "pids" => resources.pids = number(&limit.value, PIDS, report),
            key => {
                let problem = Problem::new(format!("the limit \"{}\" is not supported", shown(key)));
                report.add(limit.place, problem.expected("cpus, memory or pids"));
            }
        }
    }
}

fn reservations(node: &Node, resources: &mut Resources, report: &mut Report<'_>) {
    for kept in map(node, "reservations", report).unwrap_or_default() {
        match kept.key.as_str() {
            "cpus" => resources.reserve.cpus = number(&kept.value, 0.01..=MAX_CPUS, report),
            "memory" => resources.reserve.memory = memory(&kept.value, report),
            key => {
                let problem = Problem::new(format!("the reservation \"{}\" is not supported", shown(key)));
                report.add(kept.place, problem.expected("cpus or memory"));
            }
        }
    }
}

/// Constraints are written as Swarm has them, preferences as maps of `spread`.
fn placement(node: &Node, report: &mut Report<'_>) -> Placement {
    let mut placement = Placement::default();
    for field in map(node, "placement", report).unwrap_or_default() {
        match field.key.as_str() {
            "constraints" => {
                let what = "a constraint such as node.labels.zone==a";
                placement.constraints = rules(&field.value, what, constraint, report).unwrap_or_default();
            }
            "preferences" => placement.preferences = preferences(&field.value, report),
            key => {
                let problem = Problem::new(format!("\"{}\" of placement is not supported", shown(key)));
                report.add(field.place, problem.expected("constraints or preferences"));
            }
        }
    }
    placement
}

fn preferences(node: &Node, report: &mut Report<'_>) -> Vec<String> {
    const WHAT: &str = "preferences such as [{spread: node.labels.zone}]";
    let Value::List(items) = &node.value else {
        report.add(node.place, Problem::new("the preferences are no list").expected(WHAT));
        return Vec::new();
    };
    let mut read = Vec::new();
    for item in items {
        for field in map(item, "a preference", report).unwrap_or_default() {
            let written = match &field.value.value {
                Value::Scalar(label) if field.key == "spread" => preference(&format!("spread={label}")),
                _ => None,
            };
            match written {
                Some(label) => read.push(label),
                None => report.add(field.place, Problem::new("this preference cannot stand here").expected(WHAT)),
            }
        }
    }
    read
}
