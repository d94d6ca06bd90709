//! How an app runs where it is released: `release` of an app, and an environment's settings over it.

use std::ops::RangeInclusive;

use super::{
    fields::{
        check_apart, command, command_line, duration, field, fields, is_host_label, number, or_report, pairs,
        positive_duration, secrets, shown, text, texts, wrong_kind,
    },
    quantities, target,
};
use crate::{
    diagnostics::{Problem, Report},
    docker_run::mounts,
    document::{Entry, Node, Value},
    reference,
    release::{HealthSettings, Probe, ReleaseCommands, ReleaseSettings, Resources, Volume},
};

/// How many processes an app may be given; the kernel has no more numbers for them.
pub(super) const PIDS: RangeInclusive<u32> = 16..=4_194_304;
/// The most containers of one app in one environment.
pub(super) const MAX_REPLICAS: u32 = 1_000;
pub(super) const MAX_CPUS: f64 = 1_024.0;
/// The longest path of a host that an app answers for.
const MAX_PATH: usize = 200;
/// The most commands of one app before or after a release.
const MAX_COMMANDS: usize = 20;

/// Reads one layer of settings. `has_port` says whether another one names the app's port, or may do so.
pub(super) fn read(node: &Node, has_port: bool, report: &mut Report<'_>) -> Option<ReleaseSettings> {
    report.within(reference::RELEASE.anchor, |report| layer(node, has_port, report))
}

fn layer(node: &Node, has_port: bool, report: &mut Report<'_>) -> Option<ReleaseSettings> {
    let fields = fields(node, &reference::RELEASE, report)?;
    let mut settings = ReleaseSettings::default();
    let mut health = None;
    for field in &fields {
        let node = &field.value;
        match field.key.as_str() {
            "port" => settings.port = number(node, 1..=u16::MAX, report),
            "replicas" => settings.replicas = number(node, 1..=MAX_REPLICAS, report),
            "env" => {
                settings.env = pairs(node, "environment variables", report).unwrap_or_default().into_iter().collect();
            }
            "secrets" => settings.secrets = secrets(node, report),
            "command" => settings.command = command(node, report),
            "health" => health = Some(field),
            "resources" => settings.resources = resources(node, report),
            "placement" => settings.placement = target::placement(node, report),
            "domain" => settings.domain = domain(node, report),
            "preview" => settings.preview = domain(node, report),
            "volumes" => settings.volumes = volumes(node, report),
            "before" => settings.before = commands(node, report),
            "after" => settings.after = commands(node, report),
            _ => settings.drain_ms = duration(node, report),
        }
    }
    let has_port = has_port || fields.iter().any(|field| field.key == "port");
    let is_host = |field: &&&Entry| matches!(field.key.as_str(), "domain" | "preview");
    if let Some(field) = fields.iter().find(is_host).filter(|_| !has_port) {
        let what = format!("\"{}\" without \"port\": the proxy would not know where to send requests", field.key);
        let problem = Problem::new(what);
        report.add(field.place, problem.expected("the port that the app listens on, such as \"port: 8080\""));
    }
    if let Some(field) = field(&fields, "secrets") {
        let env: Vec<(String, String)> = settings.env.keys().map(|name| (name.clone(), String::new())).collect();
        check_apart(&env, &settings.secrets, field.place, report);
    }
    settings.health = health.and_then(|field| {
        report.within(reference::HEALTH.anchor, |report| self::health(&field.value, has_port, report))
    });
    Some(settings)
}

/// Reads `before` or `after`: the commands alone, or a map that has them.
fn commands(node: &Node, report: &mut Report<'_>) -> Option<ReleaseCommands> {
    report.within(reference::COMMANDS.anchor, |report| {
        if !matches!(node.value, Value::Map(_)) {
            return Some(ReleaseCommands { run: lines(node, report)?, ..ReleaseCommands::default() });
        }
        let fields = fields(node, &reference::COMMANDS, report)?;
        let Some(run) = field(&fields, "run") else {
            let problem = Problem::new("there is nothing to \"run\" here");
            report.add(node.place, problem.expected("the commands, such as \"run: [./migrate]\""));
            return None;
        };
        let mut commands = ReleaseCommands { run: lines(&run.value, report)?, ..ReleaseCommands::default() };
        if let Some(timeout) = field(&fields, "timeout").and_then(|field| positive_duration(&field.value, report)) {
            commands.timeout_ms = timeout;
        }
        Some(commands)
    })
}

/// Commands, each of them a line.
fn lines(node: &Node, report: &mut Report<'_>) -> Option<Vec<Vec<String>>> {
    let lines = texts(node, "a command such as ./migrate", report)?;
    if lines.len() > MAX_COMMANDS {
        let problem = Problem::new(format!("there are {} commands here", lines.len()));
        report.add(node.place, problem.expected(format!("at most {MAX_COMMANDS}; a script in the image can do more")));
        return None;
    }
    lines.into_iter().map(|(line, place)| command_line(line, place, report)).collect()
}

/// Reads a health check; what it does not say is as in the layer below.
fn health(node: &Node, has_port: bool, report: &mut Report<'_>) -> Option<HealthSettings> {
    let fields = fields(node, &reference::HEALTH, report)?;
    let mut check = HealthSettings::default();
    let mut probes = 0;
    for field in fields {
        let node = &field.value;
        match field.key.as_str() {
            "http" | "tcp" | "command" => {
                probes += 1;
                let probe = match field.key.as_str() {
                    "http" => http(node, report),
                    "tcp" => tcp(node, report),
                    _ => command(node, report).map(|command| Probe::Command { command }),
                };
                check.probe = probe.or(check.probe);
                if probes > 1 {
                    let problem = Problem::new("more than one of \"http\", \"tcp\" and \"command\"");
                    report.add(field.place, problem.expected("one of them"));
                }
                if !has_port && field.key != "command" {
                    let problem = Problem::new(format!("\"{}\" needs the app's \"port\"", field.key));
                    report.add(field.place, problem.expected("\"port\" among the release settings"));
                }
            }
            "interval" => check.interval_ms = positive_duration(node, report),
            "timeout" => check.timeout_ms = positive_duration(node, report),
            "retries" => check.retries = number(node, 1..=100, report),
            _ => check.start_ms = positive_duration(node, report),
        }
    }
    Some(check)
}

fn http(node: &Node, report: &mut Report<'_>) -> Option<Probe> {
    probe_path(node, report).map(|path| Probe::Http { path })
}

/// The path of a GET.
pub(super) fn probe_path(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let expected = "a path such as /health";
    let path = text(node, expected, report)?;
    if !path.starts_with('/') || path.len() > 1024 || !path.chars().all(|c| c.is_ascii_graphic()) {
        report.add(node.place, Problem::new(format!("\"{}\" is not a path", shown(path))).expected(expected));
        return None;
    }
    Some(path.to_owned())
}

fn tcp(node: &Node, report: &mut Report<'_>) -> Option<Probe> {
    match text(node, "true", report)? {
        "true" => Some(Probe::Tcp),
        other => {
            report.add(node.place, Problem::new(format!("\"{}\" cannot stand here", shown(other))).expected("true"));
            None
        }
    }
}

/// Reads limits; one that is not given is as in the layer below.
fn resources(node: &Node, report: &mut Report<'_>) -> Option<Resources> {
    let mut resources = Resources::default();
    for field in fields(node, &reference::RESOURCES, report)? {
        match field.key.as_str() {
            "cpus" => resources.cpus = number(&field.value, 0.01..=MAX_CPUS, report),
            "pids" => resources.pids = number(&field.value, PIDS, report),
            "reserve" => resources.reserve = target::reserve(&field.value, report).unwrap_or_default(),
            _ => {
                if let Some(written) = text(&field.value, "a size such as 256M", report) {
                    resources.memory = or_report(quantities::memory(written), field.value.place, report);
                }
            }
        }
    }
    Some(resources)
}

/// A host name, with a path of it or without.
fn domain(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let written = text(node, "a host name such as shop.example.com", report)?;
    let (host, path) = written.split_at(written.find('/').unwrap_or(written.len()));
    let host = host.to_ascii_lowercase();
    if written.contains("://") || host.len() > 253 || !host.split('.').all(is_host_label) {
        let problem = Problem::new(format!("\"{}\" is not a host name", shown(written)));
        report.add(node.place, problem.expected("a host name such as shop.example.com, without a scheme or port"));
        return None;
    }
    if !is_path(path) {
        let problem = Problem::new(format!("\"{}\" is not a path of a host", shown(path)));
        let expected = "a path such as shop.example.com/api, of letters, digits and \"-._~\" between its slashes, without one at its end";
        report.add(node.place, problem.expected(expected));
        return None;
    }
    Some(format!("{host}{path}"))
}

/// Whether it is empty or a path of whole segments, of letters that mean nothing else to a proxy.
fn is_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(plain);
    path.is_empty() || (path.len() <= MAX_PATH && path.split('/').skip(1).all(is_segment))
}

fn volumes(node: &Node, report: &mut Report<'_>) -> Option<Vec<Volume>> {
    if matches!(node.value, Value::Map(_)) {
        wrong_kind(node, "a list such as [uploads:/data]", report);
        return None;
    }
    let mut volumes: Vec<Volume> = Vec::new();
    for (written, place) in texts(node, "a volume such as uploads:/data", report)? {
        let Some(volume) = or_report(volume(written), place, report) else { continue };
        if volumes.iter().any(|other| other.path == volume.path) {
            report.add(place, Problem::new(format!("two volumes at \"{}\"", volume.path)));
        }
        volumes.push(volume);
    }
    Some(volumes)
}

pub(super) fn volume(written: &str) -> Result<Volume, Problem> {
    let wrong = |reason: &str| {
        Problem::new(format!("\"{}\" is not a volume: {reason}", shown(written)))
            .expected("NAME:/PATH, such as uploads:/data")
    };
    let (name, path) = written.split_once(':').ok_or_else(|| wrong("it has no \":\""))?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.starts_with(['/', '.', '~']) {
        return Err(wrong("paths of the host are not mounted into releases"));
    }
    if name.len() > 63 || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(legal) {
        return Err(wrong("its name is made of other characters than letters, digits, \"_\", \".\" and \"-\""));
    }
    if path.contains(':') {
        return Err(wrong("options are not supported"));
    }
    mounts::check_target(path).map_err(|reason| wrong(&reason))?;
    Ok(Volume { name: name.to_owned(), path: path.to_owned() })
}
