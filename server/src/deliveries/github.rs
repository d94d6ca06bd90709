//! What GitHub sends, read into [`Said`]. Only what Slipway uses is read, every string is bounded, and nothing here is
//! to be called before the delivery's signature holds.
//!
//! Source: GitHub's documentation, "Webhook events and payloads".

mod pull_request;

use serde::Deserialize;
use slipway_pipelines::skip::asks_to_skip;

use super::{AUTHOR_CHARS, MESSAGE_CHARS, Push, Said, is_commit, is_ref};

/// The header that names the event.
pub const EVENT_HEADER: &str = "x-github-event";
/// The header that identifies the delivery; a redelivery carries the same.
pub const DELIVERY_HEADER: &str = "x-github-delivery";

/// Why a signed delivery cannot be used. Answered with 422.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The JSON ends too early.
    #[error("the body is truncated: it ends within the JSON, at line {line}, column {column}")]
    Truncated {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// It is not JSON, or a field has another type.
    #[error("the body cannot be read as JSON of the {event} event: {reason}")]
    Unreadable {
        /// The event's name.
        event: String,
        /// What the parser said, with line and column.
        reason: String,
    },
    /// A field is missing.
    #[error("the {event} payload has no `{field}`")]
    Missing {
        /// The event's name.
        event: String,
        /// The field's path.
        field: &'static str,
    },
    /// A field holds something that cannot be.
    #[error("the {event} payload's `{field}` is not {expected}")]
    Invalid {
        /// The event's name.
        event: String,
        /// The field's path.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The body is about another repository than the hook.
    #[error("the payload is about {named}, but this hook belongs to {registered}")]
    OtherRepository {
        /// What the body names, cut.
        named: String,
        /// What the hook is registered for.
        registered: String,
    },
    /// A form without the field that holds the JSON.
    #[error("the form has no `payload` field")]
    NoPayloadField,
}

#[derive(Deserialize)]
struct Envelope {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct PushPayload {
    #[serde(rename = "ref")]
    git_ref: Option<String>,
    before: Option<String>,
    after: Option<String>,
    #[serde(default)]
    deleted: bool,
    head_commit: Option<HeadCommit>,
    repository: Option<Repository>,
    sender: Option<Sender>,
}

#[derive(Deserialize)]
struct Sender {
    login: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: Option<String>,
}

#[derive(Deserialize)]
struct HeadCommit {
    id: Option<String>,
    message: Option<String>,
    author: Option<Author>,
}

#[derive(Deserialize)]
struct Author {
    name: Option<String>,
}

/// Reads a delivery about the repository registered as `registered` (`owner/name`).
///
/// # Errors
/// When the JSON cannot be read, lacks what the event must have, or is about another repository.
pub fn read(event: &str, json: &[u8], registered: &str) -> Result<Said, PayloadError> {
    match event {
        "push" => read_push(json, registered),
        "pull_request" => pull_request::read(json, registered),
        "ping" => {
            read_envelope(event, json, registered)?;
            Ok(Said::Nothing { reason: "ping: the hook works".to_owned() })
        }
        other => {
            read_envelope(other, json, registered)?;
            Ok(Said::Nothing {
                reason: format!("the event {} starts nothing; pushes, tags and pull requests do", cut(other, 64)),
            })
        }
    }
}

/// The JSON within a body that was sent as `application/x-www-form-urlencoded`, GitHub's other content type.
///
/// # Errors
/// When the form has no `payload` field.
pub fn payload_of_form(body: &[u8]) -> Result<Vec<u8>, PayloadError> {
    url::form_urlencoded::parse(body)
        .find(|(name, _)| name == "payload")
        .map(|(_, value)| value.into_owned().into_bytes())
        .ok_or(PayloadError::NoPayloadField)
}

/// Events of organisations name no repository; one that is named must be the hook's own.
fn read_envelope(event: &str, json: &[u8], registered: &str) -> Result<(), PayloadError> {
    let envelope: Envelope = parse(event, json)?;
    match envelope.repository.and_then(|repository| repository.full_name) {
        Some(named) => same_repository(&named, registered),
        None => Ok(()),
    }
}

fn read_push(json: &[u8], registered: &str) -> Result<Said, PayloadError> {
    let missing = |field| PayloadError::Missing { event: "push".to_owned(), field };
    let invalid = |field, expected| PayloadError::Invalid { event: "push".to_owned(), field, expected };

    let push: PushPayload = parse("push", json)?;
    let named = push.repository.and_then(|repository| repository.full_name);
    same_repository(&named.ok_or_else(|| missing("repository.full_name"))?, registered)?;

    let git_ref = push.git_ref.ok_or_else(|| missing("ref"))?;
    if !is_ref(&git_ref) {
        return Err(invalid("ref", "a full git ref such as refs/heads/main"));
    }
    if !git_ref.starts_with("refs/heads/") && !git_ref.starts_with("refs/tags/") {
        return Ok(Said::Nothing { reason: format!("{git_ref} is neither a branch nor a tag") });
    }
    let after = push.after.ok_or_else(|| missing("after"))?;
    if push.deleted || after.bytes().all(|digit| digit == b'0') {
        return Ok(Said::Deleted { git_ref });
    }
    let head = push.head_commit.ok_or_else(|| missing("head_commit"))?;
    // For an annotated tag, `after` is the tag's own object; the head commit is what it points to.
    let commit = if git_ref.starts_with("refs/tags/") { head.id.unwrap_or(after) } else { after };
    if !is_commit(&commit) {
        return Err(invalid("after", "a commit of 40 hexadecimal digits"));
    }
    Ok(Said::Pushed(Push {
        git_ref,
        commit: commit.to_ascii_lowercase(),
        before: push.before.filter(|before| is_commit(before) && before.bytes().any(|digit| digit != b'0')),
        asks_to_skip: head.message.as_deref().is_some_and(asks_to_skip),
        message: cut(head.message.as_deref().unwrap_or_default(), MESSAGE_CHARS),
        author: cut(head.author.and_then(|author| author.name).as_deref().unwrap_or_default(), AUTHOR_CHARS),
        pusher: cut(push.sender.and_then(|sender| sender.login).as_deref().unwrap_or_default(), AUTHOR_CHARS),
    }))
}

fn parse<'a, T: Deserialize<'a>>(event: &str, json: &'a [u8]) -> Result<T, PayloadError> {
    serde_json::from_slice(json).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => PayloadError::Truncated { line: error.line(), column: error.column() },
        _ => PayloadError::Unreadable { event: cut(event, 64), reason: cut(&error.to_string(), 200) },
    })
}

/// GitHub's names differ in case only for the same repository.
fn same_repository(named: &str, registered: &str) -> Result<(), PayloadError> {
    if named.eq_ignore_ascii_case(registered) {
        return Ok(());
    }
    Err(PayloadError::OtherRepository { named: cut(named, 200), registered: registered.to_owned() })
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use serde_json::{Value, json};
    use slipway_pipelines::config::Event;

    use super::*;

    const COMMIT: &str = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c";

    fn push() -> Value {
        json!({
            "ref": "refs/heads/main",
            "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
            "after": COMMIT,
            "deleted": false,
            "forced": false,
            "head_commit": {"id": COMMIT, "message": "Say hello", "author": {"name": "Ada", "email": "a@example.com"}},
            "repository": {"full_name": "shop/web", "clone_url": "https://attacker.example/x.git"},
            "sender": {"login": "ada99"},
        })
    }

    fn said(payload: &Value) -> Result<Said, String> {
        read("push", payload.to_string().as_bytes(), "shop/web").map_err(|error| error.to_string())
    }

    fn pushed(payload: &Value) -> Push {
        match said(payload).unwrap() {
            Said::Pushed(push) => push,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_push_to_a_branch() {
        let push = pushed(&push());
        assert_eq!(
            (push.git_ref.as_str(), push.commit.as_str(), push.event()),
            ("refs/heads/main", COMMIT, Event::Push)
        );
        assert_eq!(push.before.as_deref(), Some("6113728f27ae82c7b1a177c8d03f9e96e0adf246"));
        assert_eq!((push.message.as_str(), push.author.as_str(), push.pusher.as_str()), ("Say hello", "Ada", "ada99"));
    }

    #[test]
    fn an_annotated_tag_is_its_commit() {
        let mut payload = push();
        payload["ref"] = json!("refs/tags/v1.0");
        payload["after"] = json!("1111111111111111111111111111111111111111");
        let push = pushed(&payload);
        assert_eq!((push.commit.as_str(), push.event()), (COMMIT, Event::Tag));
    }

    #[test]
    fn a_branch_s_commit_may_ask_not_to_be_built_and_a_tag_s_may_not() {
        let mut payload = push();
        assert!(!pushed(&payload).is_skipped());
        payload["head_commit"]["message"] = json!(format!("{} [skip ci]", "x".repeat(MESSAGE_CHARS)));
        assert!(pushed(&payload).is_skipped(), "the whole of the message counts");
        payload["ref"] = json!("refs/tags/v1.0");
        assert!(!pushed(&payload).is_skipped());
    }

    #[test]
    fn a_deletion() {
        let mut payload = push();
        payload["deleted"] = json!(true);
        payload["after"] = json!("0000000000000000000000000000000000000000");
        payload["head_commit"] = Value::Null;
        assert_eq!(said(&payload).unwrap(), Said::Deleted { git_ref: "refs/heads/main".to_owned() });
    }

    #[test]
    fn long_texts_are_cut() {
        let mut payload = push();
        payload["head_commit"]["message"] = json!("é".repeat(100_000));
        assert_eq!(pushed(&payload).message.chars().count(), MESSAGE_CHARS + 1);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (field, pointer) in [("ref", "ref"), ("after", "after"), ("head_commit", "head_commit")] {
            let mut payload = push();
            payload.as_object_mut().unwrap().remove(field);
            assert_eq!(said(&payload).unwrap_err(), format!("the push payload has no `{pointer}`"));
        }
        let mut payload = push();
        payload["repository"] = json!({});
        assert_eq!(said(&payload).unwrap_err(), "the push payload has no `repository.full_name`");
    }

    #[test]
    fn another_repository_is_refused() {
        let mut payload = push();
        payload["repository"]["full_name"] = json!("evil/web");
        assert_eq!(said(&payload).unwrap_err(), "the payload is about evil/web, but this hook belongs to shop/web");
        payload["repository"]["full_name"] = json!("Shop/Web");
        assert!(said(&payload).is_ok());
    }

    #[test]
    fn truncated_and_foreign_bodies_are_told_apart() {
        let whole = push().to_string();
        let truncated = read("push", &whole.as_bytes()[..40], "shop/web").unwrap_err().to_string();
        assert!(truncated.starts_with("the body is truncated"), "{truncated}");
        let foreign = read("push", b"<xml/>", "shop/web").unwrap_err().to_string();
        assert!(foreign.starts_with("the body cannot be read as JSON of the push event"), "{foreign}");
        let odd = read("push", br#"{"ref": 7}"#, "shop/web").unwrap_err().to_string();
        assert!(odd.contains("invalid type: integer `7`"), "{odd}");
    }

    #[test]
    fn dangerous_refs_and_commits_are_refused() {
        for odd in ["main", "refs/heads/../x", "refs/heads/a b", "refs/heads/-\u{1b}[31m", "refs/heads/x.lock"] {
            let mut payload = push();
            payload["ref"] = json!(odd);
            assert!(said(&payload).unwrap_err().contains("`ref` is not a full git ref"), "{odd}");
        }
        let mut payload = push();
        payload["after"] = json!("--upload-pack=touch");
        assert!(said(&payload).unwrap_err().contains("`after` is not a commit"));
    }

    #[test]
    fn other_events_start_nothing() {
        let ping = read("ping", br#"{"zen": "Design for failure.", "hook_id": 1}"#, "shop/web").unwrap();
        assert_eq!(ping, Said::Nothing { reason: "ping: the hook works".to_owned() });
        let issues = read("issues", br#"{"repository": {"full_name": "shop/web"}}"#, "shop/web").unwrap();
        let reason = "the event issues starts nothing; pushes, tags and pull requests do".to_owned();
        assert_eq!(issues, Said::Nothing { reason });
    }

    #[test]
    fn a_form_holds_the_payload() {
        assert_eq!(payload_of_form(b"payload=%7B%22a%22%3A1%7D").unwrap(), br#"{"a":1}"#);
        assert_eq!(payload_of_form(b"other=1").unwrap_err(), PayloadError::NoPayloadField);
    }
}
