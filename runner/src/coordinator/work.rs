//! What a job is: a commit to build, or an environment to bring to a release.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_pipelines::{
    config::{Strategy, TargetKind},
    plan::{CommitLine, Preview, PullRequest},
    release::RunSpec,
};

use super::{EarlierAttempt, SecretValue};

/// The two kinds of jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// Check out, build, test and push one commit.
    Build(BuildWork),
    /// Bring one environment to one release.
    Rollout(RolloutWork),
}

/// One commit to build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildWork {
    /// The build's id.
    pub build: String,
    /// Its number within the repository.
    pub number: i64,
    /// The repository's id.
    pub repository: String,
    /// The repository's name, `owner/name`.
    pub repository_name: String,
    /// Where to fetch from: the registered address, never one of a payload.
    pub clone_url: String,
    /// The branch whose builds may move `latest`.
    pub default_branch: String,
    /// The full ref, such as `refs/heads/main`.
    pub git_ref: String,
    /// The exact commit, 40 hexadecimal digits; empty for whatever the ref stands at.
    pub commit: String,
    /// What caused the build: `push`, `tag`, `pull_request`, `schedule`, `manual`.
    pub event: String,
    /// The commit from which it is measured what changed: the newest one of the ref that was built successfully; where
    /// none was yet, where the ref stood before the first push that the server heard of. None where nobody knows, and for
    /// the default branch until a build of it succeeded: its first one builds everything.
    #[serde(default)]
    pub before: Option<String>,
    /// Who wrote the commit; empty where only the commit itself tells.
    #[serde(default)]
    pub author: String,
    /// The commit's message; empty where only the commit itself tells.
    #[serde(default)]
    pub message: String,
    /// The pull request whose merge result is built, where it is one; `commit` is the tip of its branch then.
    #[serde(default)]
    pub pull_request: Option<PullRequest>,
    /// Where what it builds comes from.
    #[serde(default)]
    pub source: BuildSource,
    /// How much of it is wanted.
    #[serde(default)]
    pub task: BuildTask,
    /// The newest images that builds of the repository pushed, the newest first; none for pull requests, which take over
    /// nothing.
    #[serde(default)]
    pub known: Vec<KnownImage>,
    /// How long it may take; none where nobody says.
    #[serde(default)]
    pub time_limit: Option<TimeLimit>,
    /// The attempt whose steps are not to run again where they succeeded; none where all begins anew.
    #[serde(default)]
    pub earlier: Option<EarlierAttempt>,
    /// Who vouches for what its images are made of; none where nobody does, as for pull requests.
    #[serde(default)]
    pub witness: Option<Witness>,
    /// The key, as PEM, by which the server signs what is pushed; none where it signs nothing.
    #[serde(default)]
    pub signing_key: Option<String>,
    /// Whether the server lends a login to fetch the repository with.
    #[serde(default)]
    pub has_login: bool,
}

/// What the provenance of an image says of the server that had it built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The server's public address.
    pub builder: String,
    /// The build's page.
    pub build_url: String,
    /// When the attempt began, in unix milliseconds.
    pub begun: i64,
}

/// Where what a build builds comes from. A word that is not known is of somebody who is not trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildSource {
    /// The repository itself: whoever wrote it may push to it.
    #[default]
    Own,
    /// Another repository: what it leaves reaches the later builds of its own pull request alone.
    #[serde(other)]
    Fork,
}

/// How much of a build is wanted. Of a word that is not known, nothing that runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildTask {
    /// All of it.
    #[default]
    Build,
    /// Its checkout and what would run, of which nothing is run.
    #[serde(other)]
    Look,
}

/// What would run of a build that was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Look {
    /// The merge whose files they are.
    pub merge: String,
    /// What it is merged into.
    pub base: Option<String>,
    /// The commits that it brings, the newest first.
    pub commits: Vec<CommitLine>,
    /// Who wrote those that are too many to be named.
    pub more_authors: Vec<String>,
    /// The paths that it changes, as many as may be kept; none where nobody knows.
    pub changed: Option<Vec<String>>,
    /// How many those are in all.
    pub changed_count: usize,
    /// The services and steps, beside those of what it is merged into.
    pub preview: Preview,
    /// Why they are not compared.
    pub not_compared: Option<String>,
}

/// How long a build may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeLimit {
    /// From its attempt's beginning, in minutes.
    pub minutes: u32,
    /// What is left of that when the job is handed out, in milliseconds.
    pub left_ms: u64,
}

impl BuildWork {
    /// Whose caches it uses. A pull request's commands are anybody's who may propose them: what they leave in a cache never
    /// reaches a build of a branch or tag; and what a stranger's leave reaches that pull request alone.
    #[must_use]
    pub fn caches(&self) -> String {
        match (&self.pull_request, self.source) {
            (Some(pull), BuildSource::Fork) => format!("{} fork of pull request {}", self.repository, pull.number),
            (None, BuildSource::Fork) => format!("{} fork", self.repository),
            (Some(_), BuildSource::Own) => format!("{} pull requests", self.repository),
            (None, BuildSource::Own) => self.repository.clone(),
        }
    }
}

impl TimeLimit {
    /// Why a build ends that reaches it.
    #[must_use]
    pub fn reason(self) -> String {
        let minutes = match self.minutes {
            1 => "1 minute".to_owned(),
            hours if hours % 60 == 0 => format!("{} h", hours / 60),
            minutes => format!("{minutes} minutes"),
        };
        format!("the build took longer than {minutes}")
    }
}

/// An image that an earlier build of the repository pushed, and what it was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownImage {
    /// The app.
    pub app: String,
    /// The image's name without a tag.
    pub image: String,
    /// The digest that the registry confirmed.
    pub digest: String,
    /// Its size in bytes.
    pub size: i64,
    /// The key over everything that it was made of: the fact [`INPUT_KEY`](super::INPUT_KEY) of its build step. None where it had none; then
    /// only its layers are of use.
    #[serde(default)]
    pub key: Option<String>,
    /// What the commit makes it by: the fact [`RECIPE`](super::RECIPE) of its build step. Told for the build of a tag alone, which takes
    /// over what was built of its commit before.
    #[serde(default)]
    pub recipe: Option<String>,
    /// The number of the build that pushed it.
    pub build: i64,
    /// What is attached to it, by its kind.
    #[serde(default)]
    pub attached: BTreeMap<String, String>,
    /// What it runs on, such as `linux/amd64`, where that is known.
    #[serde(default)]
    pub platform: Option<String>,
}

/// One environment to bring to one release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutWork {
    /// The environment's id.
    pub environment: String,
    /// The environment's name, such as `production`.
    pub environment_name: String,
    /// The name of the repository that it belongs to.
    pub repository_name: String,
    /// What is to run.
    pub release: ReleaseContent,
    /// What is live now, to return to when the rollout fails; none on the first release.
    pub previous: Option<ReleaseContent>,
    /// How the new takes the place of the old, as it was settled when the release was made.
    #[serde(default)]
    pub strategy: Strategy,
    /// Whether what is live is made anew, all of it side by side.
    #[serde(default)]
    pub restore: bool,
    /// Whether the commands of the release are run; on the way back they are not.
    #[serde(default)]
    pub runs_commands: bool,
    /// Why an earlier attempt was to return, which did not end: this one returns, and tries nothing again.
    #[serde(default)]
    pub failed: Option<String>,
    /// The keys, as PEM, of which one must have signed every image; none where no signature is asked for.
    #[serde(default)]
    pub signed_by: Option<Vec<String>>,
}

/// What a release holds, and all that is needed to run it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseContent {
    /// The release's id.
    pub release: String,
    /// Its number within the environment.
    pub number: i64,
    /// The apps in file order.
    pub apps: Vec<ReleasedApp>,
}

impl ReleaseContent {
    /// What runs its containers: the same for all of its apps.
    #[must_use]
    pub fn target(&self) -> TargetKind {
        self.apps.first().map(|app| app.run.target).unwrap_or_default()
    }

    /// The oldest version of the protocol that knows all that it needs: whoever speaks an older one would run it otherwise than
    /// it says, and must not be told of it.
    #[must_use]
    pub fn known_since(&self) -> u32 {
        let has_versions = self.apps.iter().any(|app| !app.secret_versions.is_empty());
        match self.target() {
            TargetKind::Docker if has_versions => 2,
            TargetKind::Docker => 0,
            TargetKind::Swarm => 2,
        }
    }
}

/// One app of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleasedApp {
    /// The app's name in captain.yml.
    pub app: String,
    /// The image's name without tag or digest.
    pub image: String,
    /// The digest that the registry confirmed, `sha256:…`.
    pub digest: String,
    /// How to run it in this environment.
    pub run: RunSpec,
    /// The number of the build that pushed the image. It is another than the release's own where that build left the
    /// app out, so that what was live of it stayed; none in releases of before this was kept.
    #[serde(default)]
    pub build: Option<i64>,
    /// Which values of its secrets it runs with, by their names: those that were set when the release was made. A secret that is
    /// not among them has the value of the day.
    #[serde(default)]
    pub secret_versions: BTreeMap<String, i64>,
}

impl ReleasedApp {
    /// Those of the secrets that it names, each in its version.
    pub fn secrets<'a>(&'a self, all: &'a [SecretValue]) -> impl Iterator<Item = &'a SecretValue> {
        self.run.secrets.iter().filter_map(|name| self.secret(name, all))
    }

    /// The names of the secrets that it needs and that are not there.
    pub fn missing_secrets<'a>(&'a self, all: &'a [SecretValue]) -> impl Iterator<Item = &'a String> {
        self.run.secrets.iter().filter(|name| self.secret(name, all).is_none())
    }

    fn secret<'a>(&self, name: &str, all: &'a [SecretValue]) -> Option<&'a SecretValue> {
        let version = self.secret_versions.get(name).copied();
        all.iter().find(|secret| secret.name == name && secret.version == version)
    }

    /// Whether it is the same image, run in the same way, whichever build pushed it.
    #[must_use]
    pub fn runs_like(&self, other: &ReleasedApp) -> bool {
        let content = |app: &ReleasedApp| ReleasedApp { build: None, ..app.clone() };
        content(self) == content(other)
    }
}
