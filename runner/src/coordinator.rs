//! The one trait between a runner and the server, and everything that crosses it.
//!
//! A runner knows no database and no HTTP route: it claims a job, reports its steps and logs, and sends a result. Every
//! type here is plain data that survives JSON, so that the same trait is served in-process today and over HTTP later.
//! Every write carries a [`LeaseKey`]; the server refuses it with [`CoordinatorError::LeaseLost`] once another epoch
//! holds the job (the fencing token of docs/ARCHITECTURE.md).

mod collection;
mod container_log;
mod hosting;
mod measurements;
mod readings;
mod resumption;
mod steering;
mod step;
mod takeover;
mod work;

use std::collections::BTreeMap;

pub use crate::signing::{Signature, SignatureRequest};
use async_trait::async_trait;
pub use collection::{CollectionOrder, CollectionReport, Leaving, Stored};
pub use container_log::{ContainerLine, ContainerLog, LogAnswer, LogQuestion};
pub use hosting::{
    Bake, Condition, EnvironmentReport, HostedEnvironment, Hosting, HostingQuestion, ReplicaReport, Trouble, Usual,
};
pub use measurements::{HostMeasurement, Measurements, ReplicaMeasurement};
pub use readings::{MOST_READINGS, Measure, Reading, Readings};
pub use resumption::{KnownStep, LogPosition, Resumption};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_pipelines::plan::ReleasePlan;
pub use steering::{Steering, SteeringRequest};
pub use step::{
    ATTACHED, AUTHOR, CHANGED, CHANGED_PATHS, COMMIT, COMMITTED, INPUT_KEY, LAYERS, LAYERS_CACHED, LogChunk, LogLine,
    LogStream, MATERIALS, MESSAGE, PLATFORM, RECIPE, StepDeclaration, StepKind, StepOutcome, StepResult, TIP,
    UNCHANGED_SINCE, WARNING_TEXTS, WARNINGS,
};
pub use takeover::{EarlierAttempt, EarlierStep, TAKEN_OVER};
pub use work::{
    BuildSource, BuildTask, BuildWork, KnownImage, Look, ReleaseContent, ReleasedApp, RolloutWork, TimeLimit, Witness,
    Work,
};

/// The version of what crosses between runner and server. A server takes in runners of its own, the one before and the
/// one after it, so that either may be updated first: a field that the reader does not know is left out, one that is
/// missing has a default, and a word of an enum that it does not know has the meaning that the enum says.
/// A runner that names no version speaks 0. Since 2, runners know Swarms, and
/// versions of secrets: see [`ReleaseContent::known_since`]. Since 3, they check signatures (see [`SIGNATURES_SINCE`]),
/// look at builds without running them, and keep those of forks apart: see [`APART_SINCE`].
pub const PROTOCOL: u32 = 3;

/// The first version of the protocol whose runners check signatures before a release. An older one would not, and is given
/// no rollout to an environment that asks for them.
pub const SIGNATURES_SINCE: u32 = 3;

/// The oldest version in which a runner can be told that a build is a stranger's, or is to be looked at alone.
pub const APART_SINCE: u32 = 3;

/// What the server does for a runner. Every call is idempotent: repeating it after a lost answer changes nothing.
#[async_trait]
pub trait Coordinator: Send + Sync + 'static {
    /// Announces a runner's new life. Jobs that its earlier incarnation held and that it does not name in `resuming`
    /// go back to the queue at once.
    async fn register(&self, hello: Hello) -> Result<(), CoordinatorError>;

    /// Tells a runner's new life where a job stands that an earlier one began, and extends its lease. The job goes on
    /// under the same lease: it costs no attempt.
    async fn resume(&self, lease: &LeaseKey) -> Result<Resumption, CoordinatorError>;

    /// Waits up to `wait_ms` for a job, for an order about one that the runner holds, for one to collect, or for a question
    /// for a container's log. Those two are handed out once: should the answer be lost, whoever asked hears that the runner
    /// did not answer.
    async fn claim(&self, request: ClaimRequest) -> Result<ClaimReply, CoordinatorError>;

    /// Extends the leases named and says of each what to do.
    async fn heartbeat(&self, beat: Heartbeat) -> Result<Vec<(LeaseKey, Verdict)>, CoordinatorError>;

    /// Makes the job's steps known. Steps already declared under the same index are left as they are.
    async fn declare_steps(&self, lease: &LeaseKey, steps: Vec<StepDeclaration>) -> Result<(), CoordinatorError>;

    /// Marks a step as running.
    async fn start_step(&self, lease: &LeaseKey, index: u32) -> Result<(), CoordinatorError>;

    /// Stores a numbered chunk of a step's log. A chunk whose number is already stored is accepted and dropped.
    async fn append_log(&self, lease: &LeaseKey, index: u32, chunk: LogChunk) -> Result<(), CoordinatorError>;

    /// Tells what was measured last in a step that was started; it takes the place of what was told before. A coordinator that
    /// shows nothing of it drops it.
    async fn report_readings(
        &self,
        _lease: &LeaseKey,
        _index: u32,
        readings: Readings,
    ) -> Result<(), CoordinatorError> {
        drop(readings);
        Ok(())
    }

    /// Signs an image that a step of the job, a push that is under way, has pushed. Asked for only of a job whose lease says
    /// that there is a key, see [`BuildWork::signing_key`].
    async fn sign(
        &self,
        _lease: &LeaseKey,
        _index: u32,
        asked: SignatureRequest,
    ) -> Result<Signature, CoordinatorError> {
        Err(CoordinatorError::Refused { reason: format!("nobody signs {} here", asked.digest) })
    }

    /// The login that the repository of the job is fetched with. Asked for only of a build whose work says that there is one,
    /// see [`BuildWork::has_login`].
    async fn clone_login(&self, _lease: &LeaseKey) -> Result<Lending, CoordinatorError> {
        Err(CoordinatorError::Refused { reason: "nobody lends a login here".to_owned() })
    }

    /// Ends a step. To be called only after its log chunks are acknowledged (the flush barrier).
    async fn finish_step(&self, lease: &LeaseKey, index: u32, result: StepResult) -> Result<(), CoordinatorError>;

    /// Ends the job and gives the lease back.
    async fn finish_job(&self, lease: &LeaseKey, result: JobResult) -> Result<(), CoordinatorError>;

    /// Of the digests that a runner has images of, those that a release holds: one that is live, waits or rolls, or one
    /// that an environment can be rolled back to. A runner removes no image of a release without this answer.
    async fn kept_images(&self, question: KeptImages) -> Result<Vec<String>, CoordinatorError>;

    /// Tells what came of an order to collect. One that nobody waits for any more is taken and dropped. A coordinator that
    /// gives none leaves it at that.
    async fn collected(&self, report: CollectionReport) -> Result<(), CoordinatorError> {
        drop(report);
        Ok(())
    }

    /// Answers a question for a container's log. One that nobody waits for any more is taken and dropped. A coordinator that
    /// asks none leaves it at that.
    async fn answer_log(&self, answer: LogAnswer) -> Result<(), CoordinatorError> {
        drop(answer);
        Ok(())
    }

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

    /// Tells what was measured since the time before. A coordinator that keeps no measurements drops it.
    async fn report_measurements(&self, measured: Measurements) -> Result<(), CoordinatorError> {
        drop(measured);
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

/// A login for the git server that the repository of a build is on. It stands in no address that is shown, and in no log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneLogin {
    /// The user's name.
    pub user: String,
    /// The password, or the token in its place.
    pub password: String,
}

/// What comes of asking for a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "lending", rename_all = "snake_case")]
pub enum Lending {
    /// It is lent for the job.
    Lent {
        /// The login.
        login: CloneLogin,
    },
    /// The forge gives none now, and may do so later.
    NotNow {
        /// Why, in a sentence.
        reason: String,
    },
    /// There is none.
    No {
        /// Why, in a sentence.
        reason: String,
    },
}

impl std::fmt::Debug for CloneLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloneLogin").field("user", &self.user).finish_non_exhaustive()
    }
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
    /// What the runner keeps between jobs is to be looked at; a runner that does not know the word asks for work again.
    Collect {
        /// What to do.
        order: CollectionOrder,
    },
    /// Somebody wants to read what a container writes; a runner that does not know the word asks for work again.
    Log {
        /// What is asked for.
        question: LogQuestion,
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
    /// The registries for which there is a login, by their hosts, that is not for this work. What the engine has of them
    /// may have been fetched with it.
    #[serde(default)]
    pub withheld_registries: Vec<String>,
    /// The secrets that the work may use.
    #[serde(default)]
    pub secrets: Vec<SecretValue>,
    /// The secrets that are not for this work.
    #[serde(default)]
    pub withheld_secrets: Vec<WithheldSecret>,
}

/// A secret that is set, and that a job is not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithheldSecret {
    /// Its name.
    pub name: String,
    /// Why the job is not given it, in words.
    pub reason: String,
}

/// A secret of the repository. It reaches only the steps, image builds and apps that name it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretValue {
    /// Its name, which is also that of the environment variable.
    pub name: String,
    /// Which of its values it is, where that matters: a release runs with those of its making, see
    /// [`ReleasedApp::secret_versions`].
    #[serde(default)]
    pub version: Option<i64>,
    /// Its value.
    pub value: String,
}

impl SecretValue {
    /// What is said of a secret that something names and is not given: why it is withheld, or, where nobody has set it, what
    /// to do about that.
    #[must_use]
    pub fn missing(repository: &str, name: &str, withheld: &[WithheldSecret]) -> String {
        if let Some(known) = withheld.iter().find(|known| known.name == name) {
            return format!("the secret {name} is withheld: {}", known.reason);
        }
        format!("the secret {name} is not set for {repository}; set it with: slipway secret set {repository} {name}")
    }
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretValue").field("name", &self.name).finish_non_exhaustive()
    }
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
    /// Nothing of a build was run: this is what would be.
    Looked {
        /// All that its approval is asked with.
        look: Box<Look>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// What is attached to it in its registry, by its kind, such as `provenance`: the digest of each.
    #[serde(default)]
    pub attached: BTreeMap<String, String>,
    /// What it runs on, such as `linux/amd64`; none where the runner that pushed it did not tell.
    #[serde(default)]
    pub platform: Option<String>,
}
