//! The tags of a working tree's images, as captain gives them.
//!
//! A clean tree's image is `latest`, the commit, and every branch and git tag that stands there; with local changes it is
//! `latest` only, because no name of a commit would be true.

use std::collections::BTreeMap;

use slipway_pipelines::{
    config::{App, CommitLength, Config, Latest, TagRule},
    plan::{Action, Plan, Reference, Trigger},
    tags::{Rules, tags},
};

use super::flags::{Names, Selection};
use crate::cli::{
    Failure, exit,
    tree::{Assumptions, WorkingTree},
};

/// The tag that every local image has.
pub(super) const LATEST: &str = "latest";

/// What images of a tree are called.
pub(super) struct Naming<'a> {
    tree: &'a WorkingTree,
    trigger: Trigger,
    names: &'a Names,
    is_long: bool,
}

impl<'a> Naming<'a> {
    pub(super) fn new(tree: &'a WorkingTree, names: &'a Names, is_long: bool) -> Result<Self, Failure> {
        if let Some(tag) = names.tag.as_deref().filter(|tag| !is_tag(tag)) {
            let text =
                format!("\"{tag}\" cannot be a tag: expected letters, digits, \"_\", \".\" and \"-\", at most 128");
            return Err(Failure::new(text).with_code(exit::USAGE));
        }
        Ok(Naming { tree, trigger: tree.trigger(Assumptions::default()), names, is_long })
    }

    /// Whether what is built is what the commit holds.
    pub(super) fn is_true(&self) -> bool {
        self.tree.git.as_ref().is_some_and(|git| !git.is_dirty)
    }

    /// The tags of the branch, or of all branches at the commit, and of the git tags there.
    pub(super) fn labels(&self) -> Vec<String> {
        let Some(git) = &self.tree.git else { return Vec::new() };
        let own = self.tree.has_name().then(|| self.trigger.reference.clone());
        let others = git.branches_here.iter().filter(|_| self.names.all_branches);
        let others = others.map(|branch| Reference::Branch(branch.clone()));
        let marks = git.tags_here.iter().map(|tag| Reference::Tag(tag.clone()));
        let mut labels = Vec::new();
        for label in own.into_iter().chain(others).chain(marks).filter_map(|reference| self.label(reference)) {
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        labels
    }

    /// The tag that a branch or git tag gives.
    pub(super) fn label(&self, reference: Reference) -> Option<String> {
        let trigger = Trigger { reference, ..self.trigger.clone() };
        self.by(&[TagRule::Branch], CommitLength::Short, &trigger)
    }

    /// The tag that the commit gives to the images of an app.
    pub(super) fn commit(&self, config: &Config, app: &str) -> Option<String> {
        self.tree.git.as_ref()?;
        self.by(&[TagRule::Commit], self.length(config, app_of(config, app)), &self.trigger)
    }

    /// By app of the plan: the whole names that its image has on the engine.
    pub(super) fn local(&self, config: &Config, plan: &Plan) -> BTreeMap<String, Vec<String>> {
        let mut names = BTreeMap::new();
        for step in &plan.steps {
            let Action::Build { image, .. } = &step.action else { continue };
            let mut tags = vec![LATEST.to_owned()];
            match &self.tree.git {
                None => tags.extend(self.names.tag.clone()),
                Some(git) if git.is_dirty => {}
                Some(_) => {
                    tags.extend(self.commit(config, &step.app));
                    tags.extend(self.labels());
                    tags.extend(self.names.tag.clone());
                }
            }
            tags.dedup();
            names.insert(step.app.clone(), tags.iter().map(|tag| format!("{image}:{tag}")).collect());
        }
        names
    }

    /// Lets the apps be pushed under captain's tags. An app that chose tags of its own keeps them.
    pub(super) fn choose(&self, config: &mut Config, selection: &Selection) {
        let labels = self.labels();
        let chosen = |text: &String| TagRule::Text(text.replace('$', "$$"));
        let is_default = config.defaults.latest == Latest::default();
        for app in &mut config.apps {
            if app.tags == TagRule::defaults() && app.latest.is_none() && is_default {
                app.tags = Vec::new();
                if selection.branch_tags && !labels.is_empty() {
                    // The branch's own tag is made by the plan, and the others are texts beside it.
                    let own = self.tree.has_name().then(|| self.label(self.trigger.reference.clone())).flatten();
                    app.tags.extend(own.is_some().then_some(TagRule::Branch));
                    app.tags.extend(labels.iter().filter(|label| own.as_ref() != Some(*label)).map(chosen));
                }
                app.tags.push(TagRule::Latest);
                app.latest = Some(Latest::Always);
            }
            if selection.commit_tags && !app.tags.contains(&TagRule::Commit) {
                app.tags.push(TagRule::Commit);
            }
            if self.is_long {
                app.commit_length = Some(CommitLength::Full);
            }
            app.tags.extend(self.names.tag.iter().filter(|tag| !labels.contains(tag)).map(chosen));
        }
    }

    fn length(&self, config: &Config, app: Option<&App>) -> CommitLength {
        let own = app.and_then(|app| app.commit_length).unwrap_or(config.defaults.commit_length);
        if self.is_long { CommitLength::Full } else { own }
    }

    fn by(&self, rules: &[TagRule], commit_length: CommitLength, trigger: &Trigger) -> Option<String> {
        let rules = Rules { rules, commit_length, latest: Latest::Always, values: &[] };
        tags(&rules, trigger, &self.tree.refs()).ok()?.into_iter().next()
    }
}

/// The app of the file that a plan's app comes from: combinations of a matrix are named `web (NODE=18)`.
pub(super) fn app_of<'a>(config: &'a Config, planned: &str) -> Option<&'a App> {
    let name = planned.split_once(" (").map_or(planned, |(name, _)| name);
    config.apps.iter().find(|app| app.name == name)
}

/// Whether a text can be a tag, as the Docker engine reads one.
/// <https://github.com/distribution/reference/blob/main/regexp.go>
fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=128).contains(&text.len()) && text.starts_with(word) && text.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}
