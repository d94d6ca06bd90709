//! The API's document (OpenAPI 3.1), made of the handlers, and the way to it.

mod answers;
mod document;
mod inputs;
mod parameters;

use std::sync::LazyLock;

use aide::openapi::OpenApi;
use axum::{http::header, response::IntoResponse};

pub(in crate::http) use answers::{Begun, Made, Told, content, refusal};

use crate::access::{Permission, Routes};

/// The document as it is served; it changes with the version of Slipway alone.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| serde_json::to_string(&document()).unwrap_or_default());

/// The document of the API.
#[must_use]
pub fn document() -> OpenApi {
    document::of(super::api::routes().operations())
}

/// The document's own route, which tells nothing of this server, so that anyone may read it.
pub(super) fn routes() -> Routes {
    Routes::new().get("/api/v1/openapi.json", Permission::Public, show)
}

async fn show() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
        // A viewer that is itself a web page may fetch it.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, DOCUMENT.as_str())
}
