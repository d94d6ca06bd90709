//! A POST of JSON, signed as GitHub signs its own.

use chrono::{DateTime, SecondsFormat};
use hmac::{Hmac, Mac as _};
use reqwest::{Client, RequestBuilder, header};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{super::About, Sent};
use crate::secrets::Secret;

pub(super) fn request(http: &Client, url: &Secret, secret: Option<&Secret>, sent: &Sent<'_>) -> RequestBuilder {
    let body = body(sent).to_string();
    let request = http
        .post(url.reveal())
        .header(header::CONTENT_TYPE, "application/json")
        .header("X-Slipway-Notification", sent.id.as_str());
    let request = match secret {
        Some(secret) => request.header("X-Slipway-Signature-256", signature(secret, body.as_bytes())),
        None => request,
    };
    request.body(body)
}

fn body(sent: &Sent<'_>) -> Value {
    let message = sent.message;
    let mut body = json!({
        "id": sent.id,
        "occasion": message.occasion,
        "title": message.title(),
        "reason": message.reason,
        "repository": Some(&message.repository).filter(|name| !name.is_empty()),
        "at": time(message.at),
        "url": sent.link,
        "trouble": message.trouble.as_ref().map(|trouble| json!({
            "id": trouble.alert,
            "since": time(trouble.since),
            "times": trouble.times,
            "is_over": trouble.is_over,
        })),
    });
    match &message.about {
        About::Build { number, reference, commit, summary, author } => {
            body["build"] = json!({
                "number": number, "ref": reference, "commit": commit, "summary": summary, "author": author,
            });
        }
        About::Release { environment, number, build, commit } => {
            body["release"] = json!({
                "environment": environment, "number": number, "build": build, "commit": commit,
            });
        }
        About::App { environment, app, replica, release } => {
            body["app"] = json!({
                "environment": environment, "name": app, "replica": replica, "release": release,
            });
        }
        About::Runner { id, name } => body["runner"] = json!({"id": id, "name": name}),
    }
    body
}

fn time(at: i64) -> Option<String> {
    DateTime::from_timestamp_millis(at).map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn signature(secret: &Secret, body: &[u8]) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).expect("any key will do");
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

#[cfg(test)]
mod tests {
    use super::signature;
    use crate::secrets::Secret;

    /// The example of GitHub's documentation ("Validating webhook deliveries").
    #[test]
    fn it_is_signed_as_github_signs() {
        assert_eq!(
            signature(&Secret::new("It's a Secret to Everybody"), b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
