//! The whole story on real parts: a push reaches production through people and time, and no crash lets it in or out.

use serde_json::{Value, json};
use slipway_tests::{
    house::{House, LONG},
    images::web_app,
    wait::until,
};

/// dev takes main, staging takes dev by itself after a second, production wants somebody else's word.
async fn push(house: &House, version: &str, replicas: u32) -> i64 {
    let image = house.image();
    let captain = format!(
        "defaults: {{step_image: busybox:latest}}\nweb:\n  build: Dockerfile\n  image: {image}\n  release:\n    \
         port: 8080\n    health: {{http: /health, interval: 100ms, timeout: 1s, retries: 3, start: 10s}}\n\
         environments:\n  dev: {{from: {{branch: main}}, apps: {{web: {{domain: dev.localhost}}}}}}\n  \
         staging: {{from: dev, auto: true, bake: 1s, apps: {{web: {{domain: staging.localhost}}}}}}\n  \
         production: {{from: staging, approvals: 1, apps: {{web: {{domain: shop.localhost, replicas: {replicas}}}}}}}\n"
    );
    let mut files = web_app(version, true);
    files.push(("captain.yml", captain));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    house.push("main", &files).await
}

/// What the command prints for programs; it must succeed.
async fn command(house: &House, arguments: &[&str]) -> Value {
    let output = house.slipway.command(arguments, "").await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?} printed {text}: {error}"))
}

/// Another administrator's token.
async fn somebody_else(house: &House) -> String {
    let made = house.slipway.api().post("/api/v1/tokens", &json!({"name": "bo", "role": "administrator"})).await;
    made.expect(201).json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_push_reaches_production_through_time_and_people_and_no_crash_changes_that() {
    let mut house = House::open().await;
    let repository = house.webhook.repository.clone();
    let number = push(&house, "one", 1).await;
    house.build_in(number, "succeeded").await;
    let promoted = house.live("staging", 1).await;
    assert_eq!((&promoted["kind"], &promoted["actor"]), (&json!("promotion"), &json!("slipway")));

    let held = command(&house, &["promote", &repository, "production", "--json"]).await;
    assert_eq!((&held["state"], &held["reason"]), (&json!("held"), &json!("waiting for 1 more approval")));
    let own = house.slipway.command(&["approve", &repository, "production"], "").await;
    assert!(String::from_utf8_lossy(&own.stderr).contains("wants the approval of somebody else"), "{own:?}");

    // Nothing that was held gets in by a crash, and what was said before it counts after it.
    house.slipway.kill().await;
    house.slipway.restart().await;
    assert_eq!(house.release("production", 1).await.unwrap()["state"], "held");
    let bo = house.slipway.anonymous().bearing(&somebody_else(&house).await);
    let release = format!("/api/v1/repositories/{repository}/environments/production/releases/1");
    let approved = bo.post(&format!("{release}/approvals"), &json!({"reason": "seen on staging"})).await.expect(200);
    assert_eq!(approved.json()["state"], "queued");
    house.slipway.kill().await;
    house.slipway.restart().await;
    let live = house.live("production", 1).await;
    let kinds: Vec<&str> =
        live["decisions"].as_array().unwrap().iter().filter_map(|decision| decision["kind"].as_str()).collect();
    assert_eq!(kinds, ["promoted", "held", "approved", "admitted"]);
    assert!(house.visit("shop.localhost").await.contains("one"));

    // The next one, looked at before it is asked for; and a freeze, which a rollback passes.
    house.git.commit("main", &[("notes.txt", "pushed together with what follows")]);
    let number = push(&house, "two", 2).await;
    house.build_in(number, "succeeded").await;
    house.live("staging", 2).await;
    let preview = command(&house, &["promote", &repository, "production", "--dry-run", "--json"]).await;
    assert_eq!(preview["commits"].as_array().unwrap().len(), 2, "{preview:#}");
    assert_eq!(preview["images"][0]["before"], live["apps"][0]["digest"]);
    let replicas = json!({"app": "web", "setting": "replicas", "before": "1", "after": "2"});
    assert!(preview["configuration"].as_array().unwrap().contains(&replicas), "{preview:#}");
    assert_eq!(preview["waits"], "waiting for 1 more approval");

    // What the page's form asks for is what the command line shows, and what makes no sense is said.
    let form = format!("/repositories/{repository}/environments/production/protection");
    let asked = [("approvals", "1"), ("approvers", ""), ("branches", "main, release/*")];
    house.slipway.api().submit(&form, &asked).await.expect(303);
    let protection = command(&house, &["protect", &repository, "production", "--json"]).await;
    assert_eq!((&protection["approvals"], &protection["branches"]), (&json!(1), &json!(["main", "release/*"])));
    let never = [("approvals", "3"), ("approvers", "bo"), ("branches", "")];
    let refused = house.slipway.api().with("accept", "text/html").submit(&form, &never).await.expect(422).body;
    assert!(refused.contains("3 approvals can never be given by the 1 people who may"), "{refused}");

    command(&house, &["freeze", &repository, "production", "--reason", "sale", "--wait", "--json"]).await;
    command(&house, &["promote", &repository, "production", "--json"]).await;
    let shown = command(&house, &["environments", &repository, "--json"]).await;
    let production = shown["items"].as_array().unwrap().iter().find(|one| one["name"] == "production").unwrap().clone();
    let why = "waiting for 1 more approval; production is frozen by administrator: sale";
    assert_eq!(production["held"]["reason"], why, "{production:#}");
    bo.post(&release.replace("releases/1", "releases/2/approvals"), &json!({})).await.expect(200);
    command(&house, &["unfreeze", &repository, "production", "--json"]).await;
    house.live("production", 2).await;
    command(&house, &["freeze", &repository, "production", "--reason", "sale", "--json"]).await;
    let preview = command(&house, &["rollback", &repository, "production", "--dry-run", "--json"]).await;
    assert_eq!((&preview["release"]["number"], &preview["goes_back"]), (&json!(1), &json!(true)), "{preview:#}");
    assert!(preview["passes"].as_str().unwrap().contains("production is frozen by administrator: sale"), "{preview:#}");
    let told = house.slipway.command(&["rollback", &repository, "production", "--dry-run"], "").await;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.starts_with(&format!("production of {repository} back to #1:\n  - ")), "{told}");
    let asked = ["rollback", &repository, "production", "--reason", "two lost carts", "--wait", "--json"];
    let back = command(&house, &asked).await;
    let first = &back["decisions"][0];
    assert_eq!((&back["state"], &first["kind"]), (&json!("live"), &json!("rolled_back")), "{back:#}");
    assert_eq!((&first["actor"], &first["reason"]), (&json!("administrator"), &json!("two lost carts")));
    assert!(house.visit("shop.localhost").await.contains("one"));
    house.is_tidy(3).await;
}

/// The server is killed again and again while one thing after the other becomes due: each happens once.
#[tokio::test]
async fn a_crash_while_a_release_is_promoted_by_itself_promotes_it_once() {
    let mut house = House::open().await;
    let number = push(&house, "one", 1).await;
    house.build_in(number, "succeeded").await;
    for _ in 0..4 {
        house.slipway.kill().await;
        house.slipway.restart().await;
    }
    house.live("staging", 1).await;
    let releases = until("one release of staging", LONG, async || {
        let page = house.ask("environments/staging/releases").await.expect(200).json();
        let items = page["items"].as_array().cloned()?;
        items.iter().all(|release| release["state"] == "live").then_some(items)
    })
    .await;
    assert_eq!(releases.len(), 1, "{releases:#?}");
    house.is_tidy(2).await;
}
