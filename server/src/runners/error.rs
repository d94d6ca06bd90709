//! Why a runner is not admitted, or not dismissed.

use crate::store::StoreError;

/// Why what was asked of a runner was not done.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// Another one is called so.
    #[error("there is a runner {0} already; choose another name, or revoke that one")]
    NameTaken(String),
    /// The name is none.
    #[error("a runner's name has 1 to 100 characters, none of them a control character")]
    BadName,
    /// The labels cannot be used.
    #[error("these labels cannot be used: {0}")]
    BadLabels(String),
    /// Nobody is called so.
    #[error("there is no runner {0}; `slipway runner list` names them")]
    Unknown(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
