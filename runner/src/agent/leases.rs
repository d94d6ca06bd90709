//! The leases that this life holds.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::{
    coordinator::{Lease, LeaseKey, Verdict, WaitingJob},
    lease::HeldLease,
};

/// How often a lease is renewed within its time.
const BEATS_PER_LEASE: u32 = 6;
/// How often the server hears from a runner that holds nothing.
const IDLE_BEAT: Duration = Duration::from_secs(10);

/// What is held, and for how long.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: Mutex<HashMap<LeaseKey, Held>>,
    handed_back: AtomicBool,
    /// A lease was taken.
    pub(super) taken: Notify,
    /// A lease was given back.
    pub(super) given_back: Notify,
    /// The server is to hear at once what a job waits for.
    pub(super) hindered: Notify,
}

#[derive(Debug)]
struct Held {
    lease: HeldLease,
    time: Duration,
}

impl Leases {
    /// Takes a lease whose handing out was heard of at `received`; none if it is held already. It was handed out a
    /// moment before that; the first heartbeat, a sixth of its time later, sets this right.
    pub(super) fn take(&self, lease: &Lease, received: Instant) -> Option<HeldLease> {
        let time = Duration::from_millis(lease.lease_ms);
        let mut held = self.held();
        if held.contains_key(&lease.key) {
            return None;
        }
        let taken = HeldLease::new(lease.key.clone(), Some(received + safe(time)));
        held.insert(lease.key.clone(), Held { lease: taken.clone(), time });
        drop(held);
        self.taken.notify_one();
        Some(taken)
    }

    /// Gives a lease back.
    pub(super) fn give_back(&self, key: &LeaseKey) {
        self.held().remove(key);
        self.given_back.notify_one();
    }

    /// How many are held.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.held().len()).unwrap_or(u32::MAX)
    }

    /// Everything held.
    pub(super) fn keys(&self) -> Vec<LeaseKey> {
        self.held().keys().cloned().collect()
    }

    /// What jobs wait for.
    pub(super) fn waiting(&self) -> Vec<WaitingJob> {
        let held = self.held();
        let waiting = held.values().filter_map(|held| {
            Some(WaitingJob { job: held.lease.key().job.clone(), hindrance: held.lease.hindrance()? })
        });
        waiting.collect()
    }

    /// What may still be ordered to stop.
    pub(super) fn going_on(&self) -> Vec<LeaseKey> {
        let held = self.held();
        held.values().filter(|held| !held.lease.stop().is_cancelled()).map(|held| held.lease.key().clone()).collect()
    }

    /// How long to wait until the next heartbeat.
    pub(super) fn beat(&self) -> Duration {
        self.held().values().map(|held| held.time / BEATS_PER_LEASE).min().unwrap_or(IDLE_BEAT).min(IDLE_BEAT)
    }

    /// Does what the server said of a lease in answer to a heartbeat sent at `sent`.
    pub(super) fn obey(&self, key: &LeaseKey, verdict: Verdict, sent: Instant) {
        let held = self.held();
        let Some(held) = held.get(key) else { return };
        match verdict {
            Verdict::GoOn => held.lease.extend(sent + safe(held.time)),
            Verdict::Cancel => {
                held.lease.extend(sent + safe(held.time));
                held.lease.cancel();
            }
            Verdict::Lost => held.lease.lose(),
            Verdict::Unknown => {}
        }
    }

    /// Stops one of them, which reports that it was cancelled.
    pub(super) fn cancel(&self, key: &LeaseKey) {
        if let Some(held) = self.held().get(key) {
            held.lease.cancel();
        }
    }

    /// Stops everything, unreported: the runner shuts down, and each job is for another one.
    pub(super) fn hand_back_all(&self) {
        self.handed_back.store(true, Ordering::Relaxed);
        for held in self.held().values() {
            held.lease.lose();
        }
    }

    /// Whether the runner shuts down.
    pub(super) fn are_handed_back(&self) -> bool {
        self.handed_back.load(Ordering::Relaxed)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<LeaseKey, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of a lease's time after which its holder gives it up: the rest is for killing what runs under it.
fn safe(time: Duration) -> Duration {
    time - time / BEATS_PER_LEASE
}
