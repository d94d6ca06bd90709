//! The validated configuration: what one captain.yml says, with every shorthand resolved and every name checked.

mod environment;
mod step;
mod when;

pub use environment::{
    Approvals, Bake, Environment, Latency, Limits, Pace, Quota, Share, Source, Span, Strategy, TargetKind, Usage,
    Window,
};
pub use step::{Command, ContainerRun, Mount, MountSource, Step, Tmpfs};
pub use when::{Event, When};

use serde::{Deserialize, Serialize};

use crate::release::ReleaseSettings;

/// Variables or build arguments, in file order.
pub type Pairs = Vec<(String, String)>;

/// A whole captain.yml.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// `defaults`.
    pub defaults: Defaults,
    /// The apps in file order.
    pub apps: Vec<App>,
    /// The environments in file order.
    pub environments: Vec<Environment>,
    /// The schedules in file order.
    pub schedules: Vec<Schedule>,
}

/// What holds where an app or a step does not say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defaults {
    /// The image that plain commands run in; none means Slipway's own choice, see [`crate::parse::DEFAULT_STEP_IMAGE`]
    /// and [`crate::parse::DEFAULT_ENGINE_IMAGE`].
    pub step_image: Option<String>,
    /// How long a step may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// How many digits of the commit the tag `commit` has.
    pub commit_length: CommitLength,
    /// Which builds move the tag `latest`.
    pub latest: Latest,
}

/// One top-level entry: an image to build, with the steps around it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct App {
    /// Its name.
    pub name: String,
    /// The Dockerfile's path within the repository; a template.
    pub dockerfile: String,
    /// The build context's folder within the repository; `.` is the root. The Dockerfile's own folder unless given, as
    /// captain has it. A template.
    pub context: String,
    /// The stage to build; a template.
    pub target: Option<String>,
    /// The image's name without a tag; a template.
    pub image: String,
    /// The apps that must be built first, as written. The plan adds what `FROM` and `COPY --from` name.
    pub needs: Vec<String>,
    /// Build arguments; the values are templates.
    pub build_args: Pairs,
    /// Secrets that `RUN --mount=type=secret,id=NAME` may read.
    pub build_secrets: Vec<String>,
    /// Where the layers of its image are looked for that its engine does not have.
    pub build_cache: BuildCache,
    /// The image that the app's plain commands run in.
    pub step_image: Option<String>,
    /// Variables of all of its steps.
    pub env: Pairs,
    /// Secrets that all of its steps find in their environment.
    pub secrets: Vec<String>,
    /// Steps before the image is built.
    pub pre: Vec<Step>,
    /// Steps after the image is built.
    pub post: Vec<Step>,
    /// Steps that must pass before anything is pushed.
    pub test: Vec<Step>,
    /// Containers beside `pre` and `test`, reached by name.
    pub services: Vec<Service>,
    /// When the app takes part in a build at all.
    pub when: When,
    /// How long each of its steps may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The variables over whose combinations the app is repeated; empty for one that is not.
    pub matrix: Matrix,
    /// Its tags.
    pub tags: Vec<TagRule>,
    /// How many digits of the commit the tag `commit` has, where the defaults are not meant.
    pub commit_length: Option<CommitLength>,
    /// Which builds move the tag `latest`, where the defaults are not meant.
    pub latest: Option<Latest>,
    /// Which builds push its image.
    pub push: PushRule,
    /// What is attached to its image where it is pushed.
    pub attest: Vec<Attestation>,
    /// Whether the images that it builds on are asked for at their registries, and taken by their digests.
    pub pin: bool,
    /// How the app runs where it is released; none means that it is built and pushed only.
    pub release: Option<ReleaseSettings>,
}

/// Variables with the values that they take, in file order; one run for each combination.
pub type Matrix = Vec<(String, Vec<String>)>;

/// A container that runs beside an app's steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name, which is its address.
    pub name: String,
    /// Its image; a template.
    pub image: String,
    /// Its variables; the values are templates.
    pub env: Pairs,
    /// Secrets among its variables.
    pub secrets: Vec<String>,
    /// The command, in place of the image's own.
    pub command: Option<Vec<String>>,
    /// How to tell that it is ready; none means the image's own HEALTHCHECK, or that it runs.
    pub ready: Option<Ready>,
}

/// How to tell that a service is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// What is asked.
    pub probe: ReadyProbe,
    /// How long it may take to become ready, in milliseconds.
    pub start_ms: u64,
}

/// The ways to ask a service whether it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "snake_case")]
pub enum ReadyProbe {
    /// A GET of this path on this port answers 200 to 399.
    Http {
        /// The port.
        port: u16,
        /// The path, starting with `/`.
        path: String,
    },
    /// This port accepts a connection.
    Tcp {
        /// The port.
        port: u16,
    },
    /// The engine runs this in the container, and it ends with 0.
    Command {
        /// A program and its arguments.
        command: Vec<String>,
    },
    /// The image's own HEALTHCHECK, or, where it has none, that the container runs.
    Container,
}

/// One entry of `tags`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", content = "text", rename_all = "snake_case")]
pub enum TagRule {
    /// The branch's name; for a git tag, its name.
    Branch,
    /// The commit.
    Commit,
    /// The versions that a git tag such as `v1.2.3` stands for.
    Semver,
    /// `latest`.
    Latest,
    /// A text of its own; a template.
    Text(String),
}

impl TagRule {
    /// What an app without `tags` has: `[branch, commit, semver, latest]`.
    #[must_use]
    pub fn defaults() -> Vec<TagRule> {
        vec![TagRule::Branch, TagRule::Commit, TagRule::Semver, TagRule::Latest]
    }
}

/// What can be attached to an image in its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attestation {
    /// What it was built from, and by whom.
    Provenance,
    /// What is in it.
    Sbom,
}

impl Attestation {
    /// What an app without `attest` has.
    #[must_use]
    pub fn defaults() -> Vec<Attestation> {
        vec![Attestation::Provenance]
    }
}

/// Where the layers of an image are looked for when it is built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildCache {
    /// On the engine that builds it.
    #[default]
    Engine,
    /// Also in what earlier builds pushed of it.
    Registry,
}

/// How many digits of the commit the tag `commit` has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitLength {
    /// The first seven.
    #[default]
    Short,
    /// All of them.
    Full,
}

/// Which builds move the tag `latest`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latest {
    /// Those of the default branch.
    #[default]
    DefaultBranch,
    /// All.
    Always,
}

/// Which builds push an app's image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "push", rename_all = "snake_case")]
pub enum PushRule {
    /// Every build of a branch or tag.
    #[default]
    Always,
    /// None: the image is for the build itself, such as a base of other images.
    Never,
    /// Builds of branches and tags that match one of these patterns.
    Matching {
        /// Patterns of branches.
        branches: Vec<String>,
        /// Patterns of tags.
        tags: Vec<String>,
    },
}

/// A build at set times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// When, as Unix cron has it: five fields, or `@daily` and its kin.
    pub cron: String,
    /// The time zone that `cron` is read in, an IANA name such as `Europe/Madrid`.
    pub timezone: String,
    /// The branch that is built; none means the default branch.
    pub branch: Option<String>,
}
