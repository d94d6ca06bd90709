//! How much of a step's output is kept.

use std::time::Duration;

use slipway_tests::{
    databases::TestDatabase,
    house::{House, is_over},
    registry::RegistryFixture,
    slipway::Setup,
    wait::until,
};

/// How long storing that much may take on a busy machine.
const FLOODED: Duration = Duration::from_secs(300);
/// As many bytes as a line may well have, so that few of them are much.
const LINE_BYTES: usize = 8_000;
/// So many lines are 72 MB: more than runners once kept, and quickly written.
const LINES: usize = 9_000;

/// Writes so many lines, and one that is known.
fn flood(lines: usize) -> String {
    format!("line=$(head -c {LINE_BYTES} /dev/zero | tr '\\0' a); yes $line | head -n {lines}; echo over")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_step_writes_is_kept_whole() {
    let house = House::open().await;
    let log = log_of(&house, LINES).await;
    let mut whole = vec![LINE_BYTES; LINES];
    whole.push("over".len());
    assert!(log.lines().map(str::len).eq(whole), "{} bytes in {} lines came", log.len(), log.lines().count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_above_the_limit_is_cut_and_the_log_says_so() {
    let setup = Setup::new().with("SLIPWAY_RUNNER_STEP_LOG_BYTES", "50000");
    let house = House::furnished(TestDatabase::sqlite(), RegistryFixture::open().await, setup).await;
    let log = log_of(&house, 100).await;
    let lines: Vec<&str> = log.lines().collect();
    let marker = "the log is cut here: this step wrote more than 50000 bytes, the rest is not kept";
    assert_eq!(lines.last().copied(), Some(marker));
    assert!((5..=7).contains(&lines.len()), "{} lines", lines.len());
}

/// The whole log of a step that writes so many lines.
async fn log_of(house: &House, lines: usize) -> String {
    let captain = format!(
        "defaults: {{step_image: busybox:latest}}\nweb:\n  build: Dockerfile\n  image: {}\n  push: false\n  pre: [./flood.sh]\n",
        house.image()
    );
    let flood = format!("#!/bin/sh\n{}\n", flood(lines));
    let files = [("captain.yml", captain.as_str()), ("Dockerfile", "FROM busybox:latest\n"), ("flood.sh", &flood)];
    let number = house.push("main", &files).await;
    until("the flood to be over", FLOODED, async || is_over(&house.build(number).await).then_some(())).await;
    let build = house.build_in(number, "succeeded").await;
    let steps = build["attempts"][0]["steps"].as_array().expect("its steps");
    let step = steps.iter().find(|step| step["kind"] == "pre").expect("the flood")["index"].as_i64().expect("a number");
    house.ask(&format!("builds/{number}/steps/{step}/log.txt")).await.expect(200).body
}
