//! What a container of a release wrote last, where a person asks.

use serde::{Deserialize, Serialize};
use slipway_pipelines::config::TargetKind;

use super::LogStream;

/// Asks a runner for the last lines of a container. It shows those of releases that it made itself, of the environment
/// that is named, and no others: whoever asks is not believed that a container is one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogQuestion {
    /// Names the question in its answer.
    pub id: String,
    /// The environment's id.
    pub environment: String,
    /// Its name, such as `production`.
    pub environment_name: String,
    /// What runs the environment's containers.
    #[serde(default)]
    pub target: TargetKind,
    /// The container's name, or that of a Swarm's slot.
    pub container: String,
    /// How many of its last lines; at most [`LogQuestion::MOST_LINES`].
    pub lines: u32,
    /// Only those after this moment, in unix nanoseconds.
    #[serde(default)]
    pub since: Option<i64>,
}

impl LogQuestion {
    /// The most lines that one answer has.
    pub const MOST_LINES: u32 = 1_000;
}

/// A runner's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAnswer {
    /// The runner that answers.
    pub runner: String,
    /// The question's id.
    pub question: String,
    /// What it has to say.
    pub log: ContainerLog,
}

/// What is known of a container's log. An unknown word counts as [`ContainerLog::Refused`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "log", rename_all = "snake_case")]
pub enum ContainerLog {
    /// What it wrote.
    Lines {
        /// The last lines, oldest first; together at most [`ContainerLog::MOST_BYTES`] of text.
        lines: Vec<ContainerLine>,
        /// Whether it had written more within the time asked for.
        is_cut: bool,
    },
    /// There is no such container.
    Gone,
    /// The engine does not hand it out.
    Unreadable {
        /// Why, in words.
        reason: String,
    },
    /// It is none of this runner's releases in that environment.
    #[serde(other)]
    Refused,
}

impl ContainerLog {
    /// The most bytes of text that one answer has.
    pub const MOST_BYTES: usize = 512 * 1024;

    /// Whether it is no more than an answer may be.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        match self {
            ContainerLog::Lines { lines, .. } => {
                let most = usize::try_from(LogQuestion::MOST_LINES).unwrap_or(usize::MAX);
                lines.len() <= most
                    && lines.iter().all(|line| line.text.len() <= ContainerLine::MOST_BYTES)
                    && lines.iter().map(|line| line.text.len()).sum::<usize>() <= Self::MOST_BYTES
            }
            ContainerLog::Unreadable { reason } => reason.len() <= ContainerLine::MOST_BYTES,
            ContainerLog::Gone | ContainerLog::Refused => true,
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerLine {
    /// When its engine was given it, in unix nanoseconds by that engine's clock.
    pub at: i64,
    /// Where it came from.
    pub stream: LogStream,
    /// Its text without the line's end; of what is no UTF-8, and of a line that is longer, as much as can be shown.
    pub text: String,
}

impl ContainerLine {
    /// The most bytes that a line's text has. One that was longer ends in `…`.
    pub const MOST_BYTES: usize = 4 * 1024;
}
