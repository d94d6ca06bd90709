//! Reading what a runner sent: of a bounded size, also once it is unpacked, and with fields of another version left out.

use std::io::Read as _;

use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
    http::header,
};
use serde::de::DeserializeOwned;

use crate::http::errors::Problem;

/// The largest window, as a power of two, that unpacking may take in memory: 8 MiB, what zstd makes at its usual levels.
const WINDOW_LOG: u32 = 23;

/// A JSON body of at most `MOST` bytes, as it is or packed by zstd.
pub(super) struct Sent<T, const MOST: usize>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned, const MOST: usize> FromRequest<S> for Sent<T, MOST> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let packed = match request.headers().get(header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
            None | Some(b"identity") => false,
            Some(b"zstd") => true,
            Some(_) => return Err(Problem::unsupported_media_type("Only zstd is unpacked here.")),
        };
        let bytes = to_bytes(request.into_body(), MOST).await.map_err(unread::<MOST>)?;
        let text = if packed { unpacked::<MOST>(&bytes)? } else { bytes.into() };
        serde_json::from_slice(&text).map(Sent).map_err(|error| {
            Problem::unprocessable(format!("what the runner sent is not understood: {error}; update the older of both"))
        })
    }
}

/// A body that broke off may be sent again; one that is too large may not.
#[expect(clippy::needless_pass_by_value, reason = "it is the error of the reading")]
fn unread<const MOST: usize>(error: axum::Error) -> Problem {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return too_large::<MOST>();
        }
        cause = error.source();
    }
    Problem::timeout("The connection broke before the whole body was here.")
}

fn too_large<const MOST: usize>() -> Problem {
    Problem::too_large(format!("more than {MOST} bytes are not taken here"))
}

fn unpacked<const MOST: usize>(bytes: &[u8]) -> Result<Vec<u8>, Problem> {
    let broken = |error: std::io::Error| Problem::unprocessable(format!("the body cannot be unpacked: {error}"));
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(broken)?;
    decoder.window_log_max(WINDOW_LOG).map_err(broken)?;
    let mut text = Vec::new();
    decoder.take(MOST as u64 + 1).read_to_end(&mut text).map_err(broken)?;
    if text.len() > MOST { Err(too_large::<MOST>()) } else { Ok(text) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use axum::{body::Body, http::StatusCode};

    use super::*;

    async fn read(body: Vec<u8>, packed: bool) -> Result<Vec<String>, StatusCode> {
        let mut request = Request::new(Body::from(body));
        if packed {
            request.headers_mut().insert(header::CONTENT_ENCODING, "zstd".parse().unwrap());
        }
        let read = Sent::<Vec<String>, 1_000>::from_request(request, &()).await;
        read.map(|Sent(lines)| lines).map_err(|problem| problem.status())
    }

    #[tokio::test]
    async fn what_is_packed_is_bounded_as_well() {
        let text = serde_json::to_vec(&["line"]).unwrap();
        let pack = |text: &[u8]| zstd::bulk::compress(text, 1).unwrap();
        assert_eq!(read(text.clone(), false).await.unwrap(), ["line"]);
        assert_eq!(read(pack(&text), true).await.unwrap(), ["line"]);
        let bomb = serde_json::to_vec(&["x".repeat(1_000_000)]).unwrap();
        assert!(pack(&bomb).len() < 1_000, "it would pass the other bound");
        assert_eq!(read(pack(&bomb), true).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(read(bomb, false).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(read(b"no zstd".to_vec(), true).await, Err(StatusCode::UNPROCESSABLE_ENTITY));
    }
}
