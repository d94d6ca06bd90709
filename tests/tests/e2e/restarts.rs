//! The product ends, in order or not, and starts again, while people use what it has released. The Caddys and the
//! containers are processes of their own: nobody notices, whatever a rollout was doing.

use slipway_tests::{
    house::{House, LONG},
    images::web_app,
    load::Load,
    wait::until,
};
use tokio::process::Command;

const DOMAIN: &str = "dev.localhost";
/// How many answers are waited for while the product is away, and when it is back.
const MEANWHILE: u64 = 60;

/// How the product ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// By `kill -9`.
    Killed,
    /// As a service manager asks it to.
    Asked,
}

#[tokio::test]
async fn no_request_is_lost_when_the_product_is_killed() {
    no_request_is_lost(End::Killed).await;
}

#[tokio::test]
async fn no_request_is_lost_when_the_product_is_asked_to_end() {
    no_request_is_lost(End::Asked).await;
}

async fn no_request_is_lost(end: End) {
    let mut house = House::open().await;
    push(&house, "one", true).await;
    house.live("dev", 1).await;
    let mut load = Load::start(&house.caddy.url(), DOMAIN);

    // While nothing happens.
    load.answers(MEANWHILE).await;
    away(&mut house, &mut load, end).await;

    // While a new version is not healthy yet.
    push(&house, "two", false).await;
    until("the second version's container", LONG, async || (house.released_containers().len() == 2).then_some(()))
        .await;
    away(&mut house, &mut load, end).await;
    assert!(!load.so_far().good.contains_key("two"), "a sick version never gets a request");
    cure_until_live(&house, 2).await;

    // Just after the traffic has moved, and before the old container was stopped.
    push(&house, "three", true).await;
    load.sees("three").await;
    away(&mut house, &mut load, end).await;
    house.live("dev", 3).await;
    load.answers(MEANWHILE).await;

    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{} of {} failed: {:?}", answers.failed.len(), answers.total(), answers.failed);
    assert_eq!(answers.good.keys().collect::<Vec<_>>(), ["one", "three", "two"]);
    house.is_tidy(1).await;
}

/// The product ends; it starts again only after many requests were answered without it.
async fn away(house: &mut House, load: &mut Load, end: End) {
    match end {
        End::Killed => house.slipway.kill().await,
        End::Asked => assert!(house.slipway.terminate().await.success(), "{}", house.slipway.output()),
    }
    load.answers(MEANWHILE).await;
    house.slipway.restart().await;
    load.answers(MEANWHILE).await;
}

async fn push(house: &House, version: &str, healthy: bool) {
    let image = house.image();
    let captain = format!(
        "web:\n  build: Dockerfile\n  image: {image}\n  release:\n    port: 8080\n    \
         health: {{http: /health, interval: 100ms, timeout: 1s, retries: 3, start: 60s}}\n\
         environments:\n  dev: {{from: {{branch: main}}, apps: {{web: {{domain: {DOMAIN}}}}}}}\n"
    );
    let mut files = web_app(version, healthy);
    files.push(("captain.yml", captain));
    // Layers of this test's own.
    for (path, text) in &mut files {
        if *path == "Dockerfile" {
            *text = text.replacen("COPY index.html", "COPY captain.yml /house/\nCOPY index.html", 1);
        }
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let number = house.push("main", &files).await;
    house.build_in(number, "succeeded").await;
}

/// Makes every container of a release healthy, those too that are started meanwhile.
async fn cure_until_live(house: &House, number: i64) {
    until(&format!("release {number} to be live"), LONG, async || {
        for container in house.released_containers() {
            // It may be gone meanwhile.
            let _ = Command::new("docker").args(["exec", &container, "touch", "/www/health"]).output().await;
        }
        (house.release("dev", number).await?["state"] == "live").then_some(())
    })
    .await;
}
