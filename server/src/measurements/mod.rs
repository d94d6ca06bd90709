//! What runners measured of apps and hosts: kept as it came for a while, and summed up for longer.

mod figures;
mod note;
mod series;

pub(crate) use figures::add_all;
pub use figures::{AppFigures, HostFigures};
pub use note::unmeasured;
pub use series::{Point, Series, Window, of_environment, of_host};

/// What is measured within this time counts as one measurement, in milliseconds: a repeated report changes nothing, and a
/// runner that tells more often is not heard.
pub const MOMENT_MS: i64 = 5_000;
/// How much time one row sums up that is kept for longer, in milliseconds.
pub const SUM_MS: i64 = 5 * 60 * 1_000;
/// How old the newest measurement may be to say how something is now, in milliseconds.
pub const FRESH_MS: i64 = 2 * 60 * 1_000;
