//! Deliveries that come in another order than the forge sent them.

use serde_json::{Value, json};
use slipway_tests::{
    databases::TestDatabase,
    forge::{PullRequest, Webhook, commit},
    on_both_databases,
    slipway::Setup,
};

on_both_databases!(a_word_about_a_pull_request_that_comes_late_changes_nothing);

/// What the forge said at this minute, as it is answered.
async fn say(webhook: &Webhook, action: &str, tip: &str, minute: u32) -> Value {
    let mut delivery = PullRequest::new("shop/web", 7, "topic", "main").delivery(action, tip);
    let mut payload: Value = serde_json::from_slice(&delivery.body).unwrap();
    payload["pull_request"]["updated_at"] = json!(format!("2026-11-21T10:{minute:02}:00Z"));
    delivery.body = payload.to_string().into_bytes();
    delivery.send(webhook).await.expect(202).json()
}

async fn a_word_about_a_pull_request_that_comes_late_changes_nothing(database: TestDatabase) {
    let slipway = Setup::new().with("SLIPWAY_DATABASE", database.url()).start().await;
    let webhook = slipway.connect("shop/web", "https://git.example/shop/web.git").await;
    let (first, second) = (commit("first"), commit("second"));
    let late = "a later word about pull request 7 was delivered first";

    // Closed before it was heard of; also within the same moment of the forge's clock.
    assert_eq!(say(&webhook, "closed", &first, 10).await["ignored"], Value::Null);
    for (action, minute) in [("opened", 5), ("synchronize", 9), ("opened", 10)] {
        let answer = say(&webhook, action, &first, minute).await;
        assert_eq!((&answer["build"], &answer["ignored"]), (&Value::Null, &json!(late)), "{action}");
    }
    // Opened again, in the same moment, too; the word of its end comes once more, too late.
    assert_eq!(say(&webhook, "reopened", &first, 10).await["build"], 1);
    assert_eq!(say(&webhook, "synchronize", &second, 12).await["build"], 2);
    assert_eq!(say(&webhook, "closed", &first, 11).await["ignored"], late);
    let build = slipway.api().get("/api/v1/repositories/shop/web/builds/2").await.expect(200).json();
    assert_eq!(build["state"], "queued", "{build:#}");
    assert_eq!(say(&webhook, "synchronize", &first, 11).await["ignored"], late, "an older commit is not built");
    // The end that is one.
    assert_eq!(say(&webhook, "closed", &second, 13).await["ignored"], Value::Null);
    let build = slipway.api().get("/api/v1/repositories/shop/web/builds/2").await.expect(200).json();
    assert_eq!((&build["state"], &build["reason"]), (&json!("cancelled"), &json!("its pull request was closed")));
}
