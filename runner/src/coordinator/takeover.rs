//! What the next attempt of a build may take over from the one that failed.

use serde::{Deserialize, Serialize};

use super::StepResult;

/// The fact of a step that was not run again: the number of the attempt that ran it, where its log is.
pub const TAKEN_OVER: &str = "taken_over_from";

/// An attempt that failed, and what of it succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierAttempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// Its steps that succeeded, in order.
    pub steps: Vec<EarlierStep>,
}

/// A step that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierStep {
    /// Its place in the job, from 0.
    pub index: u32,
    /// What it left.
    pub result: StepResult,
}
