//! A job that is not over, although nobody works on it any more.

use crate::reporter::ReportError;

/// Why a job was broken off. Nothing is reported of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BrokenOff {
    /// It may not be reported on.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The engine went away. What the job had made stays, and it can go on from there when the engine is back.
    #[error("the Docker engine went away")]
    EngineLost,
}
