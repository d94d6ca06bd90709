//! Builds: how they come to be, how they end, and what follows.

mod again;
mod approval;
mod cancel;
mod create;
mod detail;
mod found;
mod lifecycle;
mod planned;
mod request;
mod state;

pub use again::{Again, Retried, again, retry};
pub use approval::{ApprovalRule, ApprovalState, Approving, approve, expire, refuse};
pub use cancel::{Cancellation, cancel, ref_gone};
pub use create::{Created, NewBuild, create, skip};
pub use detail::{BuildDetail, detail};
pub(crate) use found::found;
pub(crate) use lifecycle::apply;
pub use planned::{Planned, newest_planned, planned};
pub use request::{BuildRequest, request};
pub use state::{BuildEvent, BuildState, next};
