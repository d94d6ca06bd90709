//! What a step hears when it may not do what it asked for, or the engine did not.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Response, StatusCode, header};
use serde_json::json;

use super::upstream::Body;
use crate::engine::EngineError;

/// An answer other than success, in the form of the engine's own: `{"message": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refusal {
    /// A step may not do this.
    pub(super) fn forbidden(what: impl AsRef<str>) -> Self {
        let message = format!("Slipway does not let a step do this: {}", what.as_ref());
        Refusal { status: StatusCode::FORBIDDEN, message }
    }

    /// There is no such object, or it is another's.
    pub(super) fn missing(kind: &str, name: &str) -> Self {
        Refusal { status: StatusCode::NOT_FOUND, message: format!("No such {kind}: {name}") }
    }

    /// The request cannot be understood.
    pub(super) fn bad(what: impl Into<String>) -> Self {
        Refusal { status: StatusCode::BAD_REQUEST, message: what.into() }
    }

    /// The engine cannot be used.
    pub(super) fn unreachable(cause: &dyn std::fmt::Display) -> Self {
        Refusal { status: StatusCode::BAD_GATEWAY, message: format!("the Docker engine does not answer: {cause}") }
    }

    /// The answer.
    pub(super) fn response(&self) -> Response<Body> {
        let text = json!({ "message": self.message }).to_string();
        json_response(self.status, text.into())
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Refused { status, message, .. } => {
                Refusal { status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), message }
            }
            EngineError::Unreachable { cause, .. } => Refusal::unreachable(&cause),
        }
    }
}

/// An answer whose body is a JSON text.
pub(super) fn json_response(status: StatusCode, text: Bytes) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// A body that is there already.
pub(super) fn full(text: Bytes) -> Body {
    Full::new(text).map_err(|never| match never {}).boxed_unsync()
}
