//! The loops that show forges what happened.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::AppState;
use crate::forge::{run_courier, run_reader};

/// Starts the reader and the courier; both end at the server's shutdown.
pub(super) fn start(state: &AppState, loops: &TaskTracker) {
    let told = Arc::new(Notify::new());
    loops.spawn(run_reader(state.store.clone(), Arc::clone(&told), state.shutdown.clone()));
    let (sealer, forges) = (state.sealer.clone(), state.forges.clone());
    loops.spawn(run_courier(state.store.clone(), sealer, forges, told, state.shutdown.clone()));
}
