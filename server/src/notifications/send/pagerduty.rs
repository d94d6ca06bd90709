//! Events of PagerDuty ("Events API v2"): trouble opens an incident, who takes it in hand acknowledges it, its end resolves it.

use chrono::{DateTime, SecondsFormat};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::Sent;
use crate::secrets::Secret;

/// The longest summary, in characters, by PagerDuty's documentation.
const SUMMARY: usize = 1024;

pub(super) fn request(http: &Client, url: &str, key: &Secret, sent: &Sent<'_>) -> RequestBuilder {
    http.post(url).json(&body(key, sent))
}

fn body(key: &Secret, sent: &Sent<'_>) -> Value {
    let message = sent.message;
    // What belongs to one trouble has one key, by which PagerDuty puts it together.
    let dedup_key = message.trouble.as_ref().map_or(sent.id.as_str(), |trouble| &trouble.alert);
    let is_taken = message.trouble.as_ref().is_some_and(|trouble| trouble.taken_by.is_some());
    let action = match (message.ends_trouble(), is_taken) {
        (true, _) => "resolve",
        (false, true) => "acknowledge",
        (false, false) => "trigger",
    };
    let mut body = json!({
        "routing_key": key.reveal(),
        "event_action": action,
        "dedup_key": dedup_key,
    });
    if action == "trigger" {
        let summary: String = message.title().chars().take(SUMMARY).collect();
        let at = DateTime::from_timestamp_millis(message.at).map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true));
        body["payload"] = json!({
            "summary": summary,
            "source": "slipway",
            "severity": if message.is_bad() { "error" } else { "info" },
            "timestamp": at,
            "component": Some(&message.repository).filter(|name| !name.is_empty()),
            "custom_details": {"details": message.lines()},
        });
        body["links"] = json!([{"href": sent.link, "text": "Slipway"}]);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::NotificationId,
        notifications::{
            Message, Trouble,
            message::tests::{failed_build, mended_build},
        },
    };

    #[test]
    fn the_end_of_a_trouble_resolves_what_its_beginning_opened_and_somebody_may_have_taken() {
        let body = |message: &Message| {
            let sent = Sent { id: &NotificationId::new(), message, link: "https://slipway.example/x".to_owned() };
            body(&Secret::new("R1"), &sent)
        };
        let (failed, mended) = (failed_build(), mended_build());
        let mut taken = failed_build();
        taken.trouble = taken.trouble.map(|trouble| Trouble { taken_by: Some("ada".to_owned()), ..trouble });
        let acknowledged = body(&taken);
        let (opened, resolved) = (body(&failed), body(&mended));
        assert_eq!((&opened["event_action"], &resolved["event_action"]), (&json!("trigger"), &json!("resolve")));
        assert_eq!(opened["dedup_key"], resolved["dedup_key"]);
        assert_eq!(opened["payload"]["summary"], "acme/shop: build 7 of main failed");
        assert_eq!(opened["payload"]["timestamp"], "2023-11-14T22:13:20.000Z");
        assert!(resolved.get("payload").is_none());
        assert_eq!(acknowledged["event_action"], "acknowledge");
        assert_eq!(acknowledged["dedup_key"], opened["dedup_key"]);
    }
}
