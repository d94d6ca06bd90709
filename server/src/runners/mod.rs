//! Runners as the server knows them: their tokens, their labels, and what each takes.

mod admit;
mod collect;
mod error;
mod labels;
mod presence;
mod trouble;

pub use admit::{admit, drain, revoke, undrain};
pub use collect::{Answered, ask_to_collect};
pub use error::RunnerError;
pub use labels::{Label, Labels, check_labels, meets};
pub use presence::Presence;
pub(crate) use trouble::notice_disk;
pub use trouble::notice_silence;

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
