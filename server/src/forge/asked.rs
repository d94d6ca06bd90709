//! What of a repository is reported.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::text::text_enum;

text_enum! {
    /// Which commit statuses a forge is shown.
    Statuses {
        /// None.
        None = "none",
        /// One for each build.
        Build = "build",
        /// One for each build, and one for each of its steps.
        Steps = "steps",
    }
}

/// What of a repository is reported to its forge, where there is a credential for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Reporting")]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    /// Which commit statuses.
    pub statuses: Statuses,
    /// Whether each release is a deployment.
    pub deployments: bool,
}

impl Default for Asked {
    fn default() -> Self {
        Asked { statuses: Statuses::Build, deployments: true }
    }
}
