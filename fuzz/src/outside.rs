//! What is tried with the words of strangers that are not the language: deliveries of a forge, the output of commands, and
//! what runners say. The fuzz targets and the ordinary tests (`tests/tests/e2e/fuzzing.rs`) use the same.

use serde::{Serialize, de::DeserializeOwned};
use slipway_runner::{
    coordinator::{
        ClaimReply, ClaimRequest, CollectionReport, EnvironmentReport, Heartbeat, Hello, HostingQuestion, JobResult,
        KeptImages, Lease, LogAnswer, LogChunk, Measurements, Readings, Resumption, SecretValue, Steering,
        SteeringRequest, StepDeclaration, StepResult,
    },
    logs::Masks,
};
use slipway_server::deliveries::{
    AUTHOR_CHARS, MESSAGE_CHARS, Said,
    github::{payload_of_form, read},
};
use slipway_web::ansi::{Renderer, plain};

/// A body that was signed, as each of the events that are read, and as a form.
pub fn webhook(text: &str) {
    for event in ["push", "pull_request", "ping", "issues"] {
        if let Ok(said) = read(event, text.as_bytes(), "shop/web") {
            check(&said);
        }
    }
    if let Ok(json) = payload_of_form(text.as_bytes()) {
        let _ = read("push", &json, "shop/web").map(|said| check(&said));
    }
}

/// What must hold of whatever a delivery says.
fn check(said: &Said) {
    let is_commit = |text: &str| text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_short = |text: &str, chars: usize| text.chars().count() <= chars + 1;
    match said {
        Said::Pushed(push) => {
            assert!(is_commit(&push.commit), "{push:?}");
            assert!(push.git_ref.starts_with("refs/") && !push.git_ref.chars().any(|c| c.is_control() || c == ' '));
            assert!(is_short(&push.message, MESSAGE_CHARS) && is_short(&push.author, AUTHOR_CHARS));
            assert!(is_short(&push.pusher, AUTHOR_CHARS));
        }
        Said::Proposed(proposal) => {
            assert!(is_commit(&proposal.commit), "{proposal:?}");
            assert!(is_short(&proposal.title, MESSAGE_CHARS) && is_short(&proposal.author, AUTHOR_CHARS));
        }
        Said::Deleted { git_ref } => assert!(git_ref.starts_with("refs/"), "{git_ref}"),
        Said::Closed(_) => {}
        Said::Nothing { reason } => assert!(is_short(reason, MESSAGE_CHARS), "{reason}"),
    }
}

/// A secret that no output may bring through.
const SECRET: &str = "correct-horse/battery&staple";

/// What a command wrote: masked, then drawn line by line.
pub fn terminal(text: &str) {
    let secrets = [SecretValue { name: "TOKEN".to_owned(), version: None, value: SECRET.to_owned() }];
    let with_secret = text.replace("SECRET", SECRET);
    let masked = Masks::of(&secrets).text(&with_secret);
    assert!(!masked.contains(SECRET), "{masked}");
    let mut renderer = Renderer::default();
    for line in text.lines() {
        let html = renderer.line(line).to_string();
        assert!(is_harmless(&html), "{html}");
        let plain = plain(line);
        assert!(!plain.chars().take(1024).any(|c| c == '\u{1b}' || c == '\r'), "{plain:?}");
    }
}

/// Whether all markup is the renderer's own: spans with classes, each of them closed.
fn is_harmless(html: &str) -> bool {
    let mut open = 0_usize;
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let Some(end) = rest.find('>') else { return false };
        let tag = &rest[..end];
        let class = tag.strip_prefix("span class=\"").and_then(|class| class.strip_suffix('"'));
        match (tag, class) {
            ("/span", _) if open > 0 => open -= 1,
            (_, Some(class)) if class.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -".contains(&byte)) => {
                open += 1;
            }
            _ => return false,
        }
        rest = &rest[end + 1..];
    }
    open == 0
}

/// What one side of a runner's line says to the other, as each of its messages.
pub fn protocol(text: &str) {
    is_understood(text);
    told::<Steering>(text);
}

/// Whether a text is a message of the protocol. The one of which any object is one, [`Steering`], does not count.
pub fn is_understood(text: &str) -> bool {
    let messages = [
        told::<Hello>,
        told::<ClaimRequest>,
        told::<ClaimReply>,
        told::<Lease>,
        told::<Heartbeat>,
        told::<Vec<StepDeclaration>>,
        told::<LogChunk>,
        told::<StepResult>,
        told::<JobResult>,
        told::<Resumption>,
        told::<SteeringRequest>,
        told::<HostingQuestion>,
        told::<EnvironmentReport>,
        told::<Measurements>,
        told::<Readings>,
        told::<KeptImages>,
        told::<CollectionReport>,
        told::<LogAnswer>,
    ];
    // Each of them is tried, whatever the others make of the text.
    messages.iter().filter(|told| told(text)).count() > 0
}

/// Whether a text is such a message; what was understood can be passed on.
fn told<T: DeserializeOwned + Serialize>(text: &str) -> bool {
    let Ok(heard) = serde_json::from_str::<T>(text) else { return false };
    let once = serde_json::to_string(&heard).expect("what was read can be written");
    assert!(serde_json::from_str::<T>(&once).is_ok(), "{once}");
    true
}
