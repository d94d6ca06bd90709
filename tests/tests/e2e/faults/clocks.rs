//! Clocks that are set while the product works, forward by a day and back by an hour: of one process, and of two.

use chrono::{DateTime, FixedOffset};
use slipway_tests::{
    databases::TestDatabase,
    house::{House, LONG},
    on_both_databases,
    registry::RegistryFixture,
    set_clock::SetClock,
    slipway::Setup,
    wait::until,
};

use crate::crash::gates::{Gate, attempts, expect_whole_logs, opened, push, waits_at};

on_both_databases!(a_server_and_a_runner_whose_clocks_are_set_apart_go_on);

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

/// So short that the rescuer looks while the build waits.
const LEASE_SECONDS: &str = "20";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_in_the_middle_of_a_build_ends_nothing() {
    let clock = SetClock::new();
    let setup = clock.of(Setup::new()).with("SLIPWAY_LEASE_SECONDS", LEASE_SECONDS);
    let house = House::furnished(TestDatabase::sqlite(), RegistryFixture::open().await, setup).await;
    let number = push(&house, "main", "one", true).await;
    for (count, (gate, seconds)) in (1..).zip([(Gate::Plain, DAY), (Gate::Test, -HOUR)]) {
        waits_at(&house, number, gate).await;
        clock.set_by(seconds);
        until("the rescuer to see it", LONG, async || {
            let seen = house.slipway.output().matches("the clock was set; runners are given").count();
            (seen >= count).then_some(())
        })
        .await;
    }
    goes_on(&house, number, 2).await;
}

async fn a_server_and_a_runner_whose_clocks_are_set_apart_go_on(database: TestDatabase) {
    let (of_server, of_runner) = (SetClock::new(), SetClock::new());
    let variables = of_runner.variables();
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let setup = of_server.of(Setup::new());
    let registry = RegistryFixture::open().await;
    let house = House::remote_furnished(database, registry, setup, &variables, async |url: &str| url.to_owned()).await;
    let first = push(&house, "main", "one", true).await;
    let moves = [(Gate::Plain, &of_server, DAY), (Gate::Container, &of_runner, DAY), (Gate::Test, &of_server, -HOUR)];
    for (gate, clock, seconds) in moves {
        waits_at(&house, first, gate).await;
        clock.set_by(seconds);
    }
    goes_on(&house, first, 2).await;

    // The runner is a day ahead of a server that is an hour behind; then it is behind, too.
    let second = push(&house, "main", "two", true).await;
    waits_at(&house, second, Gate::Plain).await;
    of_runner.set_by(-HOUR);
    goes_on(&house, second, 4).await;
    let (first, second) = (queued_at(&house, first).await, queued_at(&house, second).await);
    assert!(second < first, "the server's clock was set: {first}, {second}");
}

/// The build ends in its first attempt, in which every command was run once; so does the next one, which does not wait for
/// any time to come again, and becomes this release.
async fn goes_on(house: &House, number: i64, release: i64) {
    opened(house, None, house.build_in(number, "succeeded")).await;
    let version = format!("release {release}");
    let next = push(house, "main", &version, true).await;
    opened(house, None, house.build_in(next, "succeeded")).await;
    for number in [number, next] {
        assert_eq!(attempts(house, number).await, 1, "{}", house.slipway.output());
        expect_whole_logs(house, number).await;
    }
    house.live("dev", release).await;
    assert_eq!(house.visit("dev.localhost").await, format!("{version}\n"));
    house.is_tidy(1).await;
}

/// When a build was queued, by the server's clock.
async fn queued_at(house: &House, number: i64) -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339(house.build(number).await["created_at"].as_str().unwrap()).unwrap()
}
