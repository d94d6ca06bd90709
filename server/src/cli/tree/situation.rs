//! The working tree as the planner wants to know it.

use slipway_pipelines::{
    config::{Config, Event},
    plan::{Reference, Refs, Scope, Situation, Tree, Trigger, compose_files, dockerfiles},
};

use super::WorkingTree;

/// The branch that is assumed where there is no git.
const BRANCH_WITHOUT_GIT: &str = "main";

/// What git itself calls a commit that is checked out without a branch.
const NO_NAME: &str = "HEAD";

/// What differs from the state of the tree.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Assumptions {
    /// Another branch or tag.
    pub(in crate::cli) reference: Option<Reference>,
    /// Another event than a push, or than a tag on a tag.
    pub(in crate::cli) event: Option<Event>,
    /// What is taken as changed; none takes everything for it.
    pub(in crate::cli) changed: Option<Vec<String>>,
}

impl WorkingTree {
    /// The trigger of a build of this tree.
    pub(in crate::cli) fn trigger(&self, assumed: Assumptions) -> Trigger {
        let reference = assumed.reference.unwrap_or_else(|| self.reference());
        let event = assumed.event.unwrap_or(match reference {
            Reference::Branch(_) => Event::Push,
            Reference::Tag(_) => Event::Tag,
        });
        let git = self.git.as_ref();
        let text = |of: fn(&super::Git) -> &String| git.map(of).cloned().unwrap_or_default();
        Trigger {
            repository: self.repository().to_owned(),
            number: 0,
            event,
            reference,
            commit: text(|git| &git.commit),
            default_branch: git.map_or_else(|| BRANCH_WITHOUT_GIT.to_owned(), |git| git.default_branch.clone()),
            changed: assumed.changed,
            author: text(|git| &git.author),
            message: text(|git| &git.message),
            pull_request: None,
        }
    }

    /// Everything that a plan of this tree depends on.
    pub(in crate::cli) fn situation(&self, config: &Config, trigger: Trigger, scope: Scope) -> Situation {
        let texts = |paths: Vec<String>| {
            paths.into_iter().filter_map(|path| self.read(&path).map(|text| (path, text))).collect()
        };
        let tree = Tree {
            files: Some(self.files.clone()),
            dockerfiles: texts(dockerfiles(config, &trigger)),
            compose: texts(compose_files(config)),
        };
        Situation { trigger, refs: self.refs(), tree, scope }
    }

    /// The other branches and tags.
    pub(in crate::cli) fn refs(&self) -> Refs {
        let of = |git: &super::Git| Refs {
            branches: git.branches.keys().cloned().collect(),
            tags: git.tags.keys().cloned().collect(),
        };
        self.git.as_ref().map(of).unwrap_or_default()
    }

    /// The branch that is checked out; where a commit is, a branch that stands there, else a tag that does.
    fn reference(&self) -> Reference {
        let Some(git) = &self.git else { return Reference::Branch(BRANCH_WITHOUT_GIT.to_owned()) };
        let branch = |name: &String| Reference::Branch(name.clone());
        let remote = || git.branches.iter().find(|(_, tips)| tips.contains(&git.commit)).map(|(name, _)| branch(name));
        git.branch
            .as_ref()
            .or(git.branches_here.first())
            .map(branch)
            .or_else(|| git.tags_here.first().map(|name| Reference::Tag(name.clone())))
            .or_else(remote)
            .unwrap_or_else(|| Reference::Branch(NO_NAME.to_owned()))
    }

    /// Whether a branch or tag stands at the commit; an older one has no name that images could bear.
    pub(in crate::cli) fn has_name(&self) -> bool {
        self.git.is_some() && self.reference() != Reference::Branch(NO_NAME.to_owned())
    }
}
