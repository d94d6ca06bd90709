//! Builds: how they come to be, how they end, and what follows.

mod again;
mod cancel;
mod create;
mod detail;
mod lifecycle;
mod state;

pub use again::{Again, again, retry};
pub use cancel::{Cancellation, branch_deleted, cancel};
pub use create::{Created, NewBuild, create, skip};
pub use detail::{BuildDetail, detail};
pub(crate) use lifecycle::apply;
pub use state::{BuildEvent, BuildState, next};
