//! Everything that comes in by HTTP: webhooks, the API, the login, health, and the dashboard's pages.

pub mod api;
mod badges;
mod bodies;
pub mod errors;
pub mod extract;
mod health;
mod hooks;
mod login;
mod login_with;
mod metrics;
mod once;
pub mod openapi;
pub mod pages;
mod repeat;
pub mod room;
mod runners;
mod schema;
mod stream;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, Method, Uri, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer, set_header::SetResponseHeaderLayer};

pub use bodies::Bodies;
pub(crate) use once::KEPT_MS;
pub use once::UnderWay;

use crate::{
    access::{Guard, Routes, authorise},
    app::AppState,
};
use errors::Problem;

/// How long a request may take until its answer begins. Deliveries and streams have times of their own.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// Every route of the server, with what it needs.
#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .merge(badges::routes())
        .merge(health::routes())
        .merge(hooks::routes())
        .merge(login::routes())
        .merge(login_with::routes())
        .merge(metrics::routes())
        .merge(openapi::routes())
        .merge(api::routes())
        .merge(pages::routes())
        .merge(runners::routes())
        .merge(schema::routes())
        .merge(stream::routes())
}

/// The whole service: the routes behind the one layer that authorises, and what every answer carries.
pub fn service(state: AppState) -> Router {
    let (router, permissions) = routes().into_parts();
    let permissions = Arc::new(permissions);
    let guard = Guard { state: state.clone(), permissions: Arc::clone(&permissions) };
    router
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_that_way)
        .layer(from_fn_with_state(guard.clone(), once::once))
        .layer(from_fn_with_state(permissions, repeat::repeat))
        .layer(from_fn_with_state(guard, authorise))
        .layer(DefaultBodyLimit::max(extract::MAX_BODY_BYTES))
        .layer(from_fn(in_time))
        .layer(from_fn(extract::plain_address))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(pages::for_people))
        .layer(always("x-content-type-options", "nosniff"))
        .layer(always("referrer-policy", "same-origin"))
        .layer(SetResponseHeaderLayer::if_not_present(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")))
        .layer(SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        // What is a stream, a picture or small is left as it is.
        .layer(CompressionLayer::new())
        .with_state(state)
}

fn always(name: &'static str, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(HeaderName::from_static(name), HeaderValue::from_static(value))
}

async fn nothing_here(uri: Uri) -> Problem {
    Problem::not_found(format!("There is nothing at {}.", uri.path()))
}

async fn not_that_way(method: Method, uri: Uri) -> Problem {
    Problem::method_not_allowed(format!("{} cannot be done with {}.", method, uri.path()))
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable("The server took too long to answer; try again.").into_response(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Problem::internal(&Panicked(said)).into_response()
}

/// A bug: a handler panicked.
#[derive(Debug, thiserror::Error)]
#[error("a handler panicked: {0}")]
struct Panicked(String);
