//! `slipway plan`.

use clap::Args;
use slipway_pipelines::{
    config::Event,
    plan::{Goal, Plan, Reference, Scope, Trigger, plan, render},
};

use super::unplanned;
use crate::cli::{
    Failure,
    listing::note,
    say,
    tree::{Assumptions, Changes, WorkingTree},
};

/// Shows what a build would do, and why: as a tree, or as JSON.
#[derive(Debug, Args)]
pub(in crate::cli) struct PlanCommand {
    /// The one app that is wanted, with what it needs.
    app: Option<String>,
    /// As if this branch were pushed.
    #[arg(long, value_name = "NAME", conflicts_with = "tag")]
    branch: Option<String>,
    /// As if this tag were pushed.
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
    /// What causes the build: push, tag, pull_request, manual or schedule.
    #[arg(long, value_name = "EVENT", value_parser = event)]
    event: Option<Event>,
    /// The files that the push changed; otherwise those that differ from the upstream, or from the commit before.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    changed: Option<Vec<String>>,
    /// Prints the plan as JSON.
    #[arg(long)]
    json: bool,
}

impl PlanCommand {
    pub(in crate::cli) fn run(self, namespace: &str) -> Result<(), Failure> {
        let tree = WorkingTree::open(&std::env::current_dir()?, namespace)?;
        let config = tree.config()?;
        let reference = self.branch.map(Reference::Branch).or_else(|| self.tag.map(Reference::Tag));
        let mut trigger = tree.trigger(Assumptions { reference, event: self.event, changed: None });
        let changes = known_changes(&tree, &trigger.reference);
        let since = match (&self.changed, changes) {
            (Some(_), _) => None,
            (None, Some(changes)) => Some(format!("{} changed since {}", counted(&changes.paths), changes.since)),
            (None, None) => Some("what changed is not known".to_owned()),
        };
        trigger.changed = self.changed.or_else(|| changes.map(|changes| changes.paths.clone()));
        let of = described(&tree, &trigger.reference, since);
        let scope = Scope { goal: Goal::Push, app: self.app };
        let situation = tree.situation(&config, trigger, scope);
        let planned = plan(&config, &situation).map_err(|error| unplanned(&error))?;
        if let Some(hint) = tree.other_file() {
            note(hint);
        }
        show(&planned, &situation.trigger, &of, self.json)
    }
}

/// What changed in the tree, where that is what a push of the reference would bring: it is the branch that is checked out.
fn known_changes<'t>(tree: &'t WorkingTree, reference: &Reference) -> Option<&'t Changes> {
    let branch = tree.git.as_ref()?.branch.as_ref()?;
    let is_checked_out = matches!(reference, Reference::Branch(name) if name == branch);
    tree.changes.as_ref().filter(|_| is_checked_out)
}

fn show(plan: &Plan, trigger: &Trigger, of: &str, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return Ok(say(serde_json::to_string_pretty(plan)?)?);
    }
    say(of)?;
    Ok(say(render::tree(plan, trigger).trim_end())?)
}

/// What is planned, in a line.
fn described(tree: &WorkingTree, reference: &Reference, since: Option<String>) -> String {
    let (kind, name) = match reference {
        Reference::Branch(name) => ("branch", name),
        Reference::Tag(name) => ("tag", name),
    };
    let mut text = format!("{} on {kind} {name}", tree.repository());
    for more in since.into_iter().chain((!tree.has_file()).then(|| "no captain.yml, its Dockerfiles are built".into()))
    {
        text.push_str("; ");
        text.push_str(&more);
    }
    text
}

fn counted(paths: &[String]) -> String {
    match paths {
        [one] => format!("{one} was"),
        more => format!("{} files were", more.len()),
    }
}

fn event(text: &str) -> Result<Event, String> {
    Event::named(text).ok_or_else(|| {
        let names: Vec<_> = Event::ALL.iter().map(|event| event.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}
