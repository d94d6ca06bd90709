//! A commit that is held back until the answer of its request can be stored with it.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use super::Tx;

tokio::task_local! {
    static PARKING: Parking;
}

/// Where the transaction of one request waits, committed as far as its handler knows. Dropped, it never happened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parking(Arc<Mutex<Option<Tx>>>);

impl Parking {
    /// Carries something out whose commits wait here. What it writes behind a commit becomes part of the same
    /// transaction; the tasks that it spawns are not held back.
    pub(crate) async fn scope<F: Future>(&self, work: F) -> F::Output {
        PARKING.scope(self.clone(), work).await
    }

    /// The transaction that waits.
    pub(crate) fn take(&self) -> Option<Tx> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The transaction that waits for this task, to go on with.
    pub(super) fn resumed() -> Option<Tx> {
        PARKING.try_with(Parking::take).ok().flatten()
    }

    /// Has a transaction wait; gives it back where nothing is held back.
    pub(super) fn park(tx: Tx) -> Option<Tx> {
        let mut tx = Some(tx);
        // A task that nothing is held back for has nowhere to park it.
        PARKING
            .try_with(|parking| *parking.0.lock().unwrap_or_else(PoisonError::into_inner) = tx.take())
            .unwrap_or_default();
        tx
    }
}
