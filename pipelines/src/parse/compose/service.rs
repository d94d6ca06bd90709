//! One service of a compose file as the settings of an app.

use super::{
    super::{
        fields::{boolean, check_apart, command, duration, map, number, or_report, pairs, shown, text, texts},
        quantities,
        release::{MAX_CPUS, MAX_REPLICAS, PIDS, volume},
    },
    deploy,
};
use crate::{
    config::TargetKind,
    diagnostics::{Place, Problem, Report},
    document::{Entry, Node, Value},
    release::{HealthCheck, HealthSettings, Probe, ReleaseSettings, Resources, Volume},
};

/// How long one probe may take by the compose specification, in milliseconds.
const PROBE_MS: u64 = 30_000;

/// What is read, for messages.
const SUPPORTED: &str = "image, build, command, environment, expose, ports, volumes, networks, healthcheck, deploy, restart, \
                         scale, cpus, mem_limit, pids_limit or stop_grace_period";

/// The settings that a service asks for over the app's own.
pub(super) fn read(
    fields: &[Entry],
    own: &ReleaseSettings,
    target: TargetKind,
    report: &mut Report<'_>,
) -> ReleaseSettings {
    let mut settings = ReleaseSettings::default();
    let mut resources = Resources::default();
    let mut ports = Vec::new();
    for field in fields {
        let node = &field.value;
        match field.key.as_str() {
            // What runs is what the build made, and it goes on until another release takes its place.
            "image" | "build" | "restart" => {}
            "command" if node.value == Value::Null => {}
            "command" => settings.command = command(node, report),
            "environment" => {
                let env = environment(node, report);
                check_apart(&env, &own.secrets, field.place, report);
                settings.env = env.into_iter().collect();
            }
            "expose" | "ports" => ports.extend(self::ports(node, report)),
            "volumes" => settings.volumes = Some(volumes(node, report)),
            "networks" => networks(node, report),
            "healthcheck" => settings.health = health(node, report).map(HealthSettings::from),
            "deploy" => deploy::read(node, target, &mut settings, &mut resources, report),
            "scale" => settings.replicas = number(node, 1..=MAX_REPLICAS, report),
            "cpus" => resources.cpus = number(node, 0.01..=MAX_CPUS, report),
            "mem_limit" => resources.memory = memory(node, report),
            "pids_limit" => resources.pids = number(node, PIDS, report),
            "stop_grace_period" => settings.drain_ms = duration(node, report),
            "container_name" | "labels" | "logging" | "stdin_open" | "tty" | "pull_policy" => {
                ignored(field, "Slipway sees to it", report);
            }
            "depends_on" => {
                ignored(field, "apps start side by side, and wait by themselves for what they need", report);
            }
            key if key.starts_with("x-") => {}
            key => {
                let problem = Problem::new(format!("\"{}\" of a service is not supported", shown(key)));
                report.add(field.place, problem.expected(SUPPORTED));
            }
        }
    }
    settings.resources = (resources != Resources::default()).then_some(resources);
    settings.port = own.port.is_none().then(|| one_port(&ports, report)).flatten();
    settings
}

pub(super) fn ignored(field: &Entry, why: &str, report: &mut Report<'_>) {
    report.warn(field.place, Problem::new(format!("\"{}\" changes nothing: {why}", field.key)));
}

/// Variables, as a map or as a list of assignments.
fn environment(node: &Node, report: &mut Report<'_>) -> Vec<(String, String)> {
    let without_value = |name: &str| {
        let problem = Problem::new(format!("the variable \"{}\" has no value", shown(name)));
        problem
            .expected("a value, or a secret by \"apps\" of the environment in captain.yml: no shell stands behind this")
    };
    let Value::List(_) = &node.value else {
        for entry in map(node, "variables", report).unwrap_or_default() {
            if entry.value.value == Value::Null {
                report.add(entry.place, without_value(&entry.key));
            }
        }
        return pairs(node, "variables", report).unwrap_or_default();
    };
    let mut read = Vec::new();
    for (assignment, place) in texts(node, "an assignment such as LOG_LEVEL=info", report).unwrap_or_default() {
        match assignment.split_once('=') {
            Some((name, _)) if name.contains(|c: char| c.is_whitespace() || c == '\0') => {
                report.add(place, Problem::new(format!("\"{}\" cannot be a variable's name", shown(name))));
            }
            Some((name, value)) if !name.is_empty() => read.push((name.to_owned(), value.to_owned())),
            _ => report.add(place, without_value(assignment)),
        }
    }
    read
}

/// The ports inside the container, each with its place.
fn ports(node: &Node, report: &mut Report<'_>) -> Vec<(u16, Place)> {
    let Value::List(items) = &node.value else {
        texts(node, "a list of ports", report);
        return Vec::new();
    };
    items.iter().filter_map(|item| Some((port(item, report)?, item.place))).collect()
}

/// A port such as `8080`, `80:8080/tcp` or `{target: 8080, published: 80}`.
fn port(node: &Node, report: &mut Report<'_>) -> Option<u16> {
    if let Value::Map(fields) = &node.value {
        if fields.iter().any(|field| field.key == "published") {
            unpublished(node.place, report);
        }
        let is_tcp = |field: &Entry| field.key != "protocol" || field.value.value == Value::Scalar("tcp".to_owned());
        if let Some(other) = fields.iter().find(|field| !is_tcp(field)) {
            report.add(other.place, Problem::new("the proxy leads to TCP ports alone").expected("protocol: tcp"));
        }
        let target = fields.iter().find(|field| field.key == "target");
        return target.and_then(|target| number(&target.value, 1..=u16::MAX, report));
    }
    let written = text(node, "a port such as 8080", report)?;
    let inside = written.rsplit_once(':').map(|(_, inside)| inside);
    if inside.is_some() {
        unpublished(node.place, report);
    }
    let port = inside.unwrap_or(written).trim_end_matches("/tcp").parse().ok();
    if port.is_none() {
        let problem = Problem::new(format!("\"{}\" is no port of one app", shown(written)));
        report.add(node.place, problem.expected("one TCP port such as 8080"));
    }
    port
}

fn unpublished(place: Place, report: &mut Report<'_>) {
    let problem = Problem::new("no port of the host is opened");
    report.warn(place, problem.expected("\"domain\" of the app in captain.yml, which the proxy leads to this port"));
}

fn one_port(ports: &[(u16, Place)], report: &mut Report<'_>) -> Option<u16> {
    let (first, _) = *ports.first()?;
    if let Some((_, place)) = ports.iter().find(|(port, _)| *port != first) {
        let problem = Problem::new("a second port: the proxy leads to one");
        report.add(*place, problem.expected("one port, or \"port\" among the app's own release settings"));
    }
    Some(first)
}

/// Volumes by their short or long form.
fn volumes(node: &Node, report: &mut Report<'_>) -> Vec<Volume> {
    let Value::List(items) = &node.value else {
        texts(node, "a list of volumes", report);
        return Vec::new();
    };
    let mut volumes: Vec<Volume> = Vec::new();
    for item in items {
        let short = match &item.value {
            Value::Map(fields) => long_volume(item, fields, report),
            _ => text(item, "a volume such as uploads:/data", report)
                .map(|short| short.trim_end_matches(":rw").to_owned()),
        };
        let Some(volume) = short.and_then(|short| or_report(volume(&short), item.place, report)) else { continue };
        if volumes.iter().any(|other| other.path == volume.path) {
            report.add(item.place, Problem::new(format!("two volumes at \"{}\"", volume.path)));
        }
        volumes.push(volume);
    }
    volumes
}

fn long_volume(item: &Node, fields: &[Entry], report: &mut Report<'_>) -> Option<String> {
    let (mut name, mut path) = (None, None);
    for field in fields {
        let value = text(&field.value, "a text", report)?;
        match (field.key.as_str(), value) {
            ("source", value) => name = Some(value),
            ("target", value) => path = Some(value),
            ("type", "volume") => {}
            (key, _) => {
                let problem = Problem::new(format!("\"{}\" of a volume is not supported", shown(key)));
                report.add(field.place, problem.expected("{type: volume, source: NAME, target: /PATH}"));
                return None;
            }
        }
    }
    if name.is_none() || path.is_none() {
        report.add(item.place, Problem::new("a volume needs a source and a target").expected("a name and a path"));
    }
    Some(format!("{}:{}", name?, path?))
}

/// Networks are the environment's own; other names in them would not be there.
fn networks(node: &Node, report: &mut Report<'_>) {
    let Value::Map(networks) = &node.value else { return };
    for option in networks.iter().filter_map(|network| match &network.value.value {
        Value::Map(options) => Some(options),
        _ => None,
    }) {
        for option in option {
            let problem = Problem::new(format!("\"{}\" of a service's network is not supported", shown(&option.key)));
            report.add(option.place, problem.expected("nothing: an app is reached by its own name"));
        }
    }
}

fn health(node: &Node, report: &mut Report<'_>) -> Option<HealthCheck> {
    let mut check = HealthCheck { timeout_ms: PROBE_MS, ..HealthCheck::with_defaults(Probe::Container) };
    let (mut start_period, mut is_disabled) = (None, false);
    for field in map(node, "a health check", report)? {
        let node = &field.value;
        match field.key.as_str() {
            "test" => check.probe = probe(node, report)?,
            "interval" => check.interval_ms = duration(node, report)?.max(1),
            "timeout" => check.timeout_ms = duration(node, report)?.max(1),
            "retries" => check.retries = number(node, 1..=100, report)?,
            "start_period" => start_period = duration(node, report),
            "disable" => is_disabled = boolean(node, report)?,
            "start_interval" => ignored(field, "\"interval\" holds from the beginning", report),
            key => {
                let problem = Problem::new(format!("\"{}\" of a health check is not supported", shown(key)));
                report.add(field.place, problem.expected("test, interval, timeout, retries, start_period or disable"));
            }
        }
    }
    if is_disabled {
        return Some(HealthCheck::with_defaults(Probe::Container));
    }
    // As Docker counts: failures do not matter in the beginning, and so many in a row do afterwards.
    if let Some(period) = start_period {
        check.start_ms = check.start_ms.max(period + check.interval_ms * u64::from(check.retries));
    }
    Some(check)
}

/// `test` of a health check: a line for a shell, or a list that says whether it is one.
fn probe(node: &Node, report: &mut Report<'_>) -> Option<Probe> {
    let shell = |line: &str| Probe::Command { command: ["sh", "-c", line].map(str::to_owned).to_vec() };
    if let Value::Scalar(line) = &node.value {
        return Some(shell(line));
    }
    let words: Vec<&str> = texts(node, "a word of the test", report)?.into_iter().map(|(word, _)| word).collect();
    match words.as_slice() {
        ["NONE"] => Some(Probe::Container),
        ["CMD-SHELL", line] => Some(shell(line)),
        ["CMD", command @ ..] if !command.is_empty() => {
            Some(Probe::Command { command: command.iter().map(|word| (*word).to_owned()).collect() })
        }
        _ => {
            let problem = Problem::new("the test is none that Docker knows");
            report.add(node.place, problem.expected("[CMD, PROGRAM, …], [CMD-SHELL, LINE], [NONE], or a line"));
            None
        }
    }
}

pub(super) fn memory(node: &Node, report: &mut Report<'_>) -> Option<u64> {
    let written = text(node, "a size such as 256M", report)?;
    or_report(quantities::memory(written), node.place, report)
}
