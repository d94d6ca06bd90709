//! The wall clock's one home in this crate.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time now in unix milliseconds.
pub(crate) fn unix_ms() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "log lines carry the time at which they were read; this is its one home"
    )]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
