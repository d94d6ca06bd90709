//! One kill in each phase, on both databases.

use serde_json::Value;
use slipway_tests::{
    databases::TestDatabase,
    house::{House, LONG},
    on_both_databases,
    wait::until,
};

use super::gates::{Gate, cure, expect_whole_logs, logs, opened, push, waits_at};

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

/// How the product ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// By `kill -9`.
    Killed,
    /// As a service manager asks it to, such as for an upgrade.
    Asked,
}

impl Phase {
    /// The kinds of the steps that are run once more after an end in this phase.
    fn run_again(self) -> Option<&'static [&'static str]> {
        match self {
            // Whatever had begun by then.
            Phase::Accepted | Phase::Built => None,
            Phase::Checkout => Some(&["checkout"]),
            // It goes on in its container.
            Phase::Command(Gate::Plain | Gate::Container | Gate::Test) => Some(&[]),
            Phase::Command(Gate::Image) => Some(&["build"]),
            Phase::Push => Some(&["push"]),
            Phase::Rollout => Some(&["roll"]),
        }
    }
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
    asked_to_end_in_the_checkout,
    asked_to_end_in_a_plain_step,
    asked_to_end_in_a_test,
    asked_to_end_in_a_push,
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

async fn asked_to_end_in_the_checkout(database: TestDatabase) {
    ended_in(database, End::Asked, Phase::Checkout).await;
}

async fn asked_to_end_in_a_plain_step(database: TestDatabase) {
    ended_in(database, End::Asked, Phase::Command(Gate::Plain)).await;
}

async fn asked_to_end_in_a_test(database: TestDatabase) {
    ended_in(database, End::Asked, Phase::Command(Gate::Test)).await;
}

async fn asked_to_end_in_a_push(database: TestDatabase) {
    ended_in(database, End::Asked, Phase::Push).await;
}

async fn asked_to_end_in_a_rollout(database: TestDatabase) {
    ended_in(database, End::Asked, Phase::Rollout).await;
}

async fn killed_in(database: TestDatabase, phase: Phase) {
    ended_in(database, End::Killed, phase).await;
}

async fn ended_in(database: TestDatabase, end: End, phase: Phase) {
    let mut house = House::on(database).await;
    let number = get_to(&house, phase).await;
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
    ends_well(&house, phase, number).await;
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

/// The build succeeds and its release serves, both in their first attempt; nothing is left behind.
async fn ends_well(house: &House, phase: Phase, number: i64) {
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

    // The runner may have had it already, and not noted it yet.
    // A job may just have been handed out, and not be noted by its runner yet: then it begins a second attempt.
    if let Some(wanted) = phase.run_again() {
        for whole in [&build, &release] {
            assert_eq!(whole["attempts"].as_array().unwrap().len(), 1, "it goes on where it was: {whole:#}");
            assert_eq!(whole["attempt_reason"], Value::Null, "{whole:#}");
        }
        let again = steps(&build).chain(steps(&release)).filter(|step| step["output"]["runs"].is_string());
        let kinds: Vec<_> = again.map(|step| step["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, wanted, "no step but the one that was under way: {build:#} {release:#}");
    }
    expect_whole_logs(house, number).await;
    house.is_tidy(1).await;
}

fn steps(whole: &Value) -> impl Iterator<Item = &Value> {
    whole["attempts"][0]["steps"].as_array().unwrap().iter()
}

/// What could be read before is there afterwards, in the same place.
fn keeps(before: &[(i64, Value, Vec<String>)], after: &[(i64, Value, Vec<String>)]) {
    for (attempt, step, log) in before {
        let same = after.iter().find(|(other, found, _)| other == attempt && found["index"] == step["index"]);
        let (_, _, now) = same.unwrap_or_else(|| panic!("attempt {attempt} has lost a step: {step:#}"));
        assert!(now.starts_with(log), "lines are lost of {step:#}");
    }
}
