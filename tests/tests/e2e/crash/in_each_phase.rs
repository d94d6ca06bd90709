//! One kill in each phase, on both databases.

use serde_json::Value;
use slipway_tests::{
    databases::TestDatabase,
    house::{House, LONG},
    on_both_databases,
    wait::until,
};

use super::gates::{Gate, attempts, cure, expect_whole_logs, logs, opened, push, waits_at};

/// Where the product is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// As soon as the delivery was accepted.
    Accepted,
    /// While the git server is asked.
    Checkout,
    /// In a command of the build.
    Command(Gate),
    /// While the registry takes the image.
    Push,
    /// As soon as the build has succeeded.
    Built,
    /// While a new container is not healthy yet.
    Rollout,
}

on_both_databases!(
    killed_when_a_delivery_was_accepted,
    killed_in_the_checkout,
    killed_in_a_plain_step,
    killed_in_a_container_step,
    killed_in_an_image_build,
    killed_in_a_test,
    killed_in_a_push,
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

async fn killed_in_a_container_step(database: TestDatabase) {
    killed_in(database, Phase::Command(Gate::Container)).await;
}

async fn killed_in_an_image_build(database: TestDatabase) {
    killed_in(database, Phase::Command(Gate::Image)).await;
}

async fn killed_in_a_test(database: TestDatabase) {
    killed_in(database, Phase::Command(Gate::Test)).await;
}

async fn killed_in_a_push(database: TestDatabase) {
    killed_in(database, Phase::Push).await;
}

async fn killed_between_a_build_and_its_release(database: TestDatabase) {
    killed_in(database, Phase::Built).await;
}

async fn killed_in_a_rollout(database: TestDatabase) {
    killed_in(database, Phase::Rollout).await;
}

async fn asked_to_end_in_a_plain_step(database: TestDatabase) {
    let mut house = House::on(database).await;
    let number = get_to(&house, Phase::Command(Gate::Plain)).await;
    assert!(house.slipway.terminate().await.success(), "{}", house.slipway.output());
    house.slipway.restart().await;
    ends_well(&house, Phase::Command(Gate::Plain), number, "its runner stopped it").await;
}

async fn asked_to_end_in_a_rollout(database: TestDatabase) {
    let mut house = House::on(database).await;
    let number = get_to(&house, Phase::Rollout).await;
    assert!(house.slipway.terminate().await.success(), "{}", house.slipway.output());
    house.slipway.restart().await;
    ends_well(&house, Phase::Rollout, number, "its runner stopped it").await;
}

async fn killed_in(database: TestDatabase, phase: Phase) {
    let mut house = House::on(database).await;
    let number = get_to(&house, phase).await;
    let before = [logs(&house, "builds/1").await, logs(&house, "environments/dev/releases/1").await];
    house.slipway.kill().await;
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
    ends_well(&house, phase, number, "the runner was restarted").await;
    let after = [logs(&house, "builds/1").await, logs(&house, "environments/dev/releases/1").await];
    for (before, after) in before.iter().zip(&after) {
        keeps(before, after);
    }
}

/// Pushes, and returns when the build has come to the phase.
async fn get_to(house: &House, phase: Phase) -> i64 {
    if phase == Phase::Checkout {
        house.git_server.hold();
    }
    let number = push(house, "main", "one", phase != Phase::Rollout).await;
    match phase {
        Phase::Accepted => {}
        Phase::Checkout => {
            house.step_runs(number, "checkout", "").await;
        }
        Phase::Command(gate) => waits_at(house, number, gate).await,
        Phase::Push => {
            waits_at(house, number, Gate::Test).await;
            house.registry.hold();
            opened(house, None, house.step_runs(number, "push", "")).await;
        }
        Phase::Built => {
            opened(house, None, house.build_in(number, "succeeded")).await;
        }
        Phase::Rollout => {
            opened(house, None, house.build_in(number, "succeeded")).await;
            until("a container that is not healthy yet", LONG, async || {
                (!house.released_containers().is_empty()).then_some(())
            })
            .await;
        }
    }
    number
}

/// The build succeeds and its release serves; each tells how often it was begun, and why; nothing is left behind.
async fn ends_well(house: &House, phase: Phase, number: i64, reason: &str) {
    let build = opened(house, None, house.build_in(number, "succeeded")).await;
    let live = async {
        until("release 1 to be live", LONG, async || {
            cure(house);
            let found = house.release("dev", 1).await?;
            assert_ne!(found["state"], "failed", "{found:#}");
            (found["state"] == "live").then_some(found)
        })
        .await
    };
    let release = live.await;
    assert_eq!(house.visit("dev.localhost").await, "one\n");
    let [artifact] = build["artifacts"].as_array().unwrap().as_slice() else { panic!("one artifact: {build:#}") };
    assert_eq!(release["apps"][0]["digest"], artifact["digest"]);
    assert_eq!(house.pushed("main", &[]).await.as_deref(), artifact["digest"].as_str());

    let (again, once) = if phase == Phase::Rollout { (&release, &build) } else { (&build, &release) };
    match phase {
        // The runner may have had it already.
        Phase::Accepted => {}
        Phase::Built => assert_eq!(attempts(house, number).await, 1, "what has succeeded is not run again: {build:#}"),
        _ => {
            assert_eq!(again["attempts"].as_array().unwrap().len(), 2, "{again:#}");
            assert_eq!(again["attempt_reason"], reason, "{again:#}");
            assert_eq!(once["attempts"].as_array().unwrap().len(), 1, "{once:#}");
            expect_lost(&again["attempts"][0]["steps"], reason);
        }
    }
    expect_whole_logs(house, number).await;
    house.is_tidy(1).await;
}

/// Of an attempt that was cut off, at least one step is lost; others had succeeded; none is open.
fn expect_lost(steps: &Value, reason: &str) {
    let steps = steps.as_array().unwrap();
    let lost: Vec<_> = steps.iter().filter(|step| step["state"] == "lost").collect();
    assert!(!lost.is_empty(), "{steps:#?}");
    assert!(lost.iter().all(|step| step["reason"] == reason), "{lost:#?}");
    assert!(steps.iter().all(|step| step["state"] == "lost" || step["state"] == "succeeded"), "{steps:#?}");
}

/// What could be read before is there afterwards, in the same place.
fn keeps(before: &[(i64, Value, Vec<String>)], after: &[(i64, Value, Vec<String>)]) {
    for (attempt, step, log) in before {
        let same = after.iter().find(|(other, found, _)| other == attempt && found["index"] == step["index"]);
        let (_, _, now) = same.unwrap_or_else(|| panic!("attempt {attempt} has lost a step: {step:#}"));
        assert!(now.starts_with(log), "lines are lost of {step:#}");
    }
}
