//! Whether this server believes its clock when it collects.

use std::sync::{Arc, Mutex, PoisonError};

use slipway_runner::ClockWatch;

use crate::{
    clock::Clock,
    store::{Store, StoreError, collection},
};

/// Looks whether the clock may be wrong by which everything gets old.
pub struct Watch {
    clock: Arc<dyn Clock>,
    seen: Mutex<ClockWatch>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Watch {
    /// Begins with a server's start.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(store: &Store) -> Result<Self, StoreError> {
        let mut tx = store.write().await?;
        let last_round = collection::begin(&mut tx).await?;
        tx.commit().await?;
        let clock = Arc::clone(store.clock());
        let seen = Mutex::new(ClockWatch::begin(clock.now(), clock.steady(), last_round));
        Ok(Watch { clock, seen })
    }

    /// Why nothing is collected now, in words; none while the clock is believed.
    pub fn doubt(&self) -> Option<String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.doubt(self.clock.now(), self.clock.steady())
    }
}
