//! The way back of a recreated release, where what was before does not come back.

use slipway_tests::{
    engine::docker,
    house::{House, LONG},
    images::web_app,
    wait::until,
};

const DOMAIN: &str = "recreated.localhost";

async fn push(house: &House, version: &str, after: &str) {
    let mut files = web_app(version, true);
    let captain = format!(
        "web:\n  build: Dockerfile\n  image: {}\n  release:\n    port: 8080\n    domain: {DOMAIN}\n    drain: 1s\n    \
         after: {after}\n    health: {{http: /health, interval: 2s, timeout: 5s, retries: 100, start: 5s}}\n\
         environments:\n  dev: {{from: {{branch: main}}, strategy: recreate}}\n",
        house.image()
    );
    files.push(("captain.yml", captain));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    house.push("main", &files).await;
}

fn running(house: &House) -> Vec<String> {
    let filter = format!("label=slipway.runner={}", house.runner());
    docker(&["ps", "--format", "{{.Names}}", "--filter", &filter, "--filter", "label=slipway.app=web"])
}

#[tokio::test]
async fn the_new_version_goes_on_where_the_old_one_does_not_come_back() {
    let house = House::open().await;
    push(&house, "one", "\"true\"").await;
    house.live("dev", 1).await;
    let [old] = running(&house).try_into().unwrap();
    // It is sick from now on; nobody says so before it was asked a hundred times.
    docker(&["exec", &old, "rm", "/www/health"]);
    push(&house, "two", "\"false\"").await;
    let release = until("the second release to have failed", LONG, async || {
        house.release("dev", 2).await.filter(|release| release["state"] == "failed")
    })
    .await;
    let reason = release["reason"].as_str().unwrap();
    assert!(reason.contains("replica 1 of release 1 did not become healthy"), "{reason}");
    assert!(reason.ends_with("; release 2 goes on in its place"), "{reason}");
    assert!(house.visit(DOMAIN).await.contains("two"));

    // Whoever looks after what is live sees that it does not run, and starts nothing beside what stands in.
    until("what is live to be shown as not well", LONG, async || {
        let environment = house.ask("environments/dev").await.expect(200).json();
        (environment["replicas"][0]["condition"] != "healthy").then_some(())
    })
    .await;
    let [standing_in] = running(&house).try_into().unwrap();
    assert!(standing_in.contains("-r2-"), "{standing_in}");
    assert!(house.visit(DOMAIN).await.contains("two"));

    push(&house, "three", "\"true\"").await;
    house.live("dev", 3).await;
    assert!(house.visit(DOMAIN).await.contains("three"));
    until("nothing else to be left", LONG, async || (house.released_containers().len() == 1).then_some(())).await;
}
