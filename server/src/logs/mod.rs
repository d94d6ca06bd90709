//! The logs of steps, as those who read them want them.

mod search;

pub use search::{Found, Search, SearchError};
