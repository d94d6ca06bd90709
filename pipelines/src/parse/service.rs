//! `services`: containers beside the steps of an app.

use super::{
    fields::{
        check_apart, command, field, fields, is_host_label, map, number, pairs, positive_duration, secrets, shown,
    },
    release::probe_path,
    templates,
};
use crate::{
    config::{Ready, ReadyProbe, Service},
    diagnostics::{Problem, Report},
    document::{Entry, Node},
    reference,
};

/// The most services of one app.
const MAX_SERVICES: usize = 20;
/// How long a service may take to become ready unless it says otherwise, in milliseconds.
const DEFAULT_START_MS: u64 = 60_000;

/// Reads all services of an app.
pub(super) fn read_all(node: &Node, declared: &[&str], report: &mut Report<'_>) -> Vec<Service> {
    report.within(reference::SERVICE.anchor, |report| {
        let entries = map(node, "the services", report).unwrap_or_default();
        if entries.len() > MAX_SERVICES {
            let message = format!("there are {} services; the limit is {MAX_SERVICES}", entries.len());
            report.add(node.place, Problem::new(message));
            return Vec::new();
        }
        entries.iter().filter_map(|entry| read(entry, declared, report)).collect()
    })
}

fn read(entry: &Entry, declared: &[&str], report: &mut Report<'_>) -> Option<Service> {
    if !is_host_label(&entry.key) {
        let problem = Problem::new(format!("\"{}\" cannot be a service's name", shown(&entry.key)));
        let expected = "lower-case letters, digits and \"-\", at most 63: the name is its address";
        report.add(entry.place, problem.expected(expected));
    }
    let fields = fields(&entry.value, &reference::SERVICE, report)?;
    if field(&fields, "image").is_none() {
        let problem = Problem::new(format!("the service \"{}\" has no image", shown(&entry.key)));
        report.add(entry.place, problem.expected("an image, such as \"image: postgres:16\""));
    }
    let mut service = Service {
        name: entry.key.clone(),
        image: String::new(),
        env: Vec::new(),
        secrets: Vec::new(),
        command: None,
        ready: None,
    };
    for field in &fields {
        let node = &field.value;
        match field.key.as_str() {
            "image" => service.image = templates::image(node, declared, report).unwrap_or_default(),
            "env" => {
                service.env = pairs(node, "variables", report).unwrap_or_default();
                templates::check_pairs(node, declared, report);
            }
            "secrets" => service.secrets = secrets(node, report),
            "command" => service.command = command(node, report),
            _ => service.ready = ready(node, report),
        }
    }
    check_apart(&service.env, &service.secrets, entry.place, report);
    Some(service)
}

fn ready(node: &Node, report: &mut Report<'_>) -> Option<Ready> {
    let (mut port, mut path, mut run, mut start_ms) = (None, None, None, DEFAULT_START_MS);
    let fields = fields(node, &reference::READY, report)?;
    for field in &fields {
        let node = &field.value;
        match field.key.as_str() {
            "port" => port = number(node, 1..=u16::MAX, report),
            "http" => path = probe_path(node, report),
            "command" => run = command(node, report),
            _ => start_ms = positive_duration(node, report).unwrap_or(start_ms),
        }
    }
    if let Some(http) = field(&fields, "http").filter(|_| field(&fields, "port").is_none()) {
        let problem = Problem::new("\"http\" without \"port\": nobody would know where to ask");
        report.add(http.place, problem.expected("the port that the service listens on, such as \"port: 8080\""));
    }
    if let Some(command) = field(&fields, "command").filter(|_| field(&fields, "port").is_some()) {
        let problem = Problem::new("\"command\" and \"port\" at once: a service is asked in one way");
        report.add(command.place, problem.expected("one of them"));
    }
    let probe = match (run, port, path) {
        (Some(command), _, _) => ReadyProbe::Command { command },
        (None, Some(port), Some(path)) => ReadyProbe::Http { port, path },
        (None, Some(port), None) => ReadyProbe::Tcp { port },
        (None, None, _) => ReadyProbe::Container,
    };
    Some(Ready { probe, start_ms })
}
