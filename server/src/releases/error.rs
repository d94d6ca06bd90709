//! Why a release was refused, in sentences that tell what to do.

use crate::store::StoreError;

/// Why a release was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// No environment of that name.
    #[error("there is no environment “{environment}” in {repository}: {known}")]
    UnknownEnvironment {
        /// The repository's name.
        repository: String,
        /// The name asked for.
        environment: String,
        /// Those that there are, in a sentence.
        known: String,
    },
    /// captain.yml does not name the environment any more.
    #[error(
        "the environment {environment} is no longer in captain.yml of the default branch: add it there again first"
    )]
    Removed {
        /// The environment's name.
        environment: String,
    },
    /// The environment is fed by a branch.
    #[error("“{environment}” takes the builds of branch {branch}, not promotions: push to {branch} to release there")]
    FedByBranch {
        /// The environment's name.
        environment: String,
        /// The branch.
        branch: String,
    },
    /// Nothing is live where a promotion comes from.
    #[error("nothing is live in {source_environment} yet: release there first, then promote it to {environment}")]
    NothingLive {
        /// The environment promoted to.
        environment: String,
        /// The environment promoted from.
        source_environment: String,
    },
    /// The same is live already.
    #[error("“{environment}” already runs exactly that, as release {number}")]
    AlreadyLive {
        /// The environment's name.
        environment: String,
        /// The number of its live release.
        number: i64,
    },
    /// No such release.
    #[error("“{environment}” has no release {number}")]
    UnknownRelease {
        /// The environment's name.
        environment: String,
        /// The number asked for.
        number: i64,
    },
    /// A release that never served anyone is nothing to go back to.
    #[error("release {number} of {environment} was never live there ({state}): choose one that was")]
    NeverLive {
        /// The environment's name.
        environment: String,
        /// The number asked for.
        number: i64,
        /// The state it is in.
        state: &'static str,
    },
    /// Nobody waits for an answer.
    #[error("release {number} of {environment} is not held ({state}): there is nothing to approve or to reject")]
    NotHeld {
        /// The environment's name.
        environment: String,
        /// The release's number.
        number: i64,
        /// The state it is in.
        state: &'static str,
    },
    /// Nothing moves that could be steered.
    #[error("release {number} of {environment} is not being rolled out ({state})")]
    NotUnderWay {
        /// The environment's name.
        environment: String,
        /// The release's number.
        number: i64,
        /// The state it is in.
        state: &'static str,
    },
    /// Nobody paused it.
    #[error("the rollout of release {number} of {environment} is not paused: it goes on by itself")]
    NotPaused {
        /// The environment's name.
        environment: String,
        /// The release's number.
        number: i64,
    },
    /// Somebody else is asked.
    #[error("“{environment}” asks for the approval of {approvers}")]
    NoApprover {
        /// The environment's name.
        environment: String,
        /// Who may approve.
        approvers: String,
    },
    /// Nobody decides alone about what is their own.
    #[error("“{person}” wrote the commit or asked for the release: {environment} wants the approval of somebody else")]
    OwnRelease {
        /// The environment's name.
        environment: String,
        /// Who wanted to approve.
        person: String,
    },
    /// There is no earlier release.
    #[error("“{environment}” has no earlier release that was live: there is nothing to roll back to")]
    NothingEarlier {
        /// The environment's name.
        environment: String,
    },
    /// There is nothing to make anew.
    #[error("nothing is live in {environment}: there is nothing to restore; release there first")]
    NothingToRestore {
        /// The environment's name.
        environment: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
