//! One kill in each phase; on both databases where it is the database that must not forget.

use slipway_tests::{databases::TestDatabase, house::House, on_both_databases};

use super::{
    gates::{Gate, logs},
    phases::{Phase, ends_well, get_to, keeps},
};

/// How the product ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// By `kill -9`.
    Killed,
    /// As a service manager asks it to, such as for an upgrade.
    Asked,
}

on_both_databases!(
    killed_when_a_delivery_was_accepted,
    killed_in_the_checkout,
    killed_in_a_plain_step,
    killed_between_a_build_and_its_release,
    killed_in_a_rollout,
    asked_to_end_in_a_plain_step,
    asked_to_end_in_a_rollout,
);

async fn killed_when_a_delivery_was_accepted(database: TestDatabase) {
    killed_in(database, Phase::Accepted).await;
}

async fn killed_in_the_checkout(database: TestDatabase) {
    killed_in(database, Phase::Checkout).await;
}

async fn killed_in_a_plain_step(database: TestDatabase) {
    killed_in(database, Phase::Command(Gate::Plain)).await;
}

#[tokio::test]
async fn killed_in_a_container_step() {
    killed_in(TestDatabase::sqlite(), Phase::Command(Gate::Container)).await;
}

#[tokio::test]
async fn killed_in_an_image_build() {
    killed_in(TestDatabase::sqlite(), Phase::Command(Gate::Image)).await;
}

#[tokio::test]
async fn killed_in_a_test() {
    killed_in(TestDatabase::sqlite(), Phase::Command(Gate::Test)).await;
}

#[tokio::test]
async fn killed_in_a_push() {
    killed_in(TestDatabase::sqlite(), Phase::Push).await;
}

async fn killed_between_a_build_and_its_release(database: TestDatabase) {
    killed_in(database, Phase::Built).await;
}

async fn killed_in_a_rollout(database: TestDatabase) {
    killed_in(database, Phase::Rollout).await;
}

#[tokio::test]
async fn asked_to_end_in_the_checkout() {
    ended_in(TestDatabase::sqlite(), End::Asked, Phase::Checkout).await;
}

async fn asked_to_end_in_a_plain_step(database: TestDatabase) {
    ended_in(database, End::Asked, Phase::Command(Gate::Plain)).await;
}

#[tokio::test]
async fn asked_to_end_in_a_test() {
    ended_in(TestDatabase::sqlite(), End::Asked, Phase::Command(Gate::Test)).await;
}

#[tokio::test]
async fn asked_to_end_in_a_push() {
    ended_in(TestDatabase::sqlite(), End::Asked, Phase::Push).await;
}

async fn asked_to_end_in_a_rollout(database: TestDatabase) {
    ended_in(database, End::Asked, Phase::Rollout).await;
}

async fn killed_in(database: TestDatabase, phase: Phase) {
    ended_in(database, End::Killed, phase).await;
}

async fn ended_in(database: TestDatabase, end: End, phase: Phase) {
    let mut house = House::on(database).await;
    let number = get_to(&house, phase, "one").await;
    let before = [logs(&house, "builds/1").await, logs(&house, "environments/dev/releases/1").await];
    match end {
        End::Killed => house.slipway.kill().await,
        End::Asked => assert!(house.slipway.terminate().await.success(), "{}", house.slipway.output()),
    }
    let early = matches!(phase, Phase::Accepted | Phase::Checkout | Phase::Command(_));
    if early {
        assert_eq!(house.pushed("main", &[]).await, None, "nothing is pushed before all tests have passed");
    }
    if phase == Phase::Checkout {
        // As a kill leaves it between the two system calls that write a ref.
        let mirrors = std::fs::read_dir(house.slipway.data_dir().join("runner/mirrors")).unwrap();
        let [mirror] = mirrors.map(|entry| entry.unwrap().path()).collect::<Vec<_>>().try_into().unwrap();
        std::fs::create_dir_all(mirror.join("refs/slipway/heads")).unwrap();
        std::fs::write(mirror.join("refs/slipway/heads/main.lock"), "").unwrap();
    }
    house.git_server.go_on();
    house.registry.go_on();
    house.slipway.restart().await;
    ends_well(&house, "one", (number, 1), phase.run_again()).await;
    let after = [logs(&house, "builds/1").await, logs(&house, "environments/dev/releases/1").await];
    for (before, after) in before.iter().zip(&after) {
        keeps(before, after);
    }
}
