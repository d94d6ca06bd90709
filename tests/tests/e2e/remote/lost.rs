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
    wait::{until, until_none},
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
    assert_eq!((pushes(early), pushes(late)), (0, 1), "{build:#}");
    assert_eq!(house.pushed("main", &[]).await.as_deref(), build["artifacts"][0]["digest"].as_str());
    expect_whole_logs(&house, number).await;
    house.live("dev", 1).await;
    assert_eq!(house.visit("dev.localhost").await, "one\n");
    house.is_tidy(1).await;
}

/// The pushes of an attempt that succeeded.
fn pushes(attempt: &Value) -> usize {
    let steps = attempt["steps"].as_array().unwrap().iter();
    steps.filter(|step| step["kind"] == "push" && step["state"] == "succeeded").count()
}

/// An image of which no two builds are the same.
fn unique(house: &House) -> [(&'static str, String); 2] {
    let captain = format!(
        "defaults: {{step_image: busybox:latest}}\nweb:\n  build: Dockerfile\n  image: {}\n  \
         pre: [cat /proc/sys/kernel/random/uuid > unique]\n",
        house.image()
    );
    [("captain.yml", captain), ("Dockerfile", "FROM busybox:latest\nCOPY unique /\n".to_owned())]
}

/// Cut off in the middle of a push for longer than its lease, it stops by itself; what another one pushed stands, also
/// when it is back with its results.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_is_cut_off_from_the_server_gives_way_to_another_s() {
    let mut line = None;
    let setup = Setup::new().with("SLIPWAY_LEASE_SECONDS", "10");
    let mut house = House::remote(TestDatabase::sqlite(), setup, async |url: &str| {
        let line = line.insert(Cutter::quiet(url).await);
        line.url().to_owned()
    })
    .await;
    let line = line.unwrap();
    house.registry.hold();
    let files = unique(&house);
    let number = house.push("main", &files.each_ref().map(|(name, text)| (*name, text.as_str()))).await;
    house.step_runs(number, "push", "").await;
    line.set_down(true);
    house.runners[0].says("giving the lease up").await;
    house.another_runner("two", &[]).await;
    until("another attempt", LONG, async || (attempts(&house, number).await > 1).then_some(())).await;
    house.registry.go_on();
    line.set_down(false);

    let build = house.build_in(number, "succeeded").await;
    let first = house.runners[0].id.clone();
    until_none("the first runner's containers", LONG, async || running(&first)).await;
    // On a machine that has much else to do, the next one may lose so short a lease, too.
    let [early @ .., last] = build["attempts"].as_array().unwrap().as_slice() else { panic!("attempts: {build:#}") };
    assert_eq!((early.iter().map(pushes).sum::<usize>(), pushes(last)), (0, 1), "{build:#}");
    house.is_tidy(0).await;
    let digest = build["artifacts"][0]["digest"].as_str();
    assert_eq!(house.pushed("main", &[]).await.as_deref(), digest, "what the last attempt pushed");
}
