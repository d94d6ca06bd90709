//! An incoming webhook of Slack's, and of what speaks as it does.

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::Sent;
use crate::secrets::Secret;

pub(super) fn request(http: &Client, url: &Secret, sent: &Sent<'_>) -> RequestBuilder {
    http.post(url.reveal()).json(&body(sent))
}

fn body(sent: &Sent<'_>) -> Value {
    let message = sent.message;
    let sign = if message.ends_trouble() {
        ":white_check_mark: "
    } else if message.is_bad() {
        ":red_circle: "
    } else {
        ""
    };
    let head = format!("{sign}*<{}|{}>*", sent.link, escaped(&message.title()));
    let lines: Vec<String> = std::iter::once(head).chain(message.lines().iter().map(|line| escaped(line))).collect();
    json!({"text": lines.join("\n")})
}

/// The three characters that mean something to Slack ("Formatting text for app surfaces: escaping text"). So nobody's
/// commit message calls a whole channel or hides a link.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::NotificationId,
        notifications::{
            About, Message,
            message::tests::{failed_build, mended_build},
        },
    };

    fn text(message: &Message) -> String {
        let link = format!("https://slipway.example{}", message.page);
        let body = body(&Sent { id: &NotificationId::new(), message, link });
        body["text"].as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn it_says_what_happened_and_leads_there() {
        assert_eq!(
            text(&failed_build()),
            ":red_circle: *<https://slipway.example/repositories/acme/shop/builds/7|acme/shop: build 7 of main failed>*\n\
             step 2 (make &lt;test&gt;) failed: exit code 2\n0123456 Sell &amp; ship (Ada)"
        );
        assert!(text(&mended_build()).starts_with(":white_check_mark: *<"));
    }

    #[test]
    fn a_commit_cannot_call_everybody() {
        let about = About::Build {
            number: 7,
            reference: "main".to_owned(),
            commit: "c".repeat(40),
            summary: "<!channel> <https://evil.example|your bank>".to_owned(),
            author: "<@U1>".to_owned(),
        };
        let said = text(&Message { about, ..failed_build() });
        assert!(!said.contains("<!channel>") && !said.contains("<https://evil") && !said.contains("<@U1>"), "{said}");
    }
}
