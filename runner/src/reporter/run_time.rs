//! How long a step has been run.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The time since a step began for the last time, which may have been in an earlier life of the runner. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct RunTime(Arc<Mutex<Began>>);

#[derive(Debug)]
struct Began {
    /// When this process came to know it.
    known: Instant,
    /// How long before.
    before: Duration,
}

impl RunTime {
    /// Of a step that has been run for so many milliseconds.
    pub(super) fn after(run_ms: u64) -> Self {
        RunTime(Arc::new(Mutex::new(Began { known: Instant::now(), before: Duration::from_millis(run_ms) })))
    }

    /// The step begins again, now.
    pub(super) fn begin_again(&self) {
        let mut began = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *began = Began { known: Instant::now(), before: Duration::ZERO };
    }

    /// When it will have been run for this long.
    pub(crate) fn reaches(&self, limit: Duration) -> Instant {
        let began = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        began.known + limit.saturating_sub(began.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_life_ran_counts_until_the_step_begins_again() {
        let (limit, start) = (Duration::from_secs(60), Instant::now());
        let (time, over) = (RunTime::after(45_000), RunTime::after(90_000));
        assert!(time.reaches(limit) < start + limit, "a part of it is over");
        assert!(over.reaches(limit) <= Instant::now(), "all of it is over");
        time.begin_again();
        assert!(time.reaches(limit) >= start + limit);
    }
}
