//! Retention: nothing grows without bound, and nothing that is needed is removed.
//!
//! What goes is chosen from facts by pure functions (`choice`), and removed in small portions (`round`), by one server at
//! a time (`keeper`), while its clock is believed (`watch`). `compaction` joins the chunks of finished logs.

mod choice;
mod compaction;
mod keeper;
mod limits;
mod logs;
mod offload;
mod round;
mod turn;
mod watch;

pub use choice::{BuildFacts, Held, ReleaseFacts, build_goes, releases_that_stay};
pub use keeper::{Collected, archive_now, collect_now, compact_now, keep, run_keeper};
pub use limits::Limits;
pub(crate) use logs::remove_logs;
pub use round::{Going, Round};
pub(crate) use turn::Turn;
pub use watch::Watch;
