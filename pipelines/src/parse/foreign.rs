//! Files of this name that are not of this format: captain's own old one, and those of other tools.

use crate::{
    convert,
    diagnostics::{Problem, Report},
    document::{Entry, Node, Value},
};

/// How much of a converted file a message shows, in lines.
const MAX_SHOWN: usize = 40;

/// Files of other tools, by a top-level key that their files have and no app could be.
const OTHERS: [(&str, &str); 12] = [
    ("captainVersion", "CapRover's one-click app template"),
    ("caproverOneClickApp", "CapRover's one-click app template"),
    ("apiVersion", "a Kubernetes manifest"),
    ("jobs", "a GitHub Actions or CircleCI workflow"),
    ("stages", "a GitLab CI configuration"),
    ("pipeline", "a Drone or Woodpecker pipeline"),
    ("language", "a Travis CI configuration"),
    ("hosts", "an Ansible play"),
    ("commands", "a command list of another tool"),
    ("before_script", "a GitLab CI configuration"),
    ("swagger", "an API description"),
    ("openapi", "an API description"),
];

/// Reports a file that is in captain's old format or another tool's; whether it did.
pub(super) fn report(entries: &[Entry], text: &str, report: &mut Report<'_>) -> bool {
    if let Some(entry) = entries.iter().find(|entry| convert::is_old(entry)) {
        let problem =
            Problem::new("this is captain's old format, from before apps had names").see("captains-old-format");
        let expected = match convert::modernise(text) {
            Some(converted) => {
                format!("the same in today's form, which slipway lint --fix writes:\n\n{}", shown(&converted))
            }
            None => "an entry for each image, with its tests under \"test\"".to_owned(),
        };
        report.add(entry.place, problem.expected(expected));
        return true;
    }
    if entries.iter().any(|entry| looks_like_an_app(&entry.value)) {
        return false;
    }
    let found = entries.iter().find_map(|entry| {
        let (_, tool) = OTHERS.iter().find(|(key, _)| *key == entry.key)?;
        Some((entry, *tool))
    });
    let compose = || {
        let services = entries.iter().find(|entry| entry.key == "services")?;
        let has_services = matches!(&services.value.value, Value::Map(fields) if fields.iter().any(|field| looks_like_an_app(&field.value)));
        has_services.then_some((services, "a Compose file"))
    };
    let Some((entry, tool)) = found.or_else(compose) else { return false };
    let problem = Problem::new(format!("this looks like {tool}, which happens to bear the name captain.yml"));
    report.add(entry.place, problem.expected("a map of apps, each with an image").see("the-file"));
    true
}

/// Reports a file that is no map at all.
pub(super) fn report_no_map(root: &Node, report: &mut Report<'_>) {
    let is_play = matches!(&root.value, Value::List(items) if items.iter().any(is_play));
    let problem = if is_play {
        Problem::new("this looks like an Ansible playbook, which happens to bear the name captain.yml")
    } else {
        Problem::new(format!("the file holds {}", root.kind()))
    };
    report.add(root.place, problem.expected("a map of apps, each with an image").see("the-file"));
}

fn is_play(node: &Node) -> bool {
    matches!(&node.value, Value::Map(fields) if fields.iter().any(|field| matches!(field.key.as_str(), "hosts" | "tasks" | "roles")))
}

fn looks_like_an_app(node: &Node) -> bool {
    let is_text = |field: &Entry| matches!(field.value.value, Value::Scalar(_));
    matches!(&node.value, Value::Map(fields)
        if fields.iter().any(|field| matches!(field.key.as_str(), "image" | "build") && is_text(field)))
}

/// The first lines of a text, set off from the message.
fn shown(text: &str) -> String {
    let mut shown: String = text
        .lines()
        .take(MAX_SHOWN)
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") })
        .collect();
    if text.lines().nth(MAX_SHOWN).is_some() {
        shown.push_str("    …\n");
    }
    shown
}
