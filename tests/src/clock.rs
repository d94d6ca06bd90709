//! A clock that only moves when a test says so.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use slipway_server::clock::Clock;
use tokio::time::Instant;

/// A clock that only moves when a test says so.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
    begun: Instant,
    passed: AtomicU64,
    reads: AtomicU64,
}

impl Default for ManualClock {
    /// Some day in 2026.
    fn default() -> Self {
        ManualClock {
            now: AtomicI64::new(1_790_000_000_000),
            begun: Instant::now(),
            passed: AtomicU64::new(0),
            reads: AtomicU64::new(0),
        }
    }
}

impl ManualClock {
    /// Lets so many milliseconds pass.
    pub fn advance(&self, milliseconds: i64) {
        self.passed.fetch_add(milliseconds.unsigned_abs(), Ordering::SeqCst);
        self.set_by(milliseconds);
    }

    /// Sets it forward by so many milliseconds that nobody has lived through; back by a negative number.
    pub fn set_by(&self, milliseconds: i64) {
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

    fn steady(&self) -> Instant {
        self.begun + Duration::from_millis(self.passed.load(Ordering::SeqCst))
    }
}
