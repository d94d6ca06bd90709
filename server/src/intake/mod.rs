//! Taking in webhook deliveries: stored with all that they cause, in one transaction, before they are answered.

mod again;
mod batch;
mod receive;

pub use again::deal_again;
pub use batch::Intake;

use std::collections::BTreeMap;

use crate::{
    builds::NewBuild,
    deliveries::Word,
    ids::{DeliveryId, RepositoryId},
};

/// A delivery whose signature held.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// The repository that it came for.
    pub repository: RepositoryId,
    /// The forge's own id of it.
    pub forge_id: String,
    /// The forge's name of the event, such as `push`.
    pub event: String,
    /// Those of its headers that are kept.
    pub headers: BTreeMap<String, String>,
    /// The body's bytes.
    pub payload: bytes::Bytes,
    /// What it asks for.
    pub verdict: Verdict,
}

/// What a delivery asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A build.
    Build(NewBuild),
    /// Nothing but to know where the ref stands: its commit asks not to be built.
    Skipped {
        /// The full ref, such as `refs/heads/main`.
        git_ref: String,
        /// The commit that it stands at now.
        commit: String,
        /// The commit that it stood at before; none for a new ref.
        before: Option<String>,
    },
    /// The end of what is built of a ref that is gone.
    RefDeleted {
        /// The full ref, such as `refs/heads/topic`.
        git_ref: String,
    },
    /// The end of what is built of a pull request that is merged or given up.
    PullRequestClosed(Word),
    /// A build of a pull request.
    PullRequest {
        /// How new this is.
        word: Word,
        /// The build.
        build: NewBuild,
    },
    /// Nothing.
    Ignored {
        /// Why, in a sentence.
        reason: String,
    },
}

/// What became of a delivery; it is stored by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// It is stored.
    Stored {
        /// Its id.
        delivery: DeliveryId,
        /// The number of the build that it caused, or that stands for it because the same commit was built before.
        build: Option<i64>,
        /// Why there was nothing to do; none when it was acted upon.
        ignored: Option<String>,
    },
    /// It was stored before.
    Duplicate {
        /// The id that it was stored under.
        delivery: DeliveryId,
    },
}
