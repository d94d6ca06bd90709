//! Bells: rung after a commit, they wake whoever waits for the next one. They carry nothing: the truth is read again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::ids::StepId;

/// One bell for each topic. A receiver taken before a query never misses what is committed after the query.
#[derive(Debug)]
pub struct Bells {
    events: watch::Sender<u64>,
    queue: watch::Sender<u64>,
    schedules: watch::Sender<u64>,
    gates: watch::Sender<u64>,
    keys: watch::Sender<u64>,
    logs: Mutex<HashMap<StepId, watch::Sender<u64>>>,
}

impl Default for Bells {
    fn default() -> Self {
        Bells {
            events: watch::Sender::new(0),
            queue: watch::Sender::new(0),
            schedules: watch::Sender::new(0),
            gates: watch::Sender::new(0),
            keys: watch::Sender::new(0),
            logs: Mutex::default(),
        }
    }
}

impl Bells {
    /// Rings whenever events were stored.
    #[must_use]
    pub fn events(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }

    /// Rings whenever a job may be claimed or an order waits for a runner.
    #[must_use]
    pub fn queue(&self) -> watch::Receiver<u64> {
        self.queue.subscribe()
    }

    /// Rings whenever schedules were changed.
    #[must_use]
    pub fn schedules(&self) -> watch::Receiver<u64> {
        self.schedules.subscribe()
    }

    /// Rings whenever a release may be let into an environment that it could not enter before, or be promoted.
    #[must_use]
    pub fn gates(&self) -> watch::Receiver<u64> {
        self.gates.subscribe()
    }

    /// Rings whenever the key of the secrets is to be another.
    #[must_use]
    pub fn keys(&self) -> watch::Receiver<u64> {
        self.keys.subscribe()
    }

    /// Rings whenever lines were added to the step's log, and when it ended.
    #[must_use]
    pub fn log(&self, step: &StepId) -> watch::Receiver<u64> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        // Bells that nobody listens to any more are taken down here, so that the map cannot grow for ever.
        logs.retain(|_, bell| bell.receiver_count() > 0);
        logs.entry(step.clone()).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    pub(crate) fn ring_events(&self) {
        self.events.send_modify(|count| *count += 1);
    }

    pub(crate) fn ring_queue(&self) {
        self.queue.send_modify(|count| *count += 1);
    }

    pub(crate) fn ring_schedules(&self) {
        self.schedules.send_modify(|count| *count += 1);
    }

    pub(crate) fn ring_gates(&self) {
        self.gates.send_modify(|count| *count += 1);
    }

    pub(crate) fn ring_keys(&self) {
        self.keys.send_modify(|count| *count += 1);
    }

    /// Rings them all: something may have been missed.
    pub(crate) fn ring_all(&self) {
        self.ring_events();
        self.ring_queue();
        self.ring_schedules();
        self.ring_gates();
        self.ring_keys();
        for bell in self.logs.lock().unwrap_or_else(PoisonError::into_inner).values() {
            bell.send_modify(|count| *count += 1);
        }
    }

    pub(crate) fn ring_log(&self, step: &StepId) {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = logs.get(step) {
            bell.send_modify(|count| *count += 1);
        }
    }
}
