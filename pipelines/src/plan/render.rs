//! A plan for people to read.

use std::fmt::Write as _;

use super::{Action, Phase, Plan, PlannedService, PlannedStep, Reference, Trigger};
use crate::config::{Event, Source};

/// The plan as a tree: every app in the order in which it is begun, its services and its steps with the reasons for their
/// place or for their being skipped; then what is released of a build with this trigger, and the warnings.
#[must_use]
pub fn tree(plan: &Plan, trigger: &Trigger) -> String {
    let mut apps: Vec<&str> = Vec::new();
    for step in &plan.steps {
        if !apps.contains(&step.app.as_str()) {
            apps.push(&step.app);
        }
    }
    let width = plan.steps.len().to_string().len();
    let mut text = String::new();
    for app in apps {
        line(&mut text, app);
        let steps: Vec<&PlannedStep> = plan.steps.iter().filter(|step| step.app == app).collect();
        for service in plan.services.iter().filter(|service| service.app == app) {
            line(&mut text, &format!("├─ {:width$} service {}", "", of_service(service)));
        }
        for (at, step) in steps.iter().enumerate() {
            let (branch, trunk) = if at + 1 == steps.len() { ("└─", "  ") } else { ("├─", "│ ") };
            let sign = if step.skipped.is_some() { "○" } else { "●" };
            line(&mut text, &format!("{branch} {:>width$} {sign} {}", step.index, of_step(step)));
            let skipped = step.skipped.as_ref().map(|reason| format!("skipped: {reason}"));
            if let Some(reason) = step.reason.clone().or(skipped) {
                line(&mut text, &format!("{trunk} {:width$}   {reason}", ""));
            }
        }
    }
    releases(plan, trigger, &mut text);
    for warning in &plan.warnings {
        line(&mut text, &format!("warning: {warning}"));
    }
    text
}

fn of_step(step: &PlannedStep) -> String {
    match &step.action {
        Action::Run { phase, services, engine, .. } => {
            let phase = match phase {
                Phase::Pre => "pre",
                Phase::Post => "post",
                Phase::Test => "test",
            };
            let with = if services.is_empty() { String::new() } else { format!(" (with {})", services.join(", ")) };
            let engine = if *engine { " (with an engine)" } else { "" };
            format!("{phase} {}{with}{engine}", step.name)
        }
        Action::Push { tags, .. } if !tags.is_empty() => format!("{}: {}", step.name, tags.join(" ")),
        Action::Build { .. } | Action::Push { .. } => step.name.clone(),
    }
}

fn of_service(service: &PlannedService) -> String {
    match &service.built {
        Some(app) => format!("{}: the image of {app}", service.name),
        None => format!("{}: {}", service.name, service.image),
    }
}

/// Where a build is released by itself; what is promoted from there is people's matter, or comes later.
fn releases(plan: &Plan, trigger: &Trigger, text: &mut String) {
    let apps: Vec<&str> = plan.release.apps.keys().map(String::as_str).collect();
    if apps.is_empty() {
        return;
    }
    let (of, branch) = match (trigger.event, &trigger.reference) {
        (Event::PullRequest, _) => ("pull requests".to_owned(), None),
        (_, Reference::Tag(_)) => ("tags".to_owned(), None),
        (_, Reference::Branch(name)) => (format!("the branch {name}"), Some(name)),
    };
    let takes = |from: &Source| matches!(from, Source::Branch { branch: taken } if Some(taken) == branch);
    let environments: Vec<&str> = plan
        .release
        .environments
        .iter()
        .filter(|environment| takes(&environment.from))
        .map(|environment| environment.name.as_str())
        .collect();
    if environments.is_empty() {
        line(text, &format!("no release: no environment takes {of}"));
        return;
    }
    line(text, &format!("release of {} to {}", apps.join(", "), environments.join(", ")));
    for (app, reason) in &plan.release.left_out {
        line(text, &format!("  {app} stays as it is: {reason}"));
    }
}

/// Adds a line, without what could move a terminal's cursor or colour it.
fn line(text: &mut String, line: &str) {
    for c in line.chars().filter(|c| !c.is_control()) {
        text.push(c);
    }
    // Writing to a string does not fail.
    let _ = writeln!(text);
}
