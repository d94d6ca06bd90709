//! A request that is sent again with its key is carried out once, and answered as before.
//!
//! The key is a header as the IETF's draft "The Idempotency-Key HTTP Header Field" has it. The answer is stored in the
//! transaction of the change itself: whichever moment the server is killed in, there are both or neither. A refusal changed
//! nothing and is not kept; the same key may be sent again with it mended.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::{Body, to_bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest as _, Sha256};

use super::{
    api::LARGEST_BODY,
    errors::{Problem, sentence},
    repeat::NOT_ONE,
};
use crate::{
    access::{Guard, Principal},
    app::AppState,
    secrets::{Place, Secret},
    store::{
        Parking, Tx,
        answers::{self, KeptAnswer},
    },
};

/// The header with the key.
pub(super) const KEY: &str = "idempotency-key";
/// The header of an answer that was given before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest key that is taken, in bytes.
const KEY_BYTES: usize = 200;
/// The largest answer that is kept, in bytes. None of the API's is nearly as large.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;
/// How long a request is known again by its key, in milliseconds.
pub(crate) const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// The requests that are being carried out.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Arc<Mutex<HashSet<Vec<u8>>>>);

/// One of them, until it is dropped.
struct Turn {
    all: UnderWay,
    key: Vec<u8>,
}

impl UnderWay {
    /// The turn of the request with this key; none while another one has it.
    fn begin(&self, key: &[u8]) -> Option<Turn> {
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_vec());
        is_new.then(|| Turn { all: self.clone(), key: key.to_vec() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// A request with a key.
struct Keyed {
    /// Who sent it, and their key.
    key: Vec<u8>,
    /// What they want.
    request: Vec<u8>,
}

/// Carries a request of the API with a key out once.
pub(super) async fn once(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let is_change = guard.permissions.is_for_changes(path, request.method());
    if request.method() != Method::POST || !path.starts_with("/api/v1/") || !is_change {
        return next.run(request).await;
    }
    let is_one = !NOT_ONE.contains(&path);
    let sender = match key_of(request.headers()) {
        Ok(None) => return next.run(request).await,
        Ok(Some(key)) => hash(&[sender(&request), key.as_bytes()]),
        Err(problem) => return problem.into_response(),
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return Problem::body_too_large().into_response();
    };
    let keyed = Keyed { request: wanted(&parts, &body), key: sender };
    let Some(_turn) = guard.state.under_way.begin(&keyed.key) else {
        return under_way().into_response();
    };
    match before(&guard.state, &keyed).await {
        Ok(None) => {}
        Ok(Some(answer)) => return answer,
        Err(problem) => return problem.into_response(),
    }
    let parking = Parking::default();
    let request = Request::from_parts(parts, Body::from(body));
    let answer = if is_one { parking.scope(next.run(request)).await } else { next.run(request).await };
    if !answer.status().is_success() {
        // What another server has carried out meanwhile may be what stands in the way.
        drop(parking);
        return before(&guard.state, &keyed).await.ok().flatten().unwrap_or(answer);
    }
    kept(&guard.state, &keyed, parking.take(), answer).await.unwrap_or_else(IntoResponse::into_response)
}

/// Whose key it is: the token's that came with the request. Another one may have the name of one that was revoked.
fn sender(request: &Request) -> &[u8] {
    let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
    match bearer {
        Some((_, token)) => token.trim().as_bytes(),
        None => request.extensions().get::<Principal>().map_or("", Principal::name).as_bytes(),
    }
}

fn key_of(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(KEY) else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => {
            Ok(Some(key))
        }
        _ => Err(Problem::unprocessable(format!(
            "The header Idempotency-Key is not a text of 1 to {KEY_BYTES} characters."
        ))),
    }
}

fn under_way() -> Problem {
    Problem::under_way("The same request is still carried out: ask again in a moment.")
}

fn wanted(parts: &Parts, body: &[u8]) -> Vec<u8> {
    let address = parts.uri.path_and_query().map_or("", |address| address.as_str());
    hash(&[parts.method.as_str().as_bytes(), address.as_bytes(), body])
}

/// A hash of texts that no other texts have.
fn hash(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

/// What was answered to the request before.
async fn before(state: &AppState, keyed: &Keyed) -> Result<Option<Response>, Problem> {
    let since = state.store.clock().now() - KEPT_MS;
    let found = answers::find(&mut state.store.read().await?.conn(), &keyed.key, since).await?;
    let Some(found) = found else { return Ok(None) };
    if found.request_hash != keyed.request {
        return Err(Problem::unprocessable(
            "This Idempotency-Key was used for another request before: take a new one.",
        ));
    }
    let body = state
        .sealer
        .open(Place::answer(&answers::named(&keyed.key)), &found.sealed)
        .map_err(|error| Problem::conflict(sentence(&error)))?;
    let status = u16::try_from(found.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (REPLAYED, HeaderValue::from_static("true")),
    ];
    Ok(Some((status.unwrap_or(StatusCode::OK), headers, body.reveal().to_owned()).into_response()))
}

/// Stores the answer with the change that it tells of, and makes both true.
async fn kept(state: &AppState, keyed: &Keyed, parked: Option<Tx>, answer: Response) -> Result<Response, Problem> {
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, LARGEST_ANSWER).await.map_err(|_| Problem::internal(&TooLarge))?;
    let text = Secret::new(String::from_utf8_lossy(&body));
    let mut tx = match parked {
        Some(tx) => tx,
        None => state.store.write().await?,
    };
    let kept = KeptAnswer {
        request_hash: keyed.request.clone(),
        status: parts.status.as_u16().into(),
        sealed: state.sealer.seal(Place::answer(&answers::named(&keyed.key)), &text),
    };
    let since = tx.now() - KEPT_MS;
    if answers::keep(&mut tx, &keyed.key, &kept, since).await? {
        tx.commit().await?;
        return Ok(Response::from_parts(parts, Body::from(body)));
    }
    // Another server was first: what was done here is undone.
    tx.roll_back().await?;
    before(state, keyed).await?.ok_or_else(under_way)
}

/// A bug: an answer of the API is larger than any should be.
#[derive(Debug, thiserror::Error)]
#[error("an answer is larger than {LARGEST_ANSWER} bytes, and cannot be kept")]
struct TooLarge;
