//! From the push to the second attempt, with the real product.

use std::path::PathBuf;

use serde_json::Value;
use slipway_tests::{
    databases::TestDatabase,
    engine::docker,
    house::House,
    on_both_databases,
    registry::RegistryFixture,
    slipway::Setup,
    wait::{until, until_none},
};

/// How long the background work may take that nobody waits for.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

on_both_databases!(what_succeeded_is_not_run_again_and_what_failed_goes_on);

/// A house whose runner keeps what this many failed builds leave.
async fn house(database: TestDatabase, keeps: u32) -> House {
    let setup = Setup::new().with("SLIPWAY_RUNNER_FAILED_BUILDS", &keeps.to_string());
    House::furnished(database, RegistryFixture::open().await, setup).await
}

/// Each command notes that it ran; the test passes once the file `mended` is in the workspace.
async fn push(house: &House, branch: &str) -> i64 {
    let image = house.image();
    let captain = format!(
        "defaults: {{step_image: busybox:latest}}\nweb:\n  build: Dockerfile\n  image: {image}\n  pre:\n    \
         - echo plain ran; echo plain >> ran\n    \
         - docker run --rm -v \"$PWD\":/w -w /w busybox:latest sh -c 'echo container ran; echo container >> ran'\n  test:\n    \
         - docker run --rm -v \"$PWD\":/w -w /w {image} sh -c 'echo test >> ran; cat ran; until test ! -e hold; do sleep 0.05; done; test -e mended'\n    \
         - docker run --rm {image} true\n"
    );
    let dockerfile = format!("FROM busybox:latest\nRUN echo {image} > /name\n");
    house.push(branch, &[("captain.yml", &captain), ("Dockerfile", &dockerfile)]).await
}

/// The workspace that a failed build left.
fn workspace(house: &House) -> PathBuf {
    let found = house.checkouts();
    let [workspace] = &found[..] else { panic!("one workspace is kept: {found:?}") };
    workspace.clone()
}

async fn retry(house: &House, number: i64) {
    let arguments = ["retry", &house.webhook.repository, &number.to_string(), "--failed"];
    let said = house.slipway.command(&arguments, "").await;
    assert!(said.status.success(), "{said:?}");
}

/// The kinds of the steps of an attempt, each with the attempt that it was taken over from.
fn taken(build: &Value, attempt: usize) -> Vec<(&str, &str)> {
    let steps = build["attempts"][attempt - 1]["steps"].as_array().unwrap();
    let from = |step: &'_ Value| step["output"]["taken_over_from"].as_str().map(str::to_owned);
    let words = steps.iter().map(|step| (step["kind"].as_str().unwrap(), from(step)));
    words.map(|(kind, from)| (kind, if from.is_some() { "taken over" } else { "run" })).collect()
}

async fn what_succeeded_is_not_run_again_and_what_failed_goes_on(database: TestDatabase) {
    let house = house(database, 1).await;
    let number = push(&house, "main").await;
    house.build_in(number, "failed").await;
    std::fs::write(workspace(&house).join("mended"), "").unwrap();
    retry(&house, number).await;
    let build = house.build_in(number, "succeeded").await;
    let expected = [
        ("checkout", "run"),
        ("pre", "taken over"),
        ("pre", "taken over"),
        ("build", "taken over"),
        ("test", "run"),
        ("test", "run"),
        ("push", "run"),
    ];
    assert_eq!(taken(&build, 2), expected, "{build:#}");
    assert!(house.pushed("main", &[]).await.is_some());
    let path = format!("builds/{number}");
    assert_eq!(house.log(&path, 2, 4).await, ["plain", "container", "test", "test"], "nothing else ran twice");
    assert_eq!(house.log(&path, 2, 1).await, ["plain ran"], "the log of what was taken over is the earlier one");
    let checkout = house.log(&path, 2, 0).await.join("\n");
    assert!(checkout.contains("going on from attempt 1, in its workspace"), "{checkout}");
    let address = format!("/repositories/{}/{path}", house.webhook.repository);
    let page = house.slipway.api().with("accept", "text/html").get(&address).await.expect(200).body;
    assert!(page.contains("not run again: it succeeded in attempt 1"), "{page}");
    house.is_tidy(0).await;
}

#[tokio::test]
async fn a_kill_before_and_during_the_second_attempt_changes_nothing() {
    let mut house = house(TestDatabase::sqlite(), 1).await;
    let number = push(&house, "main").await;
    house.build_in(number, "failed").await;
    house.slipway.kill().await;
    let workspace = workspace(&house);
    std::fs::write(workspace.join("hold"), "").unwrap();
    std::fs::write(workspace.join("mended"), "").unwrap();
    house.slipway.restart().await;
    retry(&house, number).await;
    let step = house.step_runs(number, "test", "").await;
    let path = format!("builds/{number}");
    let said = async || Some(house.log(&path, 2, step).await).filter(|log| !log.is_empty());
    until("the test to say what ran before it", LIMIT, said).await;
    house.slipway.kill().await;
    house.slipway.restart().await;
    let moved = until("the workspace of the second attempt", LIMIT, async || {
        house.checkouts().into_iter().find(|path| path.join("hold").exists())
    })
    .await;
    std::fs::remove_file(moved.join("hold")).unwrap();
    let build = house.build_in(number, "succeeded").await;
    let run: Vec<_> = taken(&build, 2).into_iter().filter(|(_, how)| *how == "run").map(|(kind, _)| kind).collect();
    assert_eq!(run, ["checkout", "test", "test", "push"], "{build:#}");
    assert_eq!(build["attempts"].as_array().unwrap().len(), 2, "the same attempt went on");
    let log = house.log(&path, 2, step).await;
    assert_eq!(log, ["plain", "container", "test", "test"], "{build:#}");
    house.is_tidy(0).await;
}

#[tokio::test]
async fn what_is_gone_runs_again_and_says_so() {
    let house = house(TestDatabase::sqlite(), 1).await;
    // The image of the first attempt, alone.
    let number = push(&house, "main").await;
    house.build_in(number, "failed").await;
    let mark = format!(":{}.", &house.runner()[house.runner().len() - 10..].to_lowercase());
    let named = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", "-f", "reference=slipway-*"]);
    let image = named.into_iter().find(|name| name.contains(&mark)).expect("the image keeps its name");
    let _ = docker(&["rmi", &image]);
    std::fs::write(workspace(&house).join("mended"), "").unwrap();
    retry(&house, number).await;
    let build = house.build_in(number, "succeeded").await;
    assert_eq!(
        taken(&build, 2)[..4],
        [("checkout", "run"), ("pre", "taken over"), ("pre", "taken over"), ("build", "run")],
        "{build:#}"
    );

    // Everything: a newer failure takes its place.
    let first = push(&house, "one").await;
    house.build_in(first, "failed").await;
    let second = push(&house, "two").await;
    house.build_in(second, "failed").await;
    until_none("only the newest to stay", LIMIT, async || house.checkouts().into_iter().skip(1).collect()).await;
    retry(&house, first).await;
    let build = house.build_in(first, "failed").await;
    assert!(taken(&build, 2).iter().all(|(_, how)| *how == "run"), "{build:#}");
    let note = build["attempts"][1]["steps"][0]["reason"].as_str().unwrap();
    assert_eq!(note, "this runner does not have what attempt 1 left: everything runs again");
    until_none("only the newest to stay", LIMIT, async || house.checkouts().into_iter().skip(1).collect()).await;
}
