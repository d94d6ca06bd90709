//! Releases: how they come to be, go live, and are taken back.

mod automatic;
mod content;
mod create;
mod decide;
mod decision;
mod detail;
mod error;
mod follow;
mod gate;
mod gatekeeper;
mod given_up;
mod hold;
mod judge;
mod kept;
mod lifecycle;
mod preview;
mod promote;
mod rollback;
mod settings;
mod state;

pub use decide::{approve, reject};
pub use decision::DecisionKind;
pub use detail::{ReleaseDetail, detail};
pub use error::ReleaseError;
pub(crate) use follow::follow_build;
pub use gatekeeper::{keep_gates, run_gatekeeper};
pub(crate) use given_up::{after_giving_up, return_to};
pub(crate) use hold::hold_back;
pub(crate) use lifecycle::{apply, go_live};
pub use preview::{ImageChange, Preview, preview};
pub use promote::promote;
pub use rollback::rollback;
pub use settings::SettingChange;
pub use state::{ReleaseEvent, ReleaseKind, ReleaseState, next};
