//! A clock that only moves when a test says so.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use slipway_server::clock::Clock;

/// A clock that only moves when a test says so.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
    reads: AtomicU64,
}

impl Default for ManualClock {
    /// Some day in 2026.
    fn default() -> Self {
        ManualClock { now: AtomicI64::new(1_790_000_000_000), reads: AtomicU64::new(0) }
    }
}

impl ManualClock {
    /// Lets so many milliseconds pass; a negative number sets it back.
    pub fn advance(&self, milliseconds: i64) {
        self.now.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// How often it was looked at.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> i64 {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.now.load(Ordering::SeqCst)
    }
}
