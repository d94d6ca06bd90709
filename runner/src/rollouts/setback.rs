//! Why a rollout does not go forward.

use crate::{proxy::ProxyError, reporter::ReportError, targets::docker::TargetError};

/// What stops a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setback {
    /// It failed, for a reason that people read.
    Failed(String),
    /// People asked for it to stop.
    Cancelled,
    /// Another attempt owns the environment now: nothing may be touched or said any more.
    Abandoned,
    /// The engine went away. What was done stays, and the rollout can go on from there when the engine is back.
    EngineAway,
}

impl Setback {
    /// The failure of one app, named first.
    pub(super) fn of(app: &str, reason: impl std::fmt::Display) -> Self {
        Setback::Failed(format!("{app}: {reason}"))
    }
}

impl From<ReportError> for Setback {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::LeaseLost => Setback::Abandoned,
            refused @ ReportError::Refused { .. } => Setback::Failed(refused.to_string()),
        }
    }
}

impl From<TargetError> for Setback {
    fn from(error: TargetError) -> Self {
        Setback::Failed(error.to_string())
    }
}

impl From<ProxyError> for Setback {
    fn from(error: ProxyError) -> Self {
        Setback::Failed(error.to_string())
    }
}
