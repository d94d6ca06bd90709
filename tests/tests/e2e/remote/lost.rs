//! A runner that was away for longer than its lease: another one has its job by then.

use std::sync::Arc;

use serde_json::Value;
use slipway_server::{queue::rescue, store::Store};
use slipway_tests::{
    clock::ManualClock,
    cutter::Cutter,
    databases::TestDatabase,
    engine::running,
    house::{House, LONG},
    on_both_databases,
    slipway::Setup,
    wait::until_none,
};

use crate::crash::gates::{Gate, attempts, expect_whole_logs, open_all_but, opened, push, waits_at};

on_both_databases!(a_runner_that_comes_back_too_late_stops,);

/// Years after every lease.
const FAR: i64 = 100_000_000_000;

async fn a_runner_that_comes_back_too_late_stops(database: TestDatabase) {
    let url = database.url().to_owned();
    let mut line = None;
    let mut house = House::remote(database, Setup::new(), async |url: &str| {
        let line = line.insert(Cutter::quiet(url).await);
        line.url().to_owned()
    })
    .await;
    let line = line.unwrap();
    let number = push(&house, "main", "one", true).await;
    waits_at(&house, number, Gate::Plain).await;
    line.set_down(true);
    // It comes to the end of its command, and to all that it may do without the server.
    open_all_but(&house, None);
    house.another_runner("two", &[]).await;

    // What the server does once the lease has ended.
    let clock = Arc::new(ManualClock::default());
    clock.advance(FAR);
    let store = Store::open(&url, clock).await.unwrap();
    assert_eq!(rescue(&store).await.unwrap(), 1);
    store.close().await;
    waits_at(&house, number, Gate::Plain).await;
    assert_eq!(attempts(&house, number).await, 2);

    // The first one stops what it still runs: because it is told so, or because no heartbeat was answered for too long.
    line.set_down(false);
    let first = house.runners[0].id.clone();
    until_none("the first runner's containers", LONG, async || running(&first)).await;
    let build = opened(&house, None, house.build_in(number, "succeeded")).await;
    let [early, late] = build["attempts"].as_array().unwrap().as_slice() else { panic!("two attempts: {build:#}") };
    let pushes = |attempt: &Value| {
        let steps = attempt["steps"].as_array().unwrap().iter();
        steps.filter(|step| step["kind"] == "push" && step["state"] == "succeeded").count()
    };
    assert_eq!((pushes(early), pushes(late)), (0, 1), "{build:#}");
    assert_eq!(house.pushed("main", &[]).await.as_deref(), build["artifacts"][0]["digest"].as_str());
    expect_whole_logs(&house, number).await;
    house.live("dev", 1).await;
    assert_eq!(house.visit("dev.localhost").await, "one\n");
    house.is_tidy(1).await;
}
