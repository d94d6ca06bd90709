//! A compose file as the run settings of an environment's apps: <https://github.com/compose-spec/compose-spec>.
//!
//! What a service says goes between the app's own `release` and what the environment says of it in captain.yml. Images are
//! not taken from the file: what runs is what the build pushed, by digest. What cannot be done as the file asks is an error
//! where the app would run otherwise, and a warning where it would not.

mod deploy;
mod service;
mod substitute;
#[cfg(test)]
mod tests;

use super::fields::{map, shown};
use crate::{
    config::{App, TargetKind},
    diagnostics::{Diagnostics, Problem, Report},
    document::{self, Entry, Node, Value},
    release::ReleaseSettings,
};

/// The part of the reference that tells of all this.
const ANCHOR: &str = "compose-files";

/// What a compose file asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Composed {
    /// The settings of each released app, in the file's order.
    pub(crate) apps: Vec<(String, ReleaseSettings)>,
    /// What is not done as it is written, and changes nothing that an app could tell.
    pub(crate) warnings: Diagnostics,
}

/// Reads a compose file for these apps on this kind of engine. `file_name` is what the problems call it.
///
/// # Errors
/// With every problem that could be found at once, each with its place.
pub(crate) fn read(file_name: &str, text: &str, apps: &[App], target: TargetKind) -> Result<Composed, Diagnostics> {
    let mut report = Report::new(file_name, text);
    let found = report.within(ANCHOR, |report| {
        let root = document::read(text, report)?;
        let root = substitute::all(&root, report);
        file(&root, apps, target, report)
    });
    match found {
        Some(apps) if !report.has_errors() => Ok(Composed { apps, warnings: report.into_warnings() }),
        _ => Err(report.into_errors()),
    }
}

fn file(
    root: &Node,
    apps: &[App],
    target: TargetKind,
    report: &mut Report<'_>,
) -> Option<Vec<(String, ReleaseSettings)>> {
    let mut composed: Vec<(String, ReleaseSettings)> = Vec::new();
    for entry in map(root, "a compose file", report)? {
        match entry.key.as_str() {
            "services" => {
                for service in map(&entry.value, "the services", report).unwrap_or_default() {
                    if report.is_full() {
                        break;
                    }
                    composed.extend(of_service(service, apps, target, &composed, report));
                }
            }
            "volumes" => volumes(&entry.value, report),
            "networks" => {
                let why = "the apps of an environment share a network of their own, by their names";
                report.warn(entry.place, Problem::new(format!("\"networks\" changes nothing: {why}")));
            }
            "version" | "name" => {}
            key if key.starts_with("x-") => {}
            key => {
                let problem = Problem::new(format!("\"{}\" of a compose file is not supported", shown(key)));
                report.add(entry.place, problem.expected("services, volumes, networks, version, name or x-…"));
            }
        }
    }
    let is_there = |app: &&App| composed.iter().any(|(name, _)| *name == app.name);
    for app in apps.iter().filter(|app| app.release.is_some() && !is_there(app)) {
        let problem = Problem::new(format!("no service runs the app \"{}\", which is released", app.name));
        report.add_whole(problem.expected(format!("a service with image: {}", app.image)));
    }
    Some(composed)
}

/// The settings of the app that a service runs.
fn of_service(
    entry: &Entry,
    apps: &[App],
    target: TargetKind,
    before: &[(String, ReleaseSettings)],
    report: &mut Report<'_>,
) -> Option<(String, ReleaseSettings)> {
    let fields = map(&entry.value, "a service", report)?;
    let Some(app) = app_of(&entry.key, fields, apps) else {
        let problem =
            Problem::new(format!("the service \"{}\" runs no image of captain.yml's apps", shown(&entry.key)));
        let expected = "the image of an app; what others make, such as a database, runs beside the environment, and apps \
                        are told its address by \"environment\" or a secret";
        report.add(entry.place, problem.expected(expected));
        return None;
    };
    let Some(own) = &app.release else {
        let problem = Problem::new(format!("the app \"{}\" is not released", app.name));
        report.add(entry.place, problem.expected("\"release: {}\" at the app in captain.yml"));
        return None;
    };
    if before.iter().any(|(name, _)| *name == app.name) {
        let problem = Problem::new(format!("a second service runs the app \"{}\"", app.name));
        report.add(entry.place, problem.expected("one service for each app"));
        return None;
    }
    Some((app.name.clone(), service::read(fields, own, target, report)))
}

/// The app whose image a service runs, whatever its tag; where it names none but a build, the app of its own name.
fn app_of<'a>(service: &str, fields: &[Entry], apps: &'a [App]) -> Option<&'a App> {
    let image = fields.iter().find(|field| field.key == "image").and_then(|field| match &field.value.value {
        Value::Scalar(image) => Some(without_tag(image)),
        _ => None,
    });
    let is_built = fields.iter().any(|field| field.key == "build");
    match image {
        Some(image) => apps.iter().find(|app| app.image == image),
        None => apps.iter().find(|app| is_built && app.name == service),
    }
}

/// An image's name without its tag and digest.
fn without_tag(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

/// Volumes are made by the environment under their names; one of another kind cannot be.
fn volumes(node: &Node, report: &mut Report<'_>) {
    for volume in map(node, "the volumes", report).unwrap_or_default() {
        for option in map(&volume.value, "a volume", report).unwrap_or_default() {
            if !matches!(option.key.as_str(), "name" | "labels") {
                let problem = Problem::new(format!("\"{}\" of a volume is not supported", shown(&option.key)));
                report.add(option.place, problem.expected("a plain volume of the environment's own"));
            }
        }
    }
}
