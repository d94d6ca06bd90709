//! The trials of the fuzz targets (`fuzz/`) on inputs made by chance, the same ones with every run; and the same kind of inputs
//! sent to a running server, which must answer each of them and stay.

#[path = "../../../fuzz/src/mutations.rs"]
#[allow(unreachable_pub, reason = "the fuzz crate uses it too")]
mod mutations;
#[path = "../../../fuzz/src/outside.rs"]
#[allow(unreachable_pub, reason = "the fuzz crate uses it too")]
mod outside;

use std::path::Path;

use mutations::Mutator;
use serde_json::json;
use slipway_tests::{
    forge::{Delivery, sign},
    slipway::Slipway,
};

/// How many inputs of each kind are tried; `fuzz/README.md` says how to try more.
const TRIED: usize = 3_000;
/// How many of each kind are sent to a server.
const SENT: usize = 120;

fn samples(kind: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(kind);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    // What a fuzzer found on this machine stands beside them, and must not change what an ordinary run tries.
    paths.retain(|path| path.extension().is_some());
    paths.sort_unstable();
    paths.iter().map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
}

/// Inputs made of the samples of a kind, each of the samples first.
fn inputs(kind: &str, count: usize) -> Vec<String> {
    let samples = samples(kind);
    let mut mutator = Mutator::new(&samples, include_str!("../../../fuzz/outside.dict"), 1);
    samples.iter().cloned().chain(std::iter::repeat_with(|| mutator.input())).take(count).collect()
}

fn try_all(kind: &str, trial: fn(&str)) {
    for input in inputs(kind, TRIED) {
        if std::panic::catch_unwind(|| trial(&input)).is_err() {
            panic!("the trial panicked with the input {input:?}");
        }
    }
}

#[test]
fn no_delivery_panics_or_says_what_cannot_be() {
    try_all("webhook", outside::webhook);
}

#[test]
fn no_output_becomes_markup_or_lets_a_secret_through() {
    try_all("terminal", outside::terminal);
}

#[test]
fn no_message_of_a_runner_or_server_panics() {
    try_all("protocol", outside::protocol);
}

#[test]
fn the_samples_are_what_runners_and_servers_say() {
    let samples = samples("protocol");
    assert!(samples.len() > 20, "a sample of each message");
    for sample in samples {
        assert!(outside::is_understood(&sample), "{sample}");
    }
}

#[tokio::test]
async fn a_server_answers_whatever_is_said_and_stays() {
    let slipway = Slipway::start().await;
    let webhook = slipway.connect("shop/web", "https://git.example/shop/web.git").await;
    for (number, input) in inputs("webhook", SENT).into_iter().enumerate() {
        let event = ["push", "pull_request", "ping"][number % 3];
        let mut delivery = Delivery::new(event, &json!({}));
        delivery.body = input.into_bytes();
        delivery.id = format!("fuzz-{number}");
        delivery.signature = Some(sign(&webhook.secret, &delivery.body));
        let answer = delivery.send(&webhook).await;
        assert!(matches!(answer.status, 200 | 202 | 422), "{} {} to {delivery:?}", answer.status, answer.body);
    }

    let runner = slipway.api().post("/api/v1/runners", &json!({"name": "one"})).await.expect(201).json();
    let (id, token) = (runner["id"].as_str().unwrap(), runner["token"].as_str().unwrap());
    let runner = slipway.anonymous().bearing(token).with("slipway-life", "a");
    let job = "/api/runner/v1/jobs/01K000000000000000000000A0/1";
    let routes = [
        ("POST", "/api/runner/v1/register".to_owned()),
        ("POST", "/api/runner/v1/claim".to_owned()),
        ("POST", "/api/runner/v1/heartbeat".to_owned()),
        ("POST", "/api/runner/v1/measurements".to_owned()),
        ("POST", "/api/runner/v1/environment".to_owned()),
        ("PUT", format!("{job}/steps")),
        ("PUT", format!("{job}/steps/0/log/0")),
        ("PUT", format!("{job}/steps/0/result")),
        ("PUT", format!("{job}/result")),
    ];
    for (number, input) in inputs("protocol", SENT * 3).into_iter().enumerate() {
        let (method, path) = &routes[number % routes.len()];
        let body = input.replace("01K000000000000000000000A0", id).into_bytes();
        let answer = runner.send(method.parse().unwrap(), path, Some(("application/json", body))).await;
        assert!(answer.status < 500, "{} {} to {method} {path}: {input:?}", answer.status, answer.body);
    }
    slipway.api().get("/api/v1/repositories/shop/web/builds").await.expect(200);
    assert!(!slipway.output().contains("panicked"), "{}", slipway.output());
}
