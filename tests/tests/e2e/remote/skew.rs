//! Runner and server of different releases: what one does not know of the other does no harm.

use serde_json::{Value, json};
use slipway_runner::coordinator::{
    ClaimReply, JobResult, LogLine, LogStream, PROTOCOL, StepOutcome, StepResult, Verdict,
};
use slipway_tests::{api::Api, forge::Push, slipway::Slipway};

async fn admitted(slipway: &Slipway) -> Api {
    let made = slipway.api().post("/api/v1/runners", &json!({"name": "one"})).await.expect(201).json();
    slipway.anonymous().bearing(made["token"].as_str().unwrap())
}

fn hello(more: &Value) -> Value {
    let mut hello = json!({
        "runner": "whoever", "name": "old", "incarnation": "life", "capacity": 1, "version": "0.0.9", "resuming": [],
        "protocol": PROTOCOL - 1
    });
    hello.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    hello
}

/// As the release before wrote it, and as the next one may: with fields that nobody here knows.
#[tokio::test]
async fn an_older_and_a_newer_runner_are_served() {
    let slipway = Slipway::start().await;
    let runner = admitted(&slipway).await;
    let webhook = slipway.connect("shop/web", "https://git.example/shop/web.git").await;
    Push::to_branch("shop/web", "main", &"a".repeat(40)).delivery().send(&webhook).await.expect(202);

    runner.post("/api/runner/v1/register", &hello(&json!({}))).await.expect(200);
    let newer = json!({"protocol": PROTOCOL + 1, "mood": {"good": [1, 2]}, "version": "0.9.9"});
    let taken_in = runner.post("/api/runner/v1/register", &hello(&newer)).await.expect(200).json();
    assert_eq!(taken_in["protocol"], PROTOCOL);

    let claim = json!({"runner": "", "incarnation": "life", "free": 1, "holding": [], "wait_ms": 0, "colour": "red"});
    let work = runner.post("/api/runner/v1/claim", &claim).await.expect(200).json();
    let of = format!(
        "/api/runner/v1/jobs/{}/{}",
        work["lease"]["key"]["job"].as_str().unwrap(),
        work["lease"]["key"]["epoch"]
    );
    let step =
        json!([{"index": 0, "app": null, "kind": "pre", "name": "x", "needs": [], "skipped": null, "weight": 3}]);
    runner.put(&format!("{of}/steps"), &step).await.expect(200);
    runner.put(&format!("{of}/steps/0/start"), &json!({})).await.expect(200);
    let unknown = json!([{"index": 1, "app": null, "kind": "dance", "name": "x", "needs": [], "skipped": null}]);
    let refused = runner.put(&format!("{of}/steps"), &unknown).await.expect(422);
    assert!(refused.detail().contains("dance") && refused.detail().contains("update"), "{}", refused.detail());
    let lines = json!({"seq": 0, "first_line": 1, "lines": [{"at": 1, "stream": "hologram", "text": "hello"}]});
    runner.put(&format!("{of}/steps/0/log/0"), &lines).await.expect(200);
    let ended = json!({"outcome": "transcended", "exit_code": 0, "reason": "who knows", "output": {}});
    runner.put(&format!("{of}/steps/0/result"), &ended).await.expect(200);
    let build = slipway.api().get("/api/v1/repositories/shop/web/builds/1").await.expect(200).json();
    assert_eq!(build["attempts"][0]["steps"][0]["state"], "failed", "{build:#}");
}

#[tokio::test]
async fn a_runner_that_is_too_new_is_told_what_to_do() {
    let slipway = Slipway::start().await;
    let runner = admitted(&slipway).await;
    let refused = runner.post("/api/runner/v1/register", &hello(&json!({"protocol": PROTOCOL + 2}))).await.expect(422);
    assert!(refused.detail().contains("update the server first"), "{}", refused.detail());
}

/// What a newer server may say to a runner, word by word.
#[test]
fn unknown_words_have_a_meaning() {
    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }
    assert_eq!(read::<ClaimReply>(json!({"reply": "sing", "song": "x"})), ClaimReply::Idle);
    assert_eq!(read::<Verdict>(json!("meditate")), Verdict::Unknown);
    assert_eq!(read::<JobResult>(json!({"result": "ascended"})), JobResult::Cancelled);
    let line: LogLine = read(json!({"at": 1, "stream": "smell", "text": "x", "font": "mono"}));
    assert_eq!(line.stream, LogStream::Slipway);
    let result: StepResult = read(json!({"outcome": "odd", "exit_code": null, "reason": null, "output": {}}));
    assert_eq!(result.outcome, StepOutcome::Failed);
}
