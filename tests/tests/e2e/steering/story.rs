//! The whole story on real parts: a canary is paused, the server is killed, and it goes on by a person's word alone.

use serde_json::{Value, json};
use slipway_tests::{
    house::{House, LONG},
    images::web_app,
    wait::until,
};

async fn push(house: &House, version: &str) -> i64 {
    let image = house.image();
    let captain = format!(
        "defaults: {{step_image: busybox:latest}}\nweb:\n  build: Dockerfile\n  image: {image}\n  release:\n    \
         port: 8080\n    health: {{http: /health, interval: 100ms, timeout: 5s, retries: 20, start: 30s}}\n\
         environments:\n  dev:\n    from: {{branch: main}}\n    strategy: {{canary: [25%], bake: 30m}}\n    \
         apps: {{web: {{domain: dev.localhost}}}}\n"
    );
    let mut files = web_app(version, true);
    files.push(("captain.yml", captain));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    house.push("main", &files).await
}

/// What a command prints; it must succeed.
async fn command(house: &House, arguments: &[&str]) -> String {
    let output = house.slipway.command(arguments, "").await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

async fn canary_runs(house: &House, number: i64) -> Value {
    until("the canary to have its share", LONG, async || {
        let release = house.release("dev", number).await?;
        let steps = release["attempts"].as_array()?.last()?["steps"].as_array()?.clone();
        steps.iter().any(|step| step["kind"] == "canary" && step["state"] == "running").then_some(release)
    })
    .await
}

#[tokio::test]
async fn a_paused_canary_outlives_the_server_and_goes_on_by_a_persons_word_alone() {
    let mut house = House::open().await;
    let repository = house.webhook.repository.clone();
    push(&house, "one").await;
    house.live("dev", 1).await;
    push(&house, "two").await;
    canary_runs(&house, 2).await;

    let said = command(&house, &["pause", &repository, "dev", "--reason", "looking"]).await;
    assert!(said.contains("is rolling, paused by administrator: looking."), "{said}");
    house.slipway.kill().await;
    house.slipway.restart().await;
    let shown = house.ask("environments/dev").await.expect(200).json();
    assert_eq!((&shown["rolling"]["number"], &shown["paused"]["reason"]), (&json!(2), &json!("looking")), "{shown:#}");
    assert_eq!(shown["live"]["number"], 1);
    let path = format!("/repositories/{repository}/environments/dev/releases/2");
    let page = house.slipway.api().with("accept", "text/html").get(&path).await.expect(200).body;
    assert!(page.contains("<b>Paused</b> by administrator") && page.contains("rollout/resume"), "{page}");

    canary_runs(&house, 2).await;
    // Whoever waits for its end waits over an end of the server as well.
    let waiting = house.slipway.begin(&["releases", &repository, "dev", "2", "--wait"]);
    waiting.says("paused by administrator").await;
    house.slipway.kill().await;
    house.slipway.restart().await;
    let live = command(&house, &["resume", &repository, "dev", "--now", "--wait"]).await;
    assert!(live.ends_with("is live.\n"), "{live}");
    waiting.ends().await;
    assert!(house.visit("dev.localhost").await.contains("two"));

    // And one that nobody wants any more.
    push(&house, "three").await;
    canary_runs(&house, 3).await;
    command(&house, &["pause", &repository, "dev"]).await;
    let ended = command(&house, &["cancel", &repository, "dev", "--reason", "no good", "--wait"]).await;
    assert!(ended.ends_with("is failed: cancelled by administrator: no good.\n"), "{ended}");
    assert!(house.visit("dev.localhost").await.contains("two"));

    // What became of them, and what is live made anew.
    let list = command(&house, &["releases", &repository, "dev"]).await;
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines.len() == 3 && lines[0].starts_with("#3     failed") && lines[1].starts_with("#2     live"), "{list}");
    let second = command(&house, &["releases", &repository, "dev", "2"]).await;
    assert!(
        second.contains("is live.") && second.contains("  web: 1 x ") && second.contains(" paused by "),
        "{second}"
    );
    let anew = command(&house, &["restore", &repository, "dev", "--wait", "--json"]).await;
    let anew: Value = serde_json::from_str(&anew).unwrap();
    assert_eq!((&anew["number"], &anew["kind"]), (&json!(4), &json!("restore")), "{anew:#}");
    let newest = command(&house, &["releases", &repository, "dev", "--wait"]).await;
    assert!(newest.starts_with("Release 4 of dev") && newest.ends_with("is live.\n"), "{newest}");
    let rest = command(&house, &["environments", &repository, "--wait", "--json"]).await;
    let rest: Value = serde_json::from_str(&rest).unwrap();
    assert_eq!(rest["items"][0]["replicas"][0]["condition"], "healthy", "{rest:#}");
    let services = command(&house, &["services", "--wait"]).await;
    assert!(services.contains("  healthy  "), "{services}");
    house.is_tidy(1).await;
}
