//! Releases: how they come to be, go live, and are taken back.

mod content;
mod create;
mod detail;
mod error;
mod follow;
mod given_up;
mod kept;
mod lifecycle;
mod promote;
mod rollback;
mod state;

pub use detail::{ReleaseDetail, detail};
pub use error::ReleaseError;
pub(crate) use follow::follow_build;
pub(crate) use given_up::{after_giving_up, return_to};
pub(crate) use lifecycle::{apply, go_live};
pub use promote::promote;
pub use rollback::rollback;
pub use state::{ReleaseEvent, ReleaseKind, ReleaseState, next};
