//! A canary was found wanting, and its runner is killed before the return has ended. The attempt that follows knows nothing
//! but what the server tells it.

use serde_json::Value;
use slipway_tests::{
    engine::docker,
    house::{House, LONG, Victim},
    images::{failing_app, web_app},
    load::Load,
    wait::until,
};

const DOMAIN: &str = "wanting.localhost";

async fn push(house: &House, mut files: Vec<(&'static str, String)>) {
    let captain = format!(
        "web:\n  build: Dockerfile\n  image: {}\n  release:\n    port: 8080\n    domain: {DOMAIN}\n    drain: 1s\n    \
         health: {{http: /health, interval: 500ms, timeout: 5s, retries: 20, start: 5m}}\nenvironments:\n  \
         dev: {{from: {{branch: main}}, strategy: {{canary: [50%], bake: 30m, max_errors: 1%}}}}\n",
        house.image()
    );
    files.push(("captain.yml", captain));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    house.push("main", &files).await;
}

/// The state of the canary's step in one of the second release's attempts.
async fn canary(house: &House, attempt: usize) -> Option<String> {
    let release = house.release("dev", 2).await?;
    let steps = release["attempts"][attempt]["steps"].as_array()?;
    let canary = steps.iter().find(|step| step["kind"] == "canary")?;
    canary["state"].as_str().map(str::to_owned)
}

async fn canary_gets(house: &House, attempt: usize, state: &str) {
    until("the canary's step to come so far", LONG, async || (canary(house, attempt).await? == state).then_some(()))
        .await;
}

#[tokio::test]
async fn what_was_found_wanting_is_not_tried_on_people_again() {
    let mut house = House::open().await;
    push(&house, web_app("one", true)).await;
    house.live("dev", 1).await;
    let filter = format!("label=slipway.runner={}", house.runner());
    let served = docker(&["ps", "--format", "{{.Names}}", "--filter", &filter, "--filter", "label=slipway.app=web"]);
    let [old] = served.as_slice() else { panic!("{served:?}") };
    push(&house, failing_app("two")).await;
    canary_gets(&house, 0, "running").await;
    // So that the return waits for it.
    docker(&["exec", old, "rm", "/www/health"]);
    let mut load = Load::gentle(&house.caddy.url(), DOMAIN);
    canary_gets(&house, 0, "failed").await;
    house.kill(Victim::Both).await;
    load.answers(10).await;
    let failed = load.so_far().failed.len();

    // The next life knows of no job that it could go on with.
    std::fs::remove_dir_all(house.slipway.data_dir().join("runner/jobs")).unwrap();
    house.start_again(Victim::Both).await;
    canary_gets(&house, 1, "skipped").await;
    docker(&["exec", old, "sh", "-c", "echo ok > /www/health"]);
    let release = until("the release to have failed", LONG, async || {
        house.release("dev", 2).await.filter(|release: &Value| release["state"] == "failed")
    })
    .await;
    let reason = release["reason"].as_str().unwrap();
    assert!(reason.starts_with("at 50 % of the traffic, web: ") && reason.contains("answers were 5xx"), "{reason}");
    load.answers(10).await;
    let answers = load.finish().await;
    assert_eq!(answers.failed.len(), failed, "nobody meets it again: {:?}", answers.failed);
    assert!(house.visit(DOMAIN).await.contains("one"));
    assert_eq!(house.released_containers().len(), 1);
}
