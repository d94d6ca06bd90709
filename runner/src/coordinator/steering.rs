//! How people steer a rollout that is under way.

use serde::{Deserialize, Serialize};

/// What people say of a rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steering {
    /// Who paused it and why, in words, while it is paused: nothing is moved then, and no bake time passes.
    #[serde(default)]
    pub paused: Option<String>,
    /// The last of its steps whose bake time need not be waited for to its end.
    #[serde(default)]
    pub passed: Option<u32>,
}

/// A runner's question how a rollout is steered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteeringRequest {
    /// What the runner knows. The answer waits until it is otherwise.
    pub known: Option<Steering>,
    /// How long it may wait, in milliseconds.
    pub wait_ms: u64,
}
