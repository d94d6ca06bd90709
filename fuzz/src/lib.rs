//! What the fuzz targets share: the trials, and the clock that they are held against.

pub mod mutations;
pub mod outside;
pub mod trials;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The longest that one input may take.
pub const LIMIT: Duration = Duration::from_millis(50);

/// Runs a trial, and panics if it takes longer than [`LIMIT`]. The time is the thread's own, so that what else the machine
/// does is not counted; a trial that took too long is run once more, as its first run may have waited for memory.
pub fn bounded(trial: impl Fn()) {
    let time = || {
        let before = used();
        trial();
        used().saturating_sub(before)
    };
    let first = time();
    if first > LIMIT {
        let again = time();
        assert!(again <= LIMIT, "the input took {first:?}, and {again:?} when it was run again; the limit is {LIMIT:?}");
    }
}

/// The time that this thread has run.
fn used() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
