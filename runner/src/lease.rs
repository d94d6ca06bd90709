//! A lease as its holder sees it: its key, until when it surely holds, and the signals to stop.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::coordinator::LeaseKey;

/// One lease that this process holds. Clones share their state.
#[derive(Debug, Clone)]
pub struct HeldLease {
    key: LeaseKey,
    stop: CancellationToken,
    lost: CancellationToken,
    until: Arc<Mutex<Option<Instant>>>,
    hindrance: Arc<Mutex<Option<String>>>,
}

impl HeldLease {
    /// Holds a lease that surely lasts until `until`, by this process's monotonic clock; none never ends by itself.
    #[must_use]
    pub fn new(key: LeaseKey, until: Option<Instant>) -> Self {
        let lost = CancellationToken::new();
        HeldLease { key, stop: lost.child_token(), lost, until: Arc::new(Mutex::new(until)), hindrance: Arc::default() }
    }

    /// The key that every report carries.
    #[must_use]
    pub fn key(&self) -> &LeaseKey {
        &self.key
    }

    /// Cancelled when the job must stop, for whichever reason.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Cancelled when the lease is gone: nothing may be reported any more. Then [`Self::stop`] is cancelled, too.
    #[must_use]
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Stops the job, which reports that it was cancelled.
    pub fn cancel(&self) {
        self.stop.cancel();
    }

    /// Stops the job and everything that it would still report.
    pub fn lose(&self) {
        self.lost.cancel();
    }

    /// Says what the job waits for; none when it goes on.
    pub fn hinder(&self, hindrance: Option<String>) {
        *self.hindrance.lock().unwrap_or_else(PoisonError::into_inner) = hindrance;
    }

    /// What the job waits for.
    #[must_use]
    pub fn hindrance(&self) -> Option<String> {
        self.hindrance.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Moves the end of the lease; never back.
    pub fn extend(&self, until: Instant) {
        let mut current = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *current = current.map(|now| now.max(until));
    }

    /// Waits until the lease is no longer sure to hold, and gives it up: the holder fences itself, as the server may
    /// hand the job to someone else from then on. Returns at once when it was lost by another way.
    pub async fn fence(&self) {
        loop {
            let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(until) = until else {
                return self.lost.cancelled().await;
            };
            tokio::select! {
                () = self.lost.cancelled() => return,
                () = tokio::time::sleep_until(until) => {}
            }
            let extended = *self.until.lock().unwrap_or_else(PoisonError::into_inner) > Some(Instant::now());
            if !extended {
                tracing::warn!(job = %self.key.job, "no heartbeat was answered in time: giving the lease up");
                return self.lose();
            }
        }
    }
}

impl From<LeaseKey> for HeldLease {
    fn from(key: LeaseKey) -> Self {
        HeldLease::new(key, None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lease(until: Instant) -> HeldLease {
        HeldLease::new(LeaseKey { job: "job".to_owned(), epoch: 1 }, Some(until))
    }

    #[tokio::test]
    async fn a_lease_that_is_not_extended_is_given_up_in_time() {
        let until = Instant::now() + Duration::from_millis(30);
        let held = lease(until);
        held.fence().await;
        assert!(held.lost().is_cancelled() && held.stop().is_cancelled());
        assert!(Instant::now() >= until);
    }

    #[tokio::test]
    async fn heartbeats_move_the_end_and_never_back() {
        let start = Instant::now();
        let held = lease(start + Duration::from_millis(10));
        held.extend(start + Duration::from_millis(60));
        held.extend(start + Duration::from_millis(20));
        held.fence().await;
        assert!(start.elapsed() >= Duration::from_millis(60));
    }

    #[test]
    fn cancelling_stops_the_job_but_keeps_the_lease() {
        let held = HeldLease::from(LeaseKey { job: "job".to_owned(), epoch: 1 });
        held.cancel();
        assert!(held.stop().is_cancelled());
        assert!(!held.lost().is_cancelled());
    }
}
