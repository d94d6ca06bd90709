//! A request whose transaction the database gave up for another's is carried out again, unnoticed by who sent it.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{api::LARGEST_BODY, errors::Problem};
use crate::access::Permissions;

/// How often a request is carried out again.
const AGAIN: u32 = 3;
/// How much longer each pause is than the one before.
const PAUSE: Duration = Duration::from_millis(20);

/// What is not one transaction: what of it was done stays done, and it waits for what others do to the database meanwhile.
pub(super) const NOT_ONE: [&str; 2] = ["/api/v1/gc", "/api/v1/repositories/{owner}/{name}/hook-test"];

/// Carries out the changes that people ask for; all that one of them does to the database is one transaction, but for
/// [`NOT_ONE`]. Deliveries and runners' reports are not among them: the intake and the runners repeat those themselves.
pub(super) async fn repeat(State(permissions): State<Arc<Permissions>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    if NOT_ONE.contains(&path) || request.method().is_safe() || !permissions.is_for_changes(path, request.method()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return Problem::body_too_large().into_response();
    };
    let whole = || Request::from_parts(parts.clone(), Body::from(body.clone()));
    for time in 1..=AGAIN {
        let answer = next.clone().run(whole()).await;
        if !answer.extensions().get::<Problem>().is_some_and(Problem::may_be_repeated) {
            return answer;
        }
        tokio::time::sleep(PAUSE * time).await;
        tracing::info!(
            path = parts.uri.path(),
            "the database gave a request up for another one; it is carried out again"
        );
    }
    next.run(whole()).await
}
