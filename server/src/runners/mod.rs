//! Runners as the server knows them: their tokens, their labels, and what each takes.

mod admit;
mod collect;
mod error;
mod labels;
mod presence;

pub use admit::{admit, revoke};
pub use collect::{Answered, ask_to_collect};
pub use error::RunnerError;
pub use labels::{Label, Labels, check_labels, meets};
pub use presence::Presence;

use crate::store::text::text_enum;

text_enum! {
    /// What a runner takes.
    Takes {
        /// Builds and rollouts.
        Everything = "everything",
        /// Builds alone: it has no proxy, or was told so.
        Builds = "builds",
    }
}
