//! Repositories that are let go. One small transaction takes a repository out of sight, so that nothing new begins of it; what it
//! left is removed behind that, a portion at a time, by whichever server is running, as often as it is killed.

mod ending;
mod leave;
mod remover;

pub use leave::leave;
pub use remover::{remove_departed, run_remover};

/// Why what was under way of a repository ended.
const REASON: &str = "its repository was disconnected";
