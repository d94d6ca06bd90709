//! The commands of releases through the whole product: which releases run them, and what a crash makes of one.

use serde_json::Value;
use slipway_tests::{
    databases::TestDatabase,
    engine::docker,
    house::{House, LONG},
    images::web_app,
    on_both_databases,
    pipeline::Pipeline,
    wait::until,
};

on_both_databases!(a_rollback_runs_no_commands);

async fn a_rollback_runs_no_commands(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    pipeline.live_in_dev("b").await;
    pipeline.promote("production").await.unwrap();
    assert!(pipeline.roll_out().await.runs_commands, "a promotion does");
    pipeline.roll_back("dev", None).await.unwrap();
    assert!(!pipeline.roll_out().await.runs_commands);
}

/// Releases a version whose migration waits for the file `/notes/VERSION`, and notes that it was begun.
async fn push(house: &House, version: &str) -> i64 {
    let image = house.image();
    let migrate = format!(
        "echo begun; echo {version} >> /notes/runs; while [ ! -e /notes/{version} ]; do sleep 0.1; done; printf ended"
    );
    let captain = format!(
        "defaults: {{step_image: busybox:latest}}\nweb:\n  build: Dockerfile\n  image: {image}\n  release:\n    \
         port: 8080\n    volumes: [notes:/notes]\n    \
         health: {{http: /health, interval: 100ms, timeout: 5s, retries: 20, start: 30s}}\n    \
         before: \"sh -c '{migrate}'\"\n    after: cat /notes/runs\n\
         environments:\n  dev: {{from: {{branch: main}}, apps: {{web: {{domain: dev.localhost}}}}}}\n"
    );
    let mut files = web_app(version, true);
    files.push(("captain.yml", captain));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    house.push("main", &files).await
}

/// The container in which a command runs.
async fn command(house: &House) -> String {
    let runner = format!("label=slipway.runner={}", house.runner());
    until("the container of a command", LONG, async || {
        docker(&["ps", "--format", "{{.Names}}", "-f", &runner, "-f", "label=slipway=command"]).pop()
    })
    .await
}

/// The index of the step that is the command at this moment, once its log has this many lines.
async fn has_said(house: &House, number: i64, moment: &str, lines: usize) -> i64 {
    until(&format!("{moment} to have said {lines} lines"), LONG, async || {
        let release = house.release("dev", number).await?;
        let steps = release["attempts"].as_array()?.last()?["steps"].as_array()?.clone();
        let is_it = |step: &&Value| step["name"].as_str().is_some_and(|name| name.contains(moment));
        let index = steps.iter().find(is_it).filter(|step| step["state"] != "pending")?["index"].as_i64()?;
        let log = house.log(&format!("environments/dev/releases/{number}"), 1, index).await;
        (log.len() >= lines).then_some(index)
    })
    .await
}

#[tokio::test]
async fn a_migration_outlives_the_server_and_is_run_again_only_where_people_can_see_it() {
    let mut house = House::open().await;
    push(&house, "one").await;
    let index = has_said(&house, 1, "web: before", 1).await;
    let container = command(&house).await;
    house.slipway.kill().await;
    docker(&["exec", &container, "touch", "/notes/one"]);
    house.slipway.restart().await;
    house.live("dev", 1).await;
    let path = "environments/dev/releases/1";
    assert_eq!(house.log(path, 1, index).await, ["begun", "ended"], "no line is missing or doubled");
    let after = has_said(&house, 1, "web: after", 1).await;
    assert_eq!(house.log(path, 1, after).await, ["one"]);

    // Where its container is gone nobody can know how far it came: it is run again, and its log says so.
    push(&house, "two").await;
    let index = has_said(&house, 2, "web: before", 1).await;
    let container = command(&house).await;
    house.slipway.kill().await;
    docker(&["rm", "-f", &container]);
    house.slipway.restart().await;
    let again = has_said(&house, 2, "web: before", 3).await;
    assert_eq!(again, index);
    docker(&["exec", &command(&house).await, "touch", "/notes/two"]);
    let live = house.live("dev", 2).await;
    let log = house.log("environments/dev/releases/2", 1, index).await;
    assert!(log.len() == 4 && log[1].contains("its container is gone") && log[3] == "ended", "{log:?}");
    let runs = &live["attempts"][0]["steps"][usize::try_from(index).unwrap()]["output"]["runs"];
    assert_eq!(runs, "2", "{live:#}");
    house.is_tidy(1).await;
}
