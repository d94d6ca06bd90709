//! The loops that tell people what happened.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::AppState;
use crate::notifications::{run_courier, run_reader};

/// Starts the reader and the courier; both end at the server's shutdown.
pub(super) fn start(state: &AppState, loops: &TaskTracker) {
    let told = Arc::new(Notify::new());
    loops.spawn(run_reader(state.store.clone(), Arc::clone(&told), state.shutdown.clone()));
    let (sealer, sender) = (state.sealer.clone(), state.sender.clone());
    loops.spawn(run_courier(state.store.clone(), sealer, sender, told, state.shutdown.clone()));
}
