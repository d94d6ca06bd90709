//! A page as a response: its status, what it may load, and that nobody keeps it.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use slipway_web::Template;

use crate::http::errors::Problem;

/// What a page may load: its own style, script and pictures, and its own stream. No inline script or style, no frame
/// around it, forms to this server only.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A page to draw.
#[derive(Debug)]
pub struct Html<T> {
    status: StatusCode,
    page: T,
}

impl<T: Template> Html<T> {
    /// A page that is as it should be.
    pub fn ok(page: T) -> Self {
        Html { status: StatusCode::OK, page }
    }

    /// A page with another status.
    pub fn with_status(status: StatusCode, page: T) -> Self {
        Html { status, page }
    }
}

impl<T: Template> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        let body = match self.page.render() {
            Ok(body) => body,
            Err(error) => return Problem::internal(&error).into_response(),
        };
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::CACHE_CONTROL, "private, no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
