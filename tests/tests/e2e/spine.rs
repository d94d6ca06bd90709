//! The spine, on the real binary and real parts: a signed push becomes a running release.

use std::time::{Duration, Instant};

use serde_json::json;
use slipway_tests::{
    forge::Push,
    house::{House, LONG},
    images::web_app,
    wait::until,
};

/// Commits the app in this version to a branch and sends the push; answers with the build's number.
async fn push(house: &House, branch: &str, version: &str, pre: &str) -> i64 {
    let commit = commit(house, branch, version, pre);
    house.announce(branch, &commit).await
}

fn commit(house: &House, branch: &str, version: &str, pre: &str) -> String {
    let image = house.image();
    let captain = format!(
        "defaults: {{step_image: busybox:latest}}\nweb:\n  build: Dockerfile\n  image: {image}\n  pre: [{pre}]\n  \
         test: [docker run --rm {image} test -f /www/index.html]\n  release:\n    port: 8080\n    \
         health: {{http: /health, interval: 100ms, timeout: 1s, retries: 3, start: 10s}}\n\
         environments:\n  dev: {{from: {{branch: main}}, apps: {{web: {{domain: dev.localhost}}}}}}\n  \
         production: {{from: dev, apps: {{web: {{domain: shop.localhost}}}}}}\n"
    );
    let mut files = web_app(version, true);
    files.push(("captain.yml", captain));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    house.git.commit(branch, &files)
}

#[tokio::test]
async fn a_push_becomes_a_running_release_and_is_promoted_and_rolled_back() {
    let house = House::open().await;
    let first = push(&house, "main", "one", "echo built").await;
    let build = house.build_in(first, "succeeded").await;
    let digest = build["artifacts"][0]["digest"].as_str().unwrap().to_owned();
    assert!(digest.starts_with("sha256:"), "{build:#}");
    house.live("dev", 1).await;
    assert!(house.visit("dev.localhost").await.contains("one"));

    let environments = format!("/api/v1/repositories/{}/environments/production", house.webhook.repository);
    let api = house.slipway.api();
    api.post(&format!("{environments}/promotions"), &json!({})).await.expect(202);
    let promoted = house.live("production", 1).await;
    assert_eq!(promoted["apps"][0]["digest"], digest, "exactly what was live in dev");

    let second = push(&house, "main", "two", "echo built").await;
    house.build_in(second, "succeeded").await;
    house.live("dev", 2).await;
    assert!(house.visit("dev.localhost").await.contains("two"));
    assert!(house.visit("shop.localhost").await.contains("one"), "production waits to be told");
    let stale = api.post(&format!("{environments}/promotions"), &json!({"release": 1})).await.expect(409);
    assert!(stale.detail().contains("Another release went live there since"), "{}", stale.body);
    api.post(&format!("{environments}/promotions"), &json!({"release": 2})).await.expect(202);
    house.live("production", 2).await;
    api.post(&format!("{environments}/rollbacks"), &json!({})).await.expect(202);
    house.live("production", 3).await;
    assert!(house.visit("shop.localhost").await.contains("one"));
}

#[tokio::test]
async fn another_delivery_of_a_commit_that_is_being_built_starts_nothing() {
    let house = House::open().await;
    let commit = commit(&house, "main", "one", "until test -e go; do sleep 0.05; done");
    let number = house.announce("main", &commit).await;
    house.step_runs(number, "pre", "until").await;
    let again = Push::to_branch(&house.webhook.repository, "main", &commit).delivery();
    let answer = again.send(&house.webhook).await.expect(202).json();
    assert_eq!(answer["ignored"], "already built as #1");
    let delivery = answer["delivery"].as_str().unwrap();
    let stored = house.slipway.api().get(&format!("/api/v1/deliveries/{delivery}")).await.expect(200).json();
    assert_eq!((&stored["state"], &stored["reason"]), (&json!("ignored"), &answer["ignored"]));

    for checkout in house.checkouts() {
        std::fs::write(checkout.join("go"), "").unwrap();
    }
    house.build_in(number, "succeeded").await;
    house.live("dev", 1).await;
    let builds = house.ask("builds").await.expect(200).json();
    assert_eq!(builds["items"].as_array().unwrap().len(), 1, "{builds:#}");
    house.is_tidy(1).await;
}

#[tokio::test]
async fn a_branch_that_no_environment_takes_is_built_and_pushed_and_not_released() {
    let house = House::open().await;
    let number = push(&house, "feature/cart", "one", "echo built").await;
    let build = house.build_in(number, "succeeded").await;
    let tags = build["artifacts"][0]["tags"].as_array().unwrap();
    assert!(tags.contains(&json!("feature.cart")), "{tags:?}");
    assert!(!tags.contains(&json!("latest")), "{tags:?}");
    let digest = build["artifacts"][0]["digest"].as_str();
    assert_eq!(house.pushed("feature.cart", &[]).await.as_deref(), digest);
    assert_eq!(house.pushed("latest", &[]).await, None);
    assert!(house.release("dev", 1).await.is_none());
    house.is_tidy(0).await;
}

#[tokio::test]
async fn a_newer_push_stops_the_older_build_and_its_containers_at_once() {
    let house = House::open().await;
    let older = push(&house, "main", "one", "sleep 600").await;
    house.step_runs(older, "pre", "sleep").await;
    let sleeping = until("the command's container", LONG, async || {
        Some(house.step_containers()).filter(|containers| !containers.is_empty())
    })
    .await;
    let asked = Instant::now();
    let newer = push(&house, "main", "two", "echo built").await;
    until("the older build's containers to go", LONG, async || {
        let now = house.step_containers();
        (!sleeping.iter().any(|container| now.contains(container))).then_some(())
    })
    .await;
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(3), "the containers stayed for {took:?}");
    let cancelled = house.build_in(older, "cancelled").await;
    assert_eq!(cancelled["reason"], format!("build {newer} of a newer push took its place"));
    house.build_in(newer, "succeeded").await;
    house.live("dev", 1).await;
    assert!(house.visit("dev.localhost").await.contains("two"));
    house.is_tidy(1).await;
}
