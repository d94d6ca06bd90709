//! What a server's answer means.

use reqwest::{Response, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};

use crate::coordinator::{CoordinatorError, LeaseKey};

/// The largest answer that is read, in bytes.
const LARGEST: usize = 32 * 1024 * 1024;
/// How much is repeated of what someone else than Slipway answered.
const QUOTED: usize = 200;

/// What a refusal says (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

/// Reads an answer to a report under this lease, or to a call without one.
///
/// Only what Slipway itself says is final: something between runner and server, such as a proxy whose server is being
/// replaced, may say anything, and the next answer is another.
pub(super) async fn read<T: DeserializeOwned>(
    answer: Result<Response, reqwest::Error>,
    lease: Option<&LeaseKey>,
) -> Result<T, CoordinatorError> {
    let answer = answer.map_err(|error| unavailable(innermost(&error)))?;
    let (status, is_problem) = (answer.status(), is_problem(&answer));
    if status.is_redirection() {
        return Err(unavailable(
            "it sends elsewhere, where a runner does not follow; name the final address".to_owned(),
        ));
    }
    let bytes = whole(answer).await?;
    if status.is_success() {
        return serde_json::from_slice(&bytes)
            .map_err(|error| unavailable(format!("its answer is not understood: {error}; update the older of both")));
    }
    let problem = serde_json::from_slice::<Problem>(&bytes).ok().filter(|_| is_problem);
    let Some(Problem { detail }) = problem else {
        let said: String = String::from_utf8_lossy(&bytes).chars().take(QUOTED).collect();
        return Err(unavailable(format!("{status}, not by Slipway: {said}")));
    };
    Err(match (status, lease) {
        (StatusCode::CONFLICT, Some(lease)) => CoordinatorError::LeaseLost { job: lease.job.clone() },
        (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS, _) => unavailable(detail),
        _ if status.is_client_error() => CoordinatorError::Refused { reason: detail },
        _ => unavailable(detail),
    })
}

fn is_problem(answer: &Response) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/problem+json"))
}

async fn whole(mut answer: Response) -> Result<Vec<u8>, CoordinatorError> {
    let mut bytes = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| unavailable(innermost(&error)))? {
        if bytes.len() + part.len() > LARGEST {
            return Err(unavailable(format!("its answer has more than {LARGEST} bytes")));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

fn unavailable(reason: String) -> CoordinatorError {
    CoordinatorError::Unavailable { reason }
}

/// The cause at the bottom, which says what really happened.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
