//! Builds that somebody asks for, by the API and the command line.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use slipway_tests::{
    databases::TestDatabase, forge::commit, house::House, on_both_databases, slipway::Setup, working_tree::WorkingTree,
};

on_both_databases!(a_request_is_built_once_for_each_key);

async fn a_request_is_built_once_for_each_key(database: TestDatabase) {
    let slipway = Setup::new().with("SLIPWAY_DATABASE", database.url()).start().await;
    slipway.connect("shop/web", "https://git.example/shop/web.git").await;
    let path = "/api/v1/repositories/shop/web/builds";
    let ask = async |key: Option<&str>, body: Value| {
        let api = slipway.api();
        let api = match key {
            Some(key) => api.with("idempotency-key", key),
            None => api,
        };
        api.post(path, &body).await
    };
    let first = ask(Some("one"), json!({"branch": "topic"})).await.expect(201).json();
    assert_eq!((&first["number"], &first["event"]), (&json!(1), &json!("manual")));
    assert_eq!((&first["ref"], &first["commit"]), (&json!("refs/heads/topic"), &json!(null)));
    assert_eq!(ask(Some("one"), json!({"branch": "topic"})).await.expect(201).json()["number"], 1, "it came before");
    let other = ask(Some("one"), json!({"branch": "other"})).await.expect(422);
    assert!(other.detail().contains("was used for another request"), "{}", other.body);
    assert_eq!(ask(Some("two"), json!({"branch": "topic"})).await.expect(201).json()["number"], 2);
    assert_eq!(ask(None, json!({"tag": "v1"})).await.expect(201).json()["ref"], "refs/tags/v1");
    let named = commit("named").to_uppercase();
    let exact = ask(None, json!({"commit": named})).await.expect(201).json();
    assert_eq!((&exact["ref"], &exact["commit"]), (&json!("refs/heads/main"), &json!(commit("named"))));

    let at_once = futures_util::future::join_all((0..8).map(|_| ask(Some("race"), json!({"branch": "topic"})))).await;
    let (done, waiting): (Vec<_>, Vec<_>) = at_once.iter().partition(|answer| answer.status == 201);
    let made: BTreeSet<i64> = done.iter().map(|answer| answer.json()["number"].as_i64().unwrap()).collect();
    assert_eq!(made.len(), 1, "the same build, whoever came first");
    assert!(waiting.iter().all(|answer| answer.status == 409 && answer.header("retry-after") == "1"), "{waiting:?}");

    for (odd, why) in [
        (json!({"branch": "a", "tag": "b"}), "not several of them"),
        (json!({"ref": "refs/pull/7/merge"}), "cannot be a branch or a tag"),
        (json!({"branch": "a..b"}), "cannot be a branch or a tag"),
        (json!({"commit": "main"}), "40 hexadecimal digits"),
    ] {
        let refused = ask(None, odd).await.expect(422);
        assert!(refused.detail().contains(why), "{}", refused.body);
    }
    slipway.anonymous().post(path, &json!({})).await.expect(401);

    // The form of the repository's page.
    let page = slipway.api().with("accept", "text/html").get("/repositories/shop/web").await.expect(200).body;
    assert!(page.contains("action=\"/repositories/shop/web/builds\""), "{page}");
    let form = [("kind", "tag"), ("reference", " v2 "), ("commit", "")];
    let sent = slipway.api().submit("/repositories/shop/web/builds", &form).await.expect(303);
    let api = slipway.api();
    let made = api.get(&format!("/api/v1{}", sent.header("location"))).await.expect(200).json();
    assert_eq!((&made["ref"], &made["event"]), (&json!("refs/tags/v2"), &json!("manual")));
    let odd = [("kind", "branch"), ("reference", "a..b"), ("commit", "")];
    slipway.api().submit("/repositories/shop/web/builds", &odd).await.expect(422);
}

const BEHIND: &str = "it is not released: its commit is not its branch's newest; promote or roll back instead";

/// A branch that was never pushed since the repository was connected is built, at what it stands at.
#[tokio::test]
async fn a_branch_a_tag_and_a_commit_are_built_on_request() {
    let house = House::open().await;
    let image = house.image();
    let captain = format!("web: {{build: Dockerfile, image: {image}}}\n");
    let first = house.git.commit("main", &[("captain.yml", &captain), ("Dockerfile", "FROM busybox:latest\n")]);
    house.git.tag("v1.0.0", &first);
    let second = house.git.commit("main", &[("two", "")]);
    let elsewhere = house.git.branch_off("topic", "main", &[("three", "")]);

    let terminal = WorkingTree::without_git(&[])
        .variable("SLIPWAY_URL", house.slipway.url())
        .variable("SLIPWAY_TOKEN", house.slipway.token());
    let repository = house.webhook.repository.as_str();
    let trigger = async |more: &[&str]| {
        let arguments = [&["trigger", repository], more].concat();
        terminal.slipway(&arguments).await.well().out
    };
    let told = |number: u32, how: &str| {
        format!("Build {number} of {how}.\n{}/repositories/{repository}/builds/{number}\n", house.slipway.url())
    };
    assert_eq!(trigger(&["--key", "today"]).await, told(1, "main is queued"));
    assert_eq!(house.build_in(1, "succeeded").await["commit"], second);
    assert!(house.pushed("main", &[]).await.is_some());
    assert_eq!(trigger(&["--key", "today"]).await, told(1, "main succeeded"), "it came before");

    assert!(trigger(&["--tag", "v1.0.0", "--wait"]).await.contains("Build 2 of v1.0.0 succeeded"));
    assert_eq!(house.build_in(2, "succeeded").await["commit"], first);
    assert!(house.pushed("1.0.0", &[]).await.is_some());
    let told = trigger(&["--branch", "topic", "--commit", &first, "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["number"], 3);
    assert_eq!(house.build_in(3, "succeeded").await["commit"], first, "it is part of the branch's history");

    trigger(&["--commit", &elsewhere]).await;
    let refused = house.build_in(4, "failed").await;
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains(&format!("commit {elsewhere} is not on the branch `main`")), "{reason}");
    let failed = terminal.slipway(&["trigger", repository, "--branch", "nowhere", "--wait"]).await;
    assert!(failed.code == 1 && failed.err.contains("Build 5 of nowhere failed: "), "{}", failed.err);
    let missing = house.build_in(5, "failed").await;
    assert!(missing["reason"].as_str().unwrap().contains("the branch `nowhere` is not on the server"), "{missing:#}");
    // Whoever may build may not bring back what an old captain.yml said of environments.
    for (number, commit, reason) in [(6, &first, json!(BEHIND)), (7, &second, Value::Null)] {
        trigger(&["--commit", commit]).await;
        assert_eq!(house.build_in(number, "succeeded").await["reason"], reason);
    }
    let said = async |arguments: &[&str]| terminal.slipway(arguments).await.well().out;
    let failed = said(&["builds", repository, "--state", "failed", "--limit", "1"]).await;
    assert!(failed.starts_with("#5 ") && failed.contains("  nowhere  ") && failed.lines().count() == 1, "{failed}");
    let steps = said(&["logs", repository, "2"]).await;
    assert!(steps.contains("  succeeded  web: build "), "{steps}");
    let unknown = terminal.slipway(&["logs", repository, "2", "99"]).await.with(1).err;
    assert!(unknown.contains(&format!("there is no step 99; the steps are\n{steps}")), "{unknown}");

    said(&["token", "create", "ci", "--role", "viewer"]).await;
    assert!(said(&["token", "list"]).await.contains("  ci "));
    said(&["token", "revoke", "ci"]).await;
    assert!(!said(&["token", "list"]).await.contains("  ci "), "it is revoked");
    let unknown = terminal.slipway(&["token", "revoke", "ci"]).await.with(1).err;
    assert!(unknown.contains("no token is called “ci”; there are administrator;"), "{unknown}");
    let nobody = terminal.variable("SLIPWAY_TOKEN", "").slipway(&["registry", "list"]).await.with(1).err;
    assert!(nobody.contains("SLIPWAY_TOKEN is empty"), "{nobody}");

    let home = house.slipway.api().with("accept", "text/html").get("/").await.expect(200).body;
    assert!(home.contains("topic") && !home.contains("nowhere"), "it is no branch: {home}");
}
