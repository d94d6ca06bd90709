//! Reading requests: every refusal is a [`Problem`] that says what is wrong.

use axum::{
    Form,
    body::{Body as RequestBody, Bytes},
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde::de::DeserializeOwned;

use super::errors::Problem;

/// The largest body of an API request, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How a refusal begins of a body that is JSON, and not what is expected.
pub const ODD_BODY: &str = "The body is not what is expected here";

/// A JSON body, read strictly. No body at all is read as `{}`.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// The names within the path. One that cannot be is a 404, as nothing has it.
#[derive(Debug)]
pub struct Named<T>(pub T);

/// The query, read strictly.
#[derive(Debug)]
pub struct Asked<T>(pub T);

/// The fields of a form, read strictly.
#[derive(Debug)]
pub struct Filled<T>(pub T);

/// Refuses addresses with a NUL character: no name here has one, and PostgreSQL takes none in a text.
pub async fn plain_address(request: Request, next: Next) -> Response {
    let address = request.uri().path_and_query().map_or("", |address| address.as_str());
    if address.contains("%00") {
        return Problem::bad_request("The address holds a NUL character, which nothing here has.").into_response();
    }
    next.run(request).await
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Filled<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await;
        let bytes = bytes.map_err(|_| Problem::body_too_large())?;
        if bytes.contains(&0) || bytes.windows(3).any(|three| three == b"%00") {
            return Err(Problem::unprocessable("The form holds a NUL character, which no text here may."));
        }
        match Form::from_request(Request::from_parts(parts, RequestBody::from(bytes)), state).await {
            Ok(Form(filled)) => Ok(Filled(filled)),
            Err(rejected) => Err(Problem::unprocessable(format!("{}.", rejected.body_text()))),
        }
    }
}

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
    if has_nul(bytes) {
        return Err(Problem::unprocessable("The body holds a NUL character, which no text here may."));
    }
    // A list of the fields without their names would be taken, too.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::unprocessable(format!("{ODD_BODY}: a list, where an object is.")));
    }
    serde_json::from_slice(bytes).map(Body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Problem::unprocessable(format!("{ODD_BODY}: {error}.")),
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

/// Whether a text of this JSON holds a NUL character, which it can only write as an escape.
fn has_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if rest.starts_with(b"u0000") {
            return true;
        }
        // What is escaped may be another backslash.
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::has_nul;

    #[test]
    fn an_escaped_nul_is_found_and_an_escaped_backslash_is_none() {
        for text in [r#"{"a": "\u0000"}"#, r#"{"a": "b\\\u0000"}"#, r#"{"\n\u0000": 1}"#] {
            assert!(has_nul(text.as_bytes()), "{text}");
        }
        for text in [r#"{"a": "\\u0000"}"#, r#"{"a": "u0000 \u0001"}"#, r#""\"#, "", "\\"] {
            assert!(!has_nul(text.as_bytes()), "{text}");
        }
    }
}
