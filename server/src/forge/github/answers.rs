//! What GitHub's answers mean.

use std::time::Duration;

use reqwest::{Response, StatusCode, header::HeaderMap};
use serde_json::Value;

use super::TIME;

/// The most of an answer that is read, in bytes; a page of deployments is the longest.
const LARGEST: usize = 512 * 1024;
/// The most characters of an answer that are kept.
const KEPT: usize = 200;
/// The rest after a limit that names no time
/// (<https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>).
const REST: Duration = Duration::from_secs(60);

/// Why a forge did not take something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// What happened, without any secret.
    pub reason: String,
    /// Whether it stands.
    pub standing: Standing,
}

/// Whether a refusal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It passes by itself.
    Passes,
    /// It passes when somebody gives the credential what it lacks.
    Refused,
    /// The forge wants nothing more with this credential for so long.
    Rests(Duration),
    /// It does not pass.
    Lasts,
}

impl Refusal {
    pub(in crate::forge) fn for_now(reason: impl Into<String>) -> Self {
        Refusal { reason: reason.into(), standing: Standing::Passes }
    }

    pub(in crate::forge) fn for_ever(reason: impl Into<String>) -> Self {
        Refusal { reason: reason.into(), standing: Standing::Lasts }
    }
}

/// What went wrong on the way.
pub(super) fn unreached(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("GitHub did not answer within {} seconds", TIME.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("GitHub cannot be reached: {cause}")
}

/// Reads an answer that came at `now` (unix milliseconds).
pub(super) async fn read(mut answer: Response, now: i64) -> Result<Value, Refusal> {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= LARGEST => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(Refusal::for_now("GitHub's answer is too long")),
            Ok(None) => break,
            Err(error) => return Err(Refusal::for_now(unreached(&error))),
        }
    }
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|_| Refusal::for_now("GitHub's answer is no JSON"));
    }
    Err(refusal(status, &headers, &body, now))
}

fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8], now: i64) -> Refusal {
    let said = message(body);
    let answered =
        if said.is_empty() { format!("GitHub answered {status}") } else { format!("GitHub answered {status}: {said}") };
    if let Some(rest) = rest(status, headers, &said, now) {
        return Refusal { reason: answered, standing: Standing::Rests(rest) };
    }
    let (reason, standing) = match status {
        StatusCode::UNAUTHORIZED => {
            (format!("{answered}. The token has ended or is wrong: set it anew (slipway forge set)"), Standing::Refused)
        }
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => (lacking(&answered, headers), Standing::Refused),
        status if status.is_redirection() => {
            (format!("{answered}. The repository has another name there now: connect it by that"), Standing::Refused)
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => (answered, Standing::Passes),
        status if status.is_server_error() => (answered, Standing::Passes),
        _ => (answered, Standing::Lasts),
    };
    Refusal { reason, standing }
}

/// What the credential lacks, in GitHub's words where it tells.
fn lacking(answered: &str, headers: &HeaderMap) -> String {
    match text(headers, "x-accepted-github-permissions") {
        Some(needed) => format!("{answered}. The credential must be for this repository, with {}", short(needed)),
        None => {
            format!("{answered}. The credential must be for this repository, and may write there what is to be shown")
        }
    }
}

/// How long GitHub wants to be left alone; none where that is not why it refuses.
fn rest(status: StatusCode, headers: &HeaderMap, said: &str, now: i64) -> Option<Duration> {
    if !matches!(status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
        return None;
    }
    if let Some(seconds) = text(headers, "retry-after").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_secs(seconds));
    }
    if text(headers, "x-ratelimit-remaining") == Some("0") {
        let reset: Option<i64> = text(headers, "x-ratelimit-reset").and_then(|text| text.parse().ok());
        let left = reset.map(|reset| reset.saturating_mul(1_000).saturating_sub(now));
        return Some(left.map_or(REST, |left| Duration::from_millis(u64::try_from(left).unwrap_or(0))));
    }
    let is_limit = status == StatusCode::TOO_MANY_REQUESTS || said.contains("secondary rate limit");
    is_limit.then_some(REST)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// What an error's body says: its message, and the first of the errors that it lists.
fn message(body: &[u8]) -> String {
    let Ok(problem) = serde_json::from_slice::<Value>(body) else {
        return short(&String::from_utf8_lossy(body.get(..KEPT * 4).unwrap_or(body)));
    };
    let said = [&problem["message"], &problem["errors"][0]["message"]].into_iter().filter_map(Value::as_str);
    short(&said.collect::<Vec<_>>().join(": "))
}

/// The beginning of a text, on one line.
fn short(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(KEPT).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    fn said(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Refusal {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        refusal(StatusCode::from_u16(status).unwrap(), &headers.collect(), body.as_bytes(), NOW)
    }

    #[test]
    fn a_limit_is_waited_out() {
        let secondary = r#"{"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}"#;
        for (status, headers, body, seconds) in [
            (429, &[("retry-after", "30")][..], "", 30),
            (403, &[("retry-after", "7"), ("x-ratelimit-remaining", "0")], "", 7),
            (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1790000120")], "", 120),
            (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1780000000")], "", 0),
            (403, &[("x-ratelimit-remaining", "0")], "", 60),
            (403, &[("x-ratelimit-remaining", "4312")], secondary, 60),
            (429, &[], "slow down", 60),
        ] {
            assert_eq!(
                said(status, headers, body).standing,
                Standing::Rests(Duration::from_secs(seconds)),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn a_refusal_says_what_is_lacking() {
        let body = r#"{"message": "Resource not accessible by personal access token", "status": "403"}"#;
        let refused = said(403, &[("x-accepted-github-permissions", "statuses=write")], body);
        assert_eq!(refused.standing, Standing::Refused);
        assert!(
            refused.reason.contains("not accessible") && refused.reason.ends_with("with statuses=write"),
            "{refused}"
        );
        assert!(said(401, &[], r#"{"message": "Bad credentials"}"#).reason.contains("set it anew"));
        assert!(said(307, &[], "").reason.contains("another name"));
    }

    #[test]
    fn what_lasts_is_told_from_what_passes() {
        let full = r#"{"message": "Validation Failed", "errors": [{"message": "This SHA and context has reached the maximum number of statuses."}]}"#;
        let refused = said(422, &[], full);
        assert_eq!(refused.standing, Standing::Lasts);
        assert!(refused.reason.contains("Validation Failed: This SHA and context"), "{refused}");
        assert_eq!(
            said(502, &[], "<html>\nBad\u{7}  Gateway").reason,
            "GitHub answered 502 Bad Gateway: <html> Bad Gateway"
        );
        for (status, standing) in [(500, Standing::Passes), (408, Standing::Passes), (400, Standing::Lasts)] {
            assert_eq!(said(status, &[], "").standing, standing, "{status}");
        }
    }
}
