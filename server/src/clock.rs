//! The time of day, passed in so that tests can set it.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Unix milliseconds.
    fn now(&self) -> i64;

    /// The time that has passed, by a clock that nobody can set.
    fn steady(&self) -> Instant {
        Instant::now()
    }

    /// Whether it gives way to the clock of a database that several servers share: one machine's differs from another's.
    /// A clock that a test sets does not.
    fn gives_way(&self) -> bool {
        false
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn gives_way(&self) -> bool {
        true
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where the server reads the machine's clock")]
    fn now(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}
