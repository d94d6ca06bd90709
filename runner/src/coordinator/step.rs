//! Steps as a runner tells of them: what they are, what they write, how they end.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
/// The fact of a checkout step's output that holds the first of those, as a JSON list of texts.
pub const WARNING_TEXTS: &str = "warning_texts";
/// The fact of a checkout step's output that counts the files that changed, where a condition asked for them.
pub const CHANGED: &str = "changed";
/// The fact of a checkout step's output that holds the paths of the first of those, as a JSON list.
pub const CHANGED_PATHS: &str = "changed_paths";
/// The fact of a checkout step's output that names the commit whose files are built.
pub const COMMIT: &str = "commit";
/// The fact of a checkout step's output that tells when the commit was made, in unix seconds.
pub const COMMITTED: &str = "committed";
/// The fact of a checkout step's output that names where its branch or tag stands, of which a commit was asked for by name.
pub const TIP: &str = "tip";
/// The facts that tell of that commit, where the build was queued without knowing it.
pub const AUTHOR: &str = "author";
/// See [`AUTHOR`].
pub const MESSAGE: &str = "message";

/// The fact of an image build's output that names everything that the image is made of: two images with the same key are
/// the same.
pub const INPUT_KEY: &str = "input_key";
/// The fact of an image build's output that names the commit and all that captain.yml says of making the image.
pub const RECIPE: &str = "recipe";

/// The fact of an image build's output that holds the images that it builds on, as a JSON list.
pub const MATERIALS: &str = "materials";
/// The fact of a push's output that holds what is attached to the image, by its kind, as a JSON map.
pub const ATTACHED: &str = "attached";
/// The fact of a push: what its image runs on, such as `linux/amd64`.
pub const PLATFORM: &str = "platform";

/// The fact of an image build's output that names the build whose image was taken over, as nothing had changed since.
pub const UNCHANGED_SINCE: &str = "unchanged_since";

/// The fact of an image build's output that counts the instructions of its Dockerfile.
pub const LAYERS: &str = "layers";
/// The fact of an image build's output that counts those of them that were in the cache.
pub const LAYERS_CACHED: &str = "layers_cached";

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
