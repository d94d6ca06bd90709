//! Plans of whole files, as a person sees them.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod compose;
mod conditions;
mod matrix;
mod needs;
mod order;
mod recipe;
mod scope;
mod services;
mod steps;

use super::*;
use crate::{detect::RepositoryFacts, parse};

fn config(text: &str) -> crate::config::Config {
    parse::parse("captain.yml", text, &RepositoryFacts { repository: "shop/web" }).unwrap().config
}

fn trigger(event: Event, reference: Reference) -> Trigger {
    Trigger {
        repository: "shop/web".to_owned(),
        number: 7,
        event,
        reference,
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        default_branch: "main".to_owned(),
        changed: None,
        author: "Ada <ada@example.com>".to_owned(),
        message: "Add a shop".to_owned(),
        pull_request: None,
    }
}

fn situation(event: Event, reference: Reference) -> Situation {
    Situation {
        trigger: trigger(event, reference),
        refs: Refs::default(),
        tree: Tree::default(),
        scope: Scope::default(),
    }
}

fn on_branch(name: &str) -> Situation {
    situation(Event::Push, Reference::Branch(name.to_owned()))
}

fn on_tag(name: &str) -> Situation {
    situation(Event::Tag, Reference::Tag(name.to_owned()))
}

/// A push to main with these Dockerfiles.
fn with_dockerfiles(files: &[(&str, &str)]) -> Situation {
    let mut situation = on_branch("main");
    let owned = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    situation.tree.dockerfiles = owned.collect();
    situation
}

fn planned(text: &str, situation: &Situation) -> Plan {
    plan(&config(text), situation).unwrap()
}

/// The plan as `slipway plan` shows it.
fn tree(text: &str, situation: &Situation) -> String {
    render::tree(&planned(text, situation), &situation.trigger)
}

fn error(text: &str, situation: &Situation) -> String {
    plan(&config(text), situation).unwrap_err().to_string()
}

/// The step of this name.
fn step<'p>(plan: &'p Plan, name: &str) -> &'p PlannedStep {
    plan.steps.iter().find(|step| step.name == name).unwrap()
}
