//! The wall clock's one home in this crate.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time now, as files bear it.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(unix_ms()).unwrap_or(0))
}

/// The time now in unix milliseconds.
pub(crate) fn unix_ms() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "log lines carry the time at which they were read; this is its one home"
    )]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
