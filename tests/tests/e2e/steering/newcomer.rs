//! Somebody who has never seen Slipway does with what the pages offer, by nothing but the words on them: promotes, watches a
//! canary fail, and rolls back.

use slipway_tests::{
    browser::Browser,
    house::{House, LONG},
    images::{failing_app, web_app},
    load::Load,
    wait::until,
};

const DOMAIN: &str = "shop.localhost";

/// Pushes a version, and waits until dev runs it.
async fn push(house: &House, mut files: Vec<(&'static str, String)>, number: i64) {
    let captain = format!(
        "web:\n  build: Dockerfile\n  image: {}\n  release:\n    port: 8080\n    \
         health: {{http: /health, interval: 500ms, timeout: 5s, retries: 20, start: 30s}}\n\
         environments:\n  dev: {{from: {{branch: main}}}}\n  production:\n    from: dev\n    \
         strategy: {{canary: [50%], bake: 30m}}\n    apps: {{web: {{domain: {DOMAIN}}}}}\n",
        house.image()
    );
    files.push(("captain.yml", captain));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    house.push("main", &files).await;
    house.live("dev", number).await;
}

#[tokio::test]
async fn somebody_new_promotes_watches_a_canary_fail_and_rolls_back_by_what_they_read() {
    let house = House::open().await;
    push(&house, web_app("one", true), 1).await;
    let browser = Browser::open().await;
    browser.goto(house.slipway.url()).await;
    browser.shows("h1", "Log in").await;
    browser.type_into("#token", house.slipway.token()).await;
    browser.click("form.form button").await;

    // From the first page on there is always something that says where to go.
    browser.press(&house.webhook.repository).await;
    browser.press("Environments").await;
    browser.press("dev #1 can be promoted").await;
    browser.press("Promote dev #1 to production").await;
    browser.shows("#facts", "live").await;
    assert!(house.visit(DOMAIN).await.contains("one"));

    // A good version: the canary is looked at, and let through.
    push(&house, web_app("two", true), 2).await;
    browser.press("Environments").await;
    browser.press("dev #2 can be promoted").await;
    browser.press("Promote dev #2 to production").await;
    browser.shows("#measured", "Requests").await;
    browser.press("Go on now").await;
    browser.shows("#facts", "live").await;
    assert!(house.visit(DOMAIN).await.contains("two"));

    // A bad one: it fails before their eyes, and what was there before serves on.
    push(&house, failing_app("three"), 3).await;
    browser.press("Environments").await;
    browser.press("dev #3 can be promoted").await;
    browser.press("Promote dev #3 to production").await;
    browser.shows("#measured", "Requests").await;
    let visitors = Load::gentle(&house.caddy.url(), DOMAIN);
    browser.shows("#reason", "answers were 5xx").await;
    browser.shows("#facts", "failed").await;
    visitors.finish().await;
    assert!(house.visit(DOMAIN).await.contains("two"));

    // And what is live is not liked either.
    browser.press("production").await;
    browser.press("Roll back to #1").await;
    browser.press("Roll production back to #1").await;
    browser.shows("#facts", "rolled back to #1").await;
    browser.shows("#facts", "live").await;
    until("the first version to serve again", LONG, async || house.visit(DOMAIN).await.contains("one").then_some(()))
        .await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
