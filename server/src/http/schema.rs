//! The JSON Schema of captain.yml, for editors. It tells nothing of this server, so that anyone may read it.

use std::sync::LazyLock;

use axum::{http::header, response::IntoResponse};

use crate::access::{Permission, Routes};

/// The schema as it is served; it changes with the version of Slipway alone.
static SCHEMA: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", slipway_pipelines::schema::json_schema()));

pub(super) fn routes() -> Routes {
    Routes::new().get("/schema/captain.yml.json", Permission::Public, show)
}

async fn show() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/schema+json"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
        // An editor that is itself a web page may fetch it.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, SCHEMA.as_str())
}
