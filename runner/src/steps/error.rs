//! Why a step did not succeed.

use super::patience::TimeLimit;
use crate::{
    coordinator::{StepOutcome, StepResult},
    engine::EngineError,
    workspace::WorkspaceError,
};

/// What ended a step. The message is what people read as its reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StepError {
    /// The command said that it failed.
    #[error("the command ended with exit code {0}")]
    Exit(i64),
    /// The same, and there is no room on the disk of the checkout.
    #[error(
        "the command ended with exit code {code}, and the disk on which it has its checkout is full. Make room there, and \
         build it again"
    )]
    DiskFull {
        /// The exit code.
        code: i64,
    },
    /// The kernel ended it.
    #[error("the command was killed: it used more than the {} MiB of memory that a step may use", limit / (1024 * 1024))]
    OutOfMemory {
        /// The limit in bytes.
        limit: u64,
    },
    /// What it wrote is too much.
    #[error(
        "stopped: its build took more than the {} MiB of disk that this runner lets a build take, in its checkout and its \
         containers (runner.step_disk_bytes)", limit / (1024 * 1024)
    )]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// It ran too long.
    #[error("stopped after {0}")]
    TooSlow(TimeLimit),
    /// Someone stopped it.
    #[error("the build was cancelled")]
    Cancelled,
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine went away, and with it what ran on it: the step is to go on when it is back.
    #[error("the Docker engine went away")]
    EngineLost,
    /// Something in the checkout cannot be used.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// Anything else, in a sentence with a remedy.
    #[error("{0}")]
    Other(String),
}

impl StepError {
    /// The end that is reported.
    pub(crate) fn result(&self) -> StepResult {
        let outcome = if *self == StepError::Cancelled { StepOutcome::Cancelled } else { StepOutcome::Failed };
        let exit_code = match self {
            StepError::Exit(code) | StepError::DiskFull { code } => Some(*code),
            // 128 + SIGKILL, as a shell would tell it.
            StepError::OutOfMemory { .. } => Some(137),
            _ => None,
        };
        StepResult { exit_code, reason: Some(self.to_string()), ..StepResult::of(outcome) }
    }
}
