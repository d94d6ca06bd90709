//! For whoever watches the server: whether it lives, and whether it can do its work.

use axum::extract::State;

use super::errors::{Problem, sentence};
use crate::{
    access::{Permission, Routes},
    app::AppState,
    store::events,
};

pub(super) fn routes() -> Routes {
    Routes::new().get("/healthz", Permission::Public, healthz).get("/readyz", Permission::Public, readyz)
}

/// The process lives.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers and has room, and the server is not shutting down.
async fn readyz(State(state): State<AppState>) -> Result<&'static str, Problem> {
    if state.shutdown.is_cancelled() {
        return Err(Problem::unavailable("The server is shutting down."));
    }
    if let Some(shortage) = state.store.shortage() {
        return Err(Problem::unavailable(sentence(&shortage)));
    }
    let mut reader = state.store.read().await?;
    events::last_id(&mut reader.conn()).await?;
    Ok("ready\n")
}
