//! Reading requests: every refusal is a [`Problem`] that says what is wrong.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, header, request::Parts},
};
use serde::de::DeserializeOwned;

use super::errors::Problem;

/// The largest body of an API request, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// A JSON body, read strictly. No body at all is read as `{}`.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// The names within the path. One that cannot be is a 404, as nothing has it.
#[derive(Debug)]
pub struct Named<T>(pub T);

/// The query, read strictly.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let content_type = media_type(request.headers());
        let bytes = Bytes::from_request(request, state).await.map_err(|_| Problem::body_too_large())?;
        if bytes.is_empty() {
            return parse(b"{}");
        }
        if content_type.as_deref() != Some("application/json") {
            return Err(Problem::unsupported_media_type("Send the body with Content-Type: application/json."));
        }
        parse(&bytes)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<Body<T>, Problem> {
    serde_json::from_slice(bytes).map(Body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Problem::unprocessable(format!("The body is not what is expected here: {error}."))
        }
        _ => Problem::bad_request(format!("The body is not JSON: {error}.")),
    })
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Named(names)),
            Err(rejected) => Err(Problem::not_found(format!("Nothing has this address: {}.", rejected.body_text()))),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Asked(asked)),
            Err(rejected) => Err(Problem::bad_request(format!("{}.", rejected.body_text()))),
        }
    }
}

/// The type of a body without its parameters, in lower case.
#[must_use]
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(|kind| kind.trim().to_ascii_lowercase())
}
