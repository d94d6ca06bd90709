//! The labels of an environment's containers, by which a run after a crash knows them again.

use std::collections::HashMap;

use crate::engine::labels::{KIND, KIND_RELEASE, RUNNER};

/// The environment's id.
pub const ENVIRONMENT: &str = "slipway.environment";
/// The release's id.
pub const RELEASE: &str = "slipway.release";
/// The app's name.
pub const APP: &str = "slipway.app";
/// The replica's number, from 1.
pub const REPLICA: &str = "slipway.replica";
/// Which command of a release a container is for, such as `before-1`.
pub const COMMAND: &str = "slipway.command";
/// The port that the app listens on, where it listens: an older release may have used another one.
pub const PORT: &str = "slipway.port";

/// The labels of what belongs to an environment as a whole: its network, its volumes.
pub(crate) fn of_environment(runner: &str, environment: &str) -> HashMap<String, String> {
    [(KIND, KIND_RELEASE), (RUNNER, runner), (ENVIRONMENT, environment)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
