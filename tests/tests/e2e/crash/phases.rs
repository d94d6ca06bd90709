//! The phases of a pipeline, and how one ends that was brought to a phase and disturbed there.

use serde_json::Value;
use slipway_tests::{
    house::{House, LONG},
    wait::until,
};

use super::gates::{Gate, cure, expect_whole_logs, opened, push, waits_at};

/// How far a pipeline has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
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

impl Phase {
    /// The kinds of the steps that are run once more when their runner ends in this phase.
    pub(crate) fn run_again(self) -> Option<&'static [&'static str]> {
        match self {
            // Whatever had begun by then; and a job that was just handed out, and not noted by its runner yet, begins a
            // second attempt.
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

/// Pushes this version, and returns when its pipeline has come to the phase.
pub(crate) async fn get_to(house: &House, phase: Phase, version: &str) -> i64 {
    let served = house.released_containers().len();
    if phase == Phase::Checkout {
        house.git_server.hold();
    }
    let number = push(house, "main", version, phase != Phase::Rollout).await;
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
                (house.released_containers().len() > served).then_some(())
            })
            .await;
        }
    }
    number
}

/// The build succeeds and its release, the environment's newest, serves this version, both in their first attempt; only
/// steps of the kinds `again` were run once more, none where that cannot be told; nothing is left behind.
pub(crate) async fn ends_well(
    house: &House,
    version: &str,
    (number, release): (i64, i64),
    again: Option<&[&'static str]>,
) {
    let build = opened(house, None, house.build_in(number, "succeeded")).await;
    let live = async {
        until(&format!("release {release} to be live"), LONG, async || {
            cure(house);
            let found = house.release("dev", release).await?;
            assert_ne!(found["state"], "failed", "{found:#}");
            (found["state"] == "live").then_some(found)
        })
        .await
    };
    let release = live.await;
    assert_eq!(house.visit("dev.localhost").await, format!("{version}\n"));
    let [artifact] = build["artifacts"].as_array().unwrap().as_slice() else { panic!("one artifact: {build:#}") };
    assert_eq!(release["apps"][0]["digest"], artifact["digest"]);
    assert_eq!(house.pushed("main", &[]).await.as_deref(), artifact["digest"].as_str());

    if let Some(wanted) = again {
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
pub(crate) fn keeps(before: &[(i64, Value, Vec<String>)], after: &[(i64, Value, Vec<String>)]) {
    for (attempt, step, log) in before {
        let same = after.iter().find(|(other, found, _)| other == attempt && found["index"] == step["index"]);
        let (_, _, now) = same.unwrap_or_else(|| panic!("attempt {attempt} has lost a step: {step:#}"));
        assert!(now.starts_with(log), "lines are lost of {step:#}");
    }
}
