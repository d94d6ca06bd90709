//! The logs of steps, as those who read them want them.

pub mod groups;
mod look;
mod search;

pub use look::{Found, look};
pub use search::{Search, SearchError};
