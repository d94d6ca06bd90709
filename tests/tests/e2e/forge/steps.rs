//! Commit statuses of steps, where they are asked for.

use slipway_runner::coordinator::{Coordinator as _, StepDeclaration, StepResult};
use slipway_server::forge::{Asked, Statuses};
use slipway_tests::{databases::TestDatabase, on_both_databases, pipeline::step};

use super::scene::Scene;

on_both_databases!(each_step_is_a_status_where_that_is_asked_for);

async fn each_step_is_a_status_where_that_is_asked_for(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let told = async |build: &slipway_server::store::builds::Build, state: StepResult| {
        let lease = scene.pipeline.claim().await;
        let again = StepDeclaration { name: step(0).name, ..step(1) };
        scene.pipeline.coordinator.declare_steps(&lease.key, vec![step(0), again, step(2)]).await.unwrap();
        scene.pipeline.coordinator.start_step(&lease.key, 0).await.unwrap();
        scene.tell().await;
        scene.pipeline.coordinator.finish_step(&lease.key, 0, StepResult::succeeded()).await.unwrap();
        scene.pipeline.coordinator.start_step(&lease.key, 1).await.unwrap();
        scene.pipeline.coordinator.finish_step(&lease.key, 1, state).await.unwrap();
        scene.fail(&lease, "step 1 failed").await;
        scene.tell().await;
        let shown = scene.github.statuses().into_iter().filter(|shown| shown.sha == build.commit_sha);
        shown.map(|shown| (shown.context, shown.state)).collect::<Vec<_>>()
    };
    let build = scene.push("a").await;
    let first = told(&build, StepResult::succeeded()).await;
    assert!(first.iter().all(|(context, _)| context == "slipway/push"), "{first:?}");

    scene.ask(Asked { statuses: Statuses::Steps, ..Asked::default() }).await;
    let build = scene.push("b").await;
    let second = told(&build, StepResult::failed("exit code 2")).await;
    let of = |context: &str| -> Vec<&str> {
        second.iter().filter(|(name, _)| name == context).map(|(_, state)| state.as_str()).collect()
    };
    assert_eq!(of("slipway/push: web pre step 0"), ["pending", "success"]);
    assert_eq!(of("slipway/push: web pre step 0 (2)"), ["failure"], "steps of one name are told apart");
    assert_eq!(of("slipway/push").last(), Some(&"failure"));
    assert!(of("slipway/push: web pre step 2").iter().all(|state| *state != "pending"), "it never began: {second:?}");
    let shown = scene.github.shown(&build.commit_sha, "slipway/push: web pre step 0").unwrap();
    assert!(shown.target_url.ends_with("/builds/2/attempts/1/steps/0"), "{shown:?}");
}
