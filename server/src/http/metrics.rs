//! `/metrics`, for Prometheus: whoever may read may read it; a token goes into `authorization` of the scrape's
//! configuration.

use axum::{
    extract::State,
    http::{HeaderName, header},
};

use super::errors::Problem;
use crate::{
    access::{Permission, Routes},
    app::AppState,
    metrics,
};

/// The version of the text format.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn routes() -> Routes {
    Routes::new().get("/metrics", Permission::Read, show)
}

async fn show(State(state): State<AppState>) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let lease_time = state.store.lease_time().await?;
    let now = state.store.clock().now();
    let text = metrics::exposition(&mut state.store.read().await?.conn(), now, lease_time).await?;
    Ok(([(header::CONTENT_TYPE, FORMAT)], text))
}
