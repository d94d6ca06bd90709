//! Kills at moments that nobody chose.

use slipway_tests::{
    databases::TestDatabase,
    dice::{Dice, seed},
    house::{House, LONG},
    on_both_databases,
    wait::until,
};

use super::gates::{expect_whole_logs, opened, push};

const ROUNDS: i64 = 2;
const KILLS_A_ROUND: usize = 3;
/// A round has about this many events from the push to the release.
const EVENTS: u64 = 30;

on_both_databases!(killed_again_and_again);

async fn killed_again_and_again(database: TestDatabase) {
    let mut dice = Dice::new(seed());
    let mut house = House::on(database).await;
    for round in 1..=ROUNDS {
        let version = format!("version {round}");
        let number = push(&house, "main", &version, true).await;
        for _ in 0..KILLS_A_ROUND {
            opened(&house, None, events_go_by(&house, round, dice.roll(EVENTS))).await;
            house.slipway.kill().await;
            house.slipway.restart().await;
        }
        opened(&house, None, house.build_in(number, "succeeded")).await;
        house.live("dev", round).await;
        assert_eq!(house.visit("dev.localhost").await, format!("{version}\n"));
        expect_whole_logs(&house, number).await;
        house.is_tidy(1).await;
    }
}

/// Waits until so many more events have happened, or the round is over.
async fn events_go_by(house: &House, round: i64, wanted: u64) {
    let api = house.slipway.api();
    let mut after = last_event(house).await;
    let mut seen = 0;
    until("more events", LONG, async || {
        let page = api.get(&format!("/api/v1/events?after={after}")).await.expect(200).json();
        seen += page["items"].as_array().unwrap().len() as u64;
        after = page["after"].as_i64().unwrap();
        let live = async || house.release("dev", round).await.is_some_and(|release| release["state"] == "live");
        (seen >= wanted || live().await).then_some(())
    })
    .await;
}

async fn last_event(house: &House) -> i64 {
    let api = house.slipway.api();
    let mut after = 0;
    loop {
        let page = api.get(&format!("/api/v1/events?after={after}")).await.expect(200).json();
        let next = page["after"].as_i64().unwrap();
        if next == after {
            return after;
        }
        after = next;
    }
}
