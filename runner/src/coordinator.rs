//! The one trait between a runner and the server, and everything that crosses it.
//!
//! A runner knows no database and no HTTP route: it claims a job, reports its steps and logs, and sends a result. Every
//! type here is plain data that survives JSON, so that the same trait is served in-process today and over HTTP later.
//! Every write carries a [`LeaseKey`]; the server refuses it with [`CoordinatorError::LeaseLost`] once another epoch
//! holds the job (the fencing token of docs/ARCHITECTURE.md).

mod hosting;
mod resumption;
mod steering;
mod takeover;

use std::collections::BTreeMap;

use async_trait::async_trait;
pub use hosting::{Condition, EnvironmentReport, HostedEnvironment, Hosting, HostingQuestion, ReplicaReport, Trouble};
pub use resumption::{KnownStep, LogPosition, Resumption};
use serde::{Deserialize, Serialize};
use slipway_pipelines::{
    config::Strategy,
    plan::{PullRequest, ReleasePlan},
    release::RunSpec,
};
pub use steering::{Steering, SteeringRequest};
pub use takeover::{EarlierAttempt, EarlierStep, TAKEN_OVER};

/// The version of what crosses between runner and server. A server takes in runners of its own, the one before and the
/// one after it, so that either may be updated first: a field that the reader does not know is left out, one that is
/// missing has a default, and a word of an enum that it does not know has the meaning that the enum says.
/// A runner that names no version speaks 0.
pub const PROTOCOL: u32 = 1;

/// What the server does for a runner. Every call is idempotent: repeating it after a lost answer changes nothing.
#[async_trait]
pub trait Coordinator: Send + Sync + 'static {
    /// Announces a runner's new life. Jobs that its earlier incarnation held and that it does not name in `resuming`
    /// go back to the queue at once.
    async fn register(&self, hello: Hello) -> Result<(), CoordinatorError>;

    /// Tells a runner's new life where a job stands that an earlier one began, and extends its lease. The job goes on
    /// under the same lease: it costs no attempt.
    async fn resume(&self, lease: &LeaseKey) -> Result<Resumption, CoordinatorError>;

    /// Waits up to `wait_ms` for a job, or for an order about one that the runner holds.
    async fn claim(&self, request: ClaimRequest) -> Result<ClaimReply, CoordinatorError>;

    /// Extends the leases named and says of each what to do.
    async fn heartbeat(&self, beat: Heartbeat) -> Result<Vec<(LeaseKey, Verdict)>, CoordinatorError>;

    /// Makes the job's steps known. Steps already declared under the same index are left as they are.
    async fn declare_steps(&self, lease: &LeaseKey, steps: Vec<StepDeclaration>) -> Result<(), CoordinatorError>;

    /// Marks a step as running.
    async fn start_step(&self, lease: &LeaseKey, index: u32) -> Result<(), CoordinatorError>;

    /// Stores a numbered chunk of a step's log. A chunk whose number is already stored is accepted and dropped.
    async fn append_log(&self, lease: &LeaseKey, index: u32, chunk: LogChunk) -> Result<(), CoordinatorError>;

    /// Ends a step. To be called only after its log chunks are acknowledged (the flush barrier).
    async fn finish_step(&self, lease: &LeaseKey, index: u32, result: StepResult) -> Result<(), CoordinatorError>;

    /// Ends the job and gives the lease back.
    async fn finish_job(&self, lease: &LeaseKey, result: JobResult) -> Result<(), CoordinatorError>;

    /// Of the digests that a runner has images of, those that a release holds: one that is live, waits or rolls, or one
    /// that an environment can be rolled back to. A runner removes no image of a release without this answer.
    async fn kept_images(&self, question: KeptImages) -> Result<Vec<String>, CoordinatorError>;

    /// Tells how people steer a leased rollout: at once when that is not what the runner knows, else when it changes or
    /// the time asked for is over. Where nobody can steer, nothing ever changes.
    async fn steering(&self, _lease: &LeaseKey, asked: SteeringRequest) -> Result<Steering, CoordinatorError> {
        match asked.known {
            None => Ok(Steering::default()),
            Some(_) => std::future::pending().await,
        }
    }

    /// What the environments are to run that the runner hosts. A coordinator without environments leaves it at that.
    async fn hosting(&self, question: HostingQuestion) -> Result<Hosting, CoordinatorError> {
        drop(question);
        Ok(Hosting::default())
    }

    /// Tells how an environment's replicas stand that the runner hosts.
    async fn report_environment(&self, report: EnvironmentReport) -> Result<(), CoordinatorError> {
        drop(report);
        Ok(())
    }
}

/// Why the server did not do what a runner asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum CoordinatorError {
    /// The job belongs to another lease by now: stop, clean up, report nothing.
    #[error("the lease on job {job} was lost: another attempt owns it")]
    LeaseLost {
        /// The job whose lease was lost.
        job: String,
    },
    /// What was sent contradicts the job's state.
    #[error("the server refused the report: {reason}")]
    Refused {
        /// What was wrong, in a sentence.
        reason: String,
    },
    /// The server could not answer now; the same call may succeed later.
    #[error("the server cannot answer now: {reason}")]
    Unavailable {
        /// What went wrong, in a sentence.
        reason: String,
    },
}

/// A runner's question which of its images releases hold. It is told of nothing that it does not name itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptImages {
    /// The runner that asks.
    pub runner: String,
    /// Digests of images, `sha256:…`; at most [`MOST_DIGESTS`].
    pub digests: Vec<String>,
}

/// The most digests that [`KeptImages`] may name.
pub const MOST_DIGESTS: usize = 10_000;

/// A runner's announcement when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The runner's identity, stable over restarts.
    pub runner: String,
    /// A name for people.
    pub name: String,
    /// One life of the runner's process; a new one for every start.
    pub incarnation: String,
    /// How many jobs it takes at once.
    pub capacity: u32,
    /// Its Slipway version.
    pub version: String,
    /// The leases that it still holds and can go on with.
    pub resuming: Vec<LeaseKey>,
    /// The version of the protocol that it speaks, see [`PROTOCOL`].
    #[serde(default)]
    pub protocol: u32,
    /// What it says of itself, such as `os = linux`, for jobs to choose by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whether it leaves rollouts to others.
    #[serde(default)]
    pub builds_only: bool,
}

/// A request for work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimRequest {
    /// The runner that asks.
    pub runner: String,
    /// The life of it that asks; an older one is refused.
    pub incarnation: String,
    /// How many more jobs it can take; with 0 it waits for orders only.
    pub free: u32,
    /// The leases it holds, about which it wants orders.
    pub holding: Vec<LeaseKey>,
    /// How long the server may keep the request waiting, in milliseconds.
    pub wait_ms: u64,
    /// Whether the runner finishes what it holds and then ends.
    #[serde(default)]
    pub draining: bool,
    /// Why it takes no job although it has room for one, such as that its disk is full; none while it takes some.
    #[serde(default)]
    pub hindrance: Option<String>,
}

/// What a waiting runner gets. A reply of an unknown kind is no reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum ClaimReply {
    /// A job, now leased to the runner.
    Work {
        /// The lease and what to do under it.
        lease: Box<Lease>,
    },
    /// Jobs among those held that must stop now.
    Cancel {
        /// The leases to cancel.
        leases: Vec<LeaseKey>,
    },
    /// Nothing happened within the time asked for.
    #[serde(other)]
    Idle,
}

/// Names one lease of one job; the epoch is the fencing token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeaseKey {
    /// The job's id.
    pub job: String,
    /// Raised by every claim of the job.
    pub epoch: i64,
}

/// A job handed to a runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// The key that every report must carry.
    pub key: LeaseKey,
    /// 1 for the first try; shown to people.
    pub attempt: u32,
    /// How long the lease holds without a heartbeat, in milliseconds.
    pub lease_ms: u64,
    /// What to do.
    pub work: Work,
    /// Credentials for the registries that the work may meet.
    pub registries: Vec<RegistryCredential>,
    /// The secrets that the work may use.
    #[serde(default)]
    pub secrets: Vec<SecretValue>,
}

/// A secret of the repository. It reaches only the steps, image builds and apps that name it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretValue {
    /// Its name, which is also that of the environment variable.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl SecretValue {
    /// What is said of a secret that something names and nobody has set: what to do about it.
    #[must_use]
    pub fn missing(repository: &str, name: &str) -> String {
        format!("the secret {name} is not set for {repository}; set it with: slipway secret set {repository} {name}")
    }
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretValue").field("name", &self.name).finish_non_exhaustive()
    }
}

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
}

/// How long a build may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeLimit {
    /// From its attempt's beginning, in minutes.
    pub minutes: u32,
    /// What is left of that when the job is handed out, in milliseconds.
    pub left_ms: u64,
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
    /// The key over everything that it was made of: the fact [`INPUT_KEY`] of its build step. None where it had none; then
    /// only its layers are of use.
    #[serde(default)]
    pub key: Option<String>,
    /// What the commit makes it by: the fact [`RECIPE`] of its build step. Told for the build of a tag alone, which takes
    /// over what was built of its commit before.
    #[serde(default)]
    pub recipe: Option<String>,
    /// The number of the build that pushed it.
    pub build: i64,
}

/// A login to one registry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryCredential {
    /// The registry's host and port as it stands in image names.
    pub host: String,
    /// The user name.
    pub username: String,
    /// The password or token.
    pub password: String,
}

impl std::fmt::Debug for RegistryCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryCredential")
            .field("host", &self.host)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
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
}

impl ReleasedApp {
    /// Whether it is the same image, run in the same way, whichever build pushed it.
    #[must_use]
    pub fn runs_like(&self, other: &ReleasedApp) -> bool {
        (&self.app, &self.image, &self.digest, &self.run) == (&other.app, &other.image, &other.digest, &other.run)
    }
}

/// The leases that a runner still works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The runner that reports.
    pub runner: String,
    /// The life of it that reports.
    pub incarnation: String,
    /// What it holds.
    pub holding: Vec<LeaseKey>,
    /// What jobs among them wait for.
    #[serde(default)]
    pub waiting: Vec<WaitingJob>,
}

/// A job that a runner holds, and cannot go on with for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingJob {
    /// The job's id.
    pub job: String,
    /// What it waits for, in words.
    pub hindrance: String,
}

/// What a runner shall do with a job that it holds. An unknown verdict is [`Verdict::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Go on; the lease is extended.
    GoOn,
    /// Stop the containers at once and report the job as cancelled.
    Cancel,
    /// The lease is gone: stop, clean up, report nothing.
    Lost,
    /// Something that this version does not know: as if the server had not answered, so that the lease is not extended.
    #[serde(other)]
    Unknown,
}

/// A step made known before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepDeclaration {
    /// Its place in the job, from 0.
    pub index: u32,
    /// The app it belongs to, if any.
    pub app: Option<String>,
    /// What it does.
    pub kind: StepKind,
    /// What people read: the command, the image, the replica.
    pub name: String,
    /// The steps that must succeed first.
    pub needs: Vec<u32>,
    /// Why it will not run, where it is known beforehand.
    pub skipped: Option<String>,
    /// Whether it does not run because it succeeded in the attempt that the job takes over from.
    #[serde(default)]
    pub taken_over: bool,
}

/// What a step does. The first six belong to builds, the others to rollouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Fetching the commit and reading captain.yml.
    Checkout,
    /// A `pre` step.
    Pre,
    /// An image build.
    Build,
    /// A `post` step.
    Post,
    /// A `test` step.
    Test,
    /// Tagging and pushing an image.
    Push,
    /// Checking every digest of a release and pulling its images.
    Preflight,
    /// Starting an app's new replicas, waiting for health, moving traffic, draining the old.
    Roll,
    /// Leading a share of the traffic to new replicas, and judging them.
    Canary,
    /// Letting people look at new replicas under an address of their own, and judging them.
    Preview,
    /// Leading all traffic from the old replicas to the new ones at once.
    Switch,
    /// A command of the release in a container of its own, such as a migration.
    Command,
    /// Returning to the previous release after a failure.
    Return,
    /// Removing what the rollout replaced.
    Cleanup,
}

/// A run of log lines; the runner numbers its chunks from 0 for each step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogChunk {
    /// The chunk's number.
    pub seq: i64,
    /// The number of its first line, from 1.
    pub first_line: i64,
    /// The lines.
    pub lines: Vec<LogLine>,
}

/// One line of output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was read, in unix milliseconds.
    pub at: i64,
    /// Where it came from.
    pub stream: LogStream,
    /// The text without its line ending; invalid UTF-8 is replaced, escape sequences are kept.
    pub text: String,
}

/// The origin of a log line. One of an unknown origin counts as Slipway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// The command's standard output.
    Out,
    /// The command's standard error.
    Err,
    /// Slipway itself.
    #[serde(other)]
    Slipway,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// The end state.
    pub outcome: StepOutcome,
    /// The exit code of its command, where it had one.
    pub exit_code: Option<i64>,
    /// Why it failed or was skipped, in a sentence with a remedy.
    pub reason: Option<String>,
    /// Facts worth keeping, such as the image's id, its digest, its size.
    pub output: BTreeMap<String, String>,
}

/// The fact of a checkout step's output that counts what is legal in captain.yml and surely not meant.
pub const WARNINGS: &str = "warnings";
/// The fact of a checkout step's output that names the commit whose files are built.
pub const COMMIT: &str = "commit";
/// The facts that tell of that commit, where the build was queued without knowing it.
pub const AUTHOR: &str = "author";
/// See [`AUTHOR`].
pub const MESSAGE: &str = "message";

/// The fact of an image build's output that names everything that the image is made of: two images with the same key are
/// the same.
pub const INPUT_KEY: &str = "input_key";
/// The fact of an image build's output that names the commit and all that captain.yml says of making the image.
pub const RECIPE: &str = "recipe";

/// The fact of an image build's output that names the build whose image was taken over, as nothing had changed since.
pub const UNCHANGED_SINCE: &str = "unchanged_since";

/// The end states of a step. An unknown one counts as a failure: nothing succeeds by a misunderstanding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// It did what it should.
    Succeeded,
    /// It was not run, because a step that it needs did not succeed or a condition did not hold.
    Skipped,
    /// It was stopped on request.
    Cancelled,
    /// It did not; `reason` says why.
    #[serde(other)]
    Failed,
}

/// How a job ended. An unknown result counts as [`JobResult::Cancelled`], so that the job is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum JobResult {
    /// Every step of a build succeeded.
    Built {
        /// What was pushed, in file order.
        artifacts: Vec<Artifact>,
        /// What captain.yml says of releases at this commit.
        release_plan: ReleasePlan,
    },
    /// The release is live.
    Live,
    /// The job failed. For a rollout, the previous release is serving again (or never stopped).
    Failed {
        /// Why, in a sentence with a remedy.
        reason: String,
    },
    /// The job was stopped on request.
    #[serde(other)]
    Cancelled,
}

/// The image that a build produced and pushed for an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The app's name.
    pub app: String,
    /// The image's name without a tag.
    pub image: String,
    /// The digest that the registry confirmed.
    pub digest: String,
    /// The tags that were moved to it.
    pub tags: Vec<String>,
    /// The image's size in bytes, as the engine reports it.
    pub size: i64,
}
