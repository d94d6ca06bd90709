//! Whole pipelines through runners in processes of their own.

use slipway_tests::{
    cutter::Cutter,
    databases::TestDatabase,
    house::{House, LONG},
    slipway::Setup,
    wait::until,
};

use crate::crash::gates::{Gate, attempts, expect_whole_logs, opened, push, waits_at};

async fn direct(database: TestDatabase) -> House {
    House::remote(database, Setup::new(), async |url: &str| url.to_owned()).await
}

/// The build succeeds in its first attempt with whole logs, and its release serves.
async fn ends_well(house: &House, number: i64) {
    opened(house, None, house.build_in(number, "succeeded")).await;
    assert_eq!(attempts(house, number).await, 1, "nothing runs twice");
    expect_whole_logs(house, number).await;
    house.live("dev", 1).await;
    assert_eq!(house.visit("dev.localhost").await, "one\n");
    house.is_tidy(1).await;
}

/// Every call is answered at least once into nothing, and many are again: the server has done what was asked, and is
/// asked for the same again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_cuts_answers_changes_nothing() {
    let mut line = None;
    let house = House::remote(TestDatabase::sqlite(), Setup::new(), async |url: &str| {
        let cutter = line.insert(Cutter::to(url).await);
        cutter.url().to_owned()
    })
    .await;
    let line = line.unwrap();
    let number = push(&house, "main", "one", true).await;
    ends_well(&house, number).await;
    assert!(line.cuts() > 20, "only {} answers were cut", line.cuts());
}

/// A runner that is asked to end finishes what it has, and takes nothing new.
#[tokio::test]
async fn a_runner_drains() {
    let mut house = direct(TestDatabase::sqlite()).await;
    let first = push(&house, "main", "one", true).await;
    waits_at(&house, first, Gate::Plain).await;
    house.runners[0].ask_to_end().await;
    house.runners[0].says("taking no new work").await;
    let runner = &house.runners[0];
    until("the page to say so", LONG, async || (runner.state(&house.slipway).await == "draining").then_some(())).await;
    let second = push(&house, "other", "two", true).await;
    opened(&house, None, house.build_in(first, "succeeded")).await;
    assert!(house.runners[0].ends().await.success(), "{}", house.runners[0].output());
    assert_eq!(house.build(second).await["state"], "queued", "what came later is for the next");
    assert_eq!(attempts(&house, first).await, 1);
}
