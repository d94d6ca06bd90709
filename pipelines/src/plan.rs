//! From a configuration and a trigger to the steps to run, in order, with the reasons for what is left out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod compose;
mod engine;
mod error;
mod instances;
mod matrix;
mod needs;
mod order;
mod preview;
mod pushes;
mod recipe;
pub mod render;
mod scope;
mod services;
mod steps;
mod templates;
mod warnings;

pub use compose::compose_files;
pub use error::PlanError;
pub use instances::dockerfiles;
pub use order::plan;
pub use preview::{Preview, PreviewedLine, PreviewedStep, Standing};

use crate::{
    config::{Attestation, BuildCache, ContainerRun, Environment, Event, Mount, Pairs, Ready, Schedule},
    release::ReleaseSettings,
};

/// Everything besides the configuration that a plan depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Situation {
    /// What caused the build.
    pub trigger: Trigger,
    /// What else the repository has.
    pub refs: Refs,
    /// What the commit holds.
    pub tree: Tree,
    /// How much of the configuration is wanted.
    pub scope: Scope,
}

/// What a plan needs to know of a commit's files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// The paths of all files; none where nobody looked, and then nothing is said of patterns that match no file.
    pub files: Option<Vec<String>>,
    /// The texts of the Dockerfiles that the configuration names, by their paths, as far as they could be read. What
    /// their `FROM` and `COPY --from` name is needed first.
    pub dockerfiles: BTreeMap<String, String>,
    /// The texts of the compose files that the environments name, by their paths, as far as they could be read.
    #[serde(default)]
    pub compose: BTreeMap<String, String>,
}

/// How much of a configuration a plan holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// How far it goes.
    pub goal: Goal,
    /// The one app that is wanted, with what it needs; none means all.
    pub app: Option<String>,
}

/// How far a plan goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// `pre`, the image, `post`.
    Build,
    /// The tests, too.
    Test,
    /// All of it.
    #[default]
    Push,
}

/// What caused a build, as far as the plan depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// The repository, `owner/name`.
    pub repository: String,
    /// The build's number.
    pub number: i64,
    /// What caused it.
    pub event: Event,
    /// The branch or tag; the target's branch for a pull request.
    pub reference: Reference,
    /// The exact commit, 40 hexadecimal digits.
    pub commit: String,
    /// The branch whose builds may move `latest`.
    pub default_branch: String,
    /// The paths that the push changed; none where that is not known, and then every pattern of paths matches.
    pub changed: Option<Vec<String>>,
    /// Who wrote the commit.
    pub author: String,
    /// The commit's message.
    pub message: String,
    /// The pull request that is built, where it is one.
    pub pull_request: Option<PullRequest>,
}

/// A wish to merge one branch into another. What is built of it is what the merge would give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PullRequest {
    /// Its number at the forge.
    pub number: i64,
    /// The branch that it comes from: any text, by whoever asks for the merge.
    pub head: String,
    /// The branch that it is to be merged into.
    pub base: String,
}

/// The branch or tag that is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "name", rename_all = "snake_case")]
pub enum Reference {
    /// `refs/heads/…`
    Branch(String),
    /// `refs/tags/…`
    Tag(String),
}

/// What else the repository has, as far as it is known: it decides which name keeps a tag that two could have, and
/// keeps an older version from moving the tags of a newer one. Empty is fine, and then nothing is in the way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refs {
    /// Its branches, such as `main` and `feature/x`.
    pub branches: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
}

/// Everything that one build does after its checkout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps; a step needs only earlier ones. Their indices count from 1, as 0 is the checkout.
    pub steps: Vec<PlannedStep>,
    /// The containers beside the steps, started when the first step that names them begins.
    pub services: Vec<PlannedService>,
    /// What is legal and surely not meant, in sentences.
    pub warnings: Vec<String>,
    /// What follows when all of them succeeded.
    pub release: ReleasePlan,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its place in the build, from 1.
    pub index: u32,
    /// The app it belongs to.
    pub app: String,
    /// What people read.
    pub name: String,
    /// The steps that must have succeeded, or been skipped by the plan, first.
    pub needs: Vec<u32>,
    /// Why it stands where it stands, where that is not plain from the order of its app.
    pub reason: Option<String>,
    /// Why it does not run in this build, such as `when.branch is main, this is feature/x`.
    pub skipped: Option<String>,
    /// How long it may take, in milliseconds; none means the runner's own limit.
    pub timeout_ms: Option<u64>,
    /// What it does.
    pub action: Action,
}

/// A container that runs beside steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedService {
    /// The app whose steps it serves. Steps of other apps do not reach it, so that two apps may each have a `db`.
    pub app: String,
    /// Its address for them; unique within the app.
    pub name: String,
    /// The image; empty where `built` is set.
    pub image: String,
    /// The app whose just-built image it runs.
    pub built: Option<String>,
    /// Its variables, expanded.
    pub env: Pairs,
    /// Secrets among its variables.
    pub secrets: Vec<String>,
    /// The command, in place of the image's own.
    pub command: Option<Vec<String>>,
    /// How to tell that it is ready; none means the image's own HEALTHCHECK, or that it runs.
    pub ready: Option<Ready>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Runs a command in a container.
    Run {
        /// Which of the app's lists the command stands in.
        phase: Phase,
        /// The container.
        run: StepRun,
        /// Secrets that it finds in its environment.
        secrets: Vec<String>,
        /// The app's services that must be ready first, by name.
        services: Vec<String>,
        /// Whether it gets a Docker engine of its own, bounded to the build.
        engine: bool,
    },
    /// Builds the app's image.
    Build {
        /// The Dockerfile's path within the repository.
        dockerfile: String,
        /// The context's folder within the repository.
        context: String,
        /// The image's name without a tag.
        image: String,
        /// The stage to build; none means the last.
        target: Option<String>,
        /// Build arguments, expanded.
        build_args: Vec<(String, String)>,
        /// Secrets that `RUN --mount=type=secret` may read.
        secrets: Vec<String>,
        /// Where layers are looked for.
        cache: BuildCache,
        /// Whether the images that it builds on are taken by the digests that they have now.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pin: bool,
    },
    /// Tags and pushes the app's image.
    Push {
        /// The image's name without a tag.
        image: String,
        /// The tags, at least one unless the step is skipped.
        tags: Vec<String>,
        /// What is attached to it in its registry.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attest: Vec<Attestation>,
    },
}

/// Where a command stands in its app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before the image is built.
    Pre,
    /// After the image is built.
    Post,
    /// Before anything is pushed.
    Test,
}

/// A container that runs one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "run", rename_all = "snake_case")]
pub enum StepRun {
    /// A text for the shell of an image, in the workspace; successive ones of an app and an image may share one container.
    Shell {
        /// The image.
        image: String,
        /// The app whose just-built image it is.
        built: Option<String>,
        /// The text.
        line: String,
        /// Whether the first of its lines that fails is the end.
        strict: bool,
        /// Slipway's variables and its own.
        env: Vec<(String, String)>,
        /// Cache volumes.
        mounts: Vec<Mount>,
    },
    /// A container of its own.
    Container {
        /// The app whose just-built image it runs, where the image named is one of this configuration's.
        built: Option<String>,
        /// The container; its `env` includes Slipway's variables.
        container: Box<ContainerRun>,
    },
}

/// What a successful build may release, and where. Kept with the build, so that a promotion months later uses the
/// settings of the commit that was tested.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReleasePlan {
    /// The apps that are released at all, with their own settings.
    pub apps: BTreeMap<String, ReleaseSettings>,
    /// The environments in file order.
    pub environments: Vec<Environment>,
    /// The schedules in file order.
    #[serde(default)]
    pub schedules: Vec<Schedule>,
    /// The apps among `apps` that this build did not push, as a condition or their rule says, with the reason: a release
    /// goes on with what is live of them.
    #[serde(default)]
    pub left_out: BTreeMap<String, String>,
    /// The commits that it brings: those since the newest successful build of the ref before it, newest first. Whoever has
    /// the repository fills them in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<CommitLine>,
    /// Who wrote those of them that are too many to be named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_authors: Vec<String>,
}

/// A commit in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommitLine {
    /// Its name, 40 hexadecimal digits.
    pub name: String,
    /// The first line of its message.
    pub subject: String,
    /// Who wrote it, as it says itself.
    pub author: String,
}

#[cfg(test)]
mod tests;
