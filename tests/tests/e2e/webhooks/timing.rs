//! How long an answer takes tells nothing of which hooks exist.

use std::time::Duration;

use slipway_tests::{forge::Webhook, http_line::StrictClient};

use super::{nowhere, push, server};

/// How often both kinds are sent in one measurement.
const PAIRS: usize = 100;
/// Large enough that the check of the signature takes most of the time.
const LARGE_BYTES: usize = 4_000_000;
/// How much the medians may differ, and how often it is measured before they are taken for different: other work on the
/// machine is spread over both kinds evenly, but not in each measurement.
const RATIOS: std::ops::Range<f64> = 0.7..1.4;
const MEASUREMENTS: usize = 8;

/// A client that keeps sending one wrongly signed delivery to a hook.
fn sender(webhook: &Webhook, body: &[u8]) -> StrictClient {
    let host = webhook.url.split('/').nth(2).unwrap();
    StrictClient::new(&webhook.url, host, body.to_vec(), true)
        .with_header("Content-Type", "application/json")
        .with_header("X-GitHub-Event", "push")
        .with_header("X-GitHub-Delivery", "one")
        .with_header("X-Hub-Signature-256", &format!("sha256={}", "0".repeat(64)))
}

async fn time(sender: &mut StrictClient) -> Duration {
    let answer = sender.answer().await.unwrap();
    assert_eq!(answer.status, 401, "{}", answer.text);
    answer.took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The median time of an unknown hook's answers, divided by that of a known one's to a bad signature.
async fn ratio(known: &mut StrictClient, unknown: &mut StrictClient) -> f64 {
    let (mut known_times, mut unknown_times) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // Each goes first as often as the other.
        if pair % 2 == 0 {
            known_times.push(time(known).await);
        }
        unknown_times.push(time(unknown).await);
        if pair % 2 == 1 {
            known_times.push(time(known).await);
        }
    }
    median(unknown_times).as_secs_f64() / median(known_times).as_secs_f64()
}

async fn cost_equally_long(body: &[u8]) {
    let (_slipway, webhook) = server().await;
    let (mut known, mut unknown) = (sender(&webhook, body), sender(&nowhere(&webhook), body));
    let mut measured = Vec::new();
    while measured.len() < MEASUREMENTS {
        let ratio = ratio(&mut known, &mut unknown).await;
        if RATIOS.contains(&ratio) {
            return;
        }
        measured.push(ratio);
    }
    panic!("an unknown hook and a bad signature can be told apart by their times: {measured:.2?}");
}

#[tokio::test]
async fn an_unknown_hook_and_a_bad_signature_cost_equally_long() {
    cost_equally_long(&push("one").body).await;
}

#[tokio::test]
async fn so_they_do_with_a_large_body() {
    cost_equally_long(&vec![b' '; LARGE_BYTES]).await;
}
