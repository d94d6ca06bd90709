//! Where a rollback goes, by whoever asks for it, and what it does not wait for.

use serde_json::json;
use slipway_runner::{
    coordinator::{ClaimReply, ClaimRequest, Coordinator as _, EnvironmentReport, JobResult, LeaseKey},
    rollouts,
};
use slipway_server::releases::{By, ReleaseKind, ReleaseState, restore};
use slipway_tests::{
    databases::TestDatabase,
    house::{House, LONG},
    images::web_app,
    on_both_databases,
    pipeline::{Pipeline, built, digest, usual_plan},
    wait::until,
};

on_both_databases!(
    what_was_thrown_out_is_not_gone_back_to,
    a_restore_is_no_step_on_the_way_back,
    what_breaks_goes_back_to_what_was_live_just_before,
    a_rollback_ends_what_rolls_out,
    a_restore_ends_what_brings_something_new_and_no_rollback,
    what_broke_while_something_newer_waited_is_rolled_back_when_that_fails,
    what_was_given_up_returns_to_nothing_that_broke,
);

/// Makes what is live in dev anew.
pub(crate) async fn make_anew(pipeline: &Pipeline, environment: &str) {
    let mut tx = pipeline.store.write().await.unwrap();
    restore(&mut tx, &pipeline.repository, environment, None, By::name("ada")).await.unwrap();
    tx.commit().await.unwrap();
}

/// Brings a commit to dev, for a production that asks for ten minutes there.
async fn baking_in_dev(pipeline: &Pipeline, commit: &str) {
    built_for_dev(pipeline, commit).await;
    pipeline.roll_out().await;
}

async fn built_for_dev(pipeline: &Pipeline, commit: &str) {
    let mut plan = usual_plan();
    plan.environments[1].bake_ms = 600_000;
    pipeline.built(commit, built(&digest(commit), plan)).await;
}

/// The runner says that what is live in dev is not well.
async fn breaks(pipeline: &Pipeline) {
    let live = pipeline.live("dev").await.unwrap();
    let report = EnvironmentReport {
        runner: "one".to_owned(),
        environment: live.environment_id.to_string(),
        release: live.id.to_string(),
        replicas: Vec::new(),
        breach: Some("web: replica 1 ended".to_owned()),
    };
    pipeline.coordinator.report_environment(report).await.unwrap();
}

/// What is live in dev, by its commit.
async fn in_dev(pipeline: &Pipeline) -> String {
    let live = pipeline.live("dev").await.unwrap();
    live.content.0[0].digest.trim_start_matches("sha256:").to_owned()
}

async fn ordered_to_stop(pipeline: &Pipeline, lease: &LeaseKey) -> bool {
    let request = ClaimRequest { free: 0, holding: vec![lease.clone()], ..pipeline.request(60_000) };
    match pipeline.coordinator.claim(request).await.unwrap() {
        ClaimReply::Cancel { leases } => leases == std::slice::from_ref(lease),
        _ => false,
    }
}

async fn stops(pipeline: &Pipeline, lease: &LeaseKey) {
    let ended = JobResult::Failed { reason: rollouts::CANCELLED.to_owned() };
    pipeline.coordinator.finish_job(lease, ended).await.unwrap();
}

async fn what_was_thrown_out_is_not_gone_back_to(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for commit in ["a", "b"] {
        pipeline.live_in_dev(commit).await;
    }
    pipeline.roll_back("dev", None).await.unwrap();
    pipeline.roll_out().await;
    pipeline.live_in_dev("c").await;
    let back = pipeline.roll_back("dev", None).await.unwrap();
    let first = pipeline.release("dev", 1).await;
    assert_eq!((back.number, back.source_release_id), (5, Some(first.id)));
    pipeline.roll_out().await;
    assert_eq!(in_dev(&pipeline).await, "a", "b was thrown out, a was live just before c");
    let nothing = pipeline.roll_back("dev", None).await.unwrap_err().to_string();
    assert_eq!(nothing, "“dev” has no earlier release that was live: there is nothing to roll back to");
}

async fn a_restore_is_no_step_on_the_way_back(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for commit in ["a", "b"] {
        pipeline.live_in_dev(commit).await;
    }
    pipeline.roll_back("dev", None).await.unwrap();
    pipeline.roll_out().await;
    for _ in 0..2 {
        make_anew(&pipeline, "dev").await;
        pipeline.roll_out().await;
    }
    let nothing = pipeline.roll_back("dev", None).await.unwrap_err().to_string();
    assert_eq!(nothing, "“dev” has no earlier release that was live: there is nothing to roll back to");
    pipeline.live_in_dev("c").await;
    make_anew(&pipeline, "dev").await;
    pipeline.roll_out().await;
    pipeline.roll_back("dev", None).await.unwrap();
    pipeline.roll_out().await;
    assert_eq!(in_dev(&pipeline).await, "a");
}

async fn what_breaks_goes_back_to_what_was_live_just_before(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for commit in ["a", "b"] {
        baking_in_dev(&pipeline, commit).await;
    }
    pipeline.roll_back("dev", None).await.unwrap();
    pipeline.roll_out().await;
    baking_in_dev(&pipeline, "c").await;
    breaks(&pipeline).await;
    let work = pipeline.roll_out().await;
    assert_eq!((work.release.number, in_dev(&pipeline).await.as_str()), (5, "a"));
}

async fn a_rollback_ends_what_rolls_out(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for commit in ["a", "b"] {
        pipeline.live_in_dev(commit).await;
    }
    built_for_dev(&pipeline, "c").await;
    let (lease, work) = pipeline.claim_rollout().await;
    assert_eq!(work.release.number, 3);
    let back = pipeline.roll_back("dev", None).await.unwrap();
    assert_eq!((back.kind, back.source_release_id), (ReleaseKind::Rollback, Some(pipeline.release("dev", 2).await.id)));
    assert!(ordered_to_stop(&pipeline, &lease).await, "it takes the traffic away and ends");
    stops(&pipeline, &lease).await;
    let ended = pipeline.release("dev", 3).await;
    let why = "cancelled by ada: release 4 takes its place";
    assert_eq!((ended.state, ended.reason.as_deref()), (ReleaseState::Failed, Some(why)));
    assert_eq!(pipeline.roll_out().await.release.number, 4);
    assert_eq!(in_dev(&pipeline).await, "b", "what was live, not what was before it");

    // With a number it goes there, and a rollback that rolls out is in the way of another one too.
    pipeline.roll_back("dev", Some(1)).await.unwrap();
    let (lease, _) = pipeline.claim_rollout().await;
    pipeline.roll_back("dev", Some(2)).await.unwrap();
    assert!(ordered_to_stop(&pipeline, &lease).await);
    stops(&pipeline, &lease).await;
    pipeline.roll_out().await;
    assert_eq!(in_dev(&pipeline).await, "b");
}

async fn a_restore_ends_what_brings_something_new_and_no_rollback(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for commit in ["a", "b"] {
        pipeline.live_in_dev(commit).await;
    }
    built_for_dev(&pipeline, "c").await;
    let (lease, _) = pipeline.claim_rollout().await;
    make_anew(&pipeline, "dev").await;
    assert!(ordered_to_stop(&pipeline, &lease).await);
    stops(&pipeline, &lease).await;
    pipeline.roll_out().await;
    assert_eq!(in_dev(&pipeline).await, "b");

    pipeline.roll_back("dev", None).await.unwrap();
    pipeline.claim_rollout().await;
    make_anew(&pipeline, "dev").await;
    let events = pipeline.event_kinds("release.cancelling").await;
    assert_eq!(events.len(), 1, "who goes back is not kept from it");
}

async fn what_broke_while_something_newer_waited_is_rolled_back_when_that_fails(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for commit in ["a", "b"] {
        baking_in_dev(&pipeline, commit).await;
    }
    built_for_dev(&pipeline, "c").await;
    breaks(&pipeline).await;
    pipeline.fail_rollout("it was never healthy").await;
    let back = pipeline.release("dev", 4).await;
    assert_eq!((back.kind, back.actor.as_str()), (ReleaseKind::Rollback, "slipway"));
    pipeline.fail_rollout("its registry is down").await;
    assert!(pipeline.try_claim().await.is_none(), "a return is not tried for ever");
    pipeline.roll_back("dev", None).await.unwrap();
    pipeline.roll_out().await;
    assert_eq!(in_dev(&pipeline).await, "a");
}

async fn what_was_given_up_returns_to_nothing_that_broke(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for commit in ["a", "b"] {
        baking_in_dev(&pipeline, commit).await;
    }
    built_for_dev(&pipeline, "c").await;
    let (lease, _) = pipeline.claim_rollout().await;
    breaks(&pipeline).await;
    // Somebody ends it, and its runner is lost before it could.
    let mut tx = pipeline.store.write().await.unwrap();
    let ended = slipway_server::releases::cancel_rollout(&mut tx, &pipeline.repository, "dev", 3, By::name("bo")).await;
    ended.unwrap();
    tx.commit().await.unwrap();
    assert!(ordered_to_stop(&pipeline, &lease).await);
    pipeline.announce("one", "second life", &[]).await;
    let reason = pipeline.release("dev", 3).await.reason.unwrap_or_default();
    assert!(reason.contains("the environment returns to release 1, as what is live was found wanting"), "{reason}");
    let back = pipeline.release("dev", 4).await;
    assert_eq!(back.source_release_id, Some(pipeline.release("dev", 1).await.id));
}

/// Pushes a version of an app that dev meets as a canary for as long as nobody says otherwise.
async fn push(house: &House, version: &str) {
    let captain = format!(
        "web:\n  build: Dockerfile\n  image: {}\n  release:\n    port: 8080\n    domain: back.localhost\n    \
         health: {{http: /health, interval: 100ms, timeout: 5s, retries: 20, start: 30s}}\n\
         environments:\n  dev: {{from: {{branch: main}}, strategy: {{canary: [25%], bake: 30m}}}}\n",
        house.image()
    );
    let mut files = web_app(version, true);
    files.push(("captain.yml", captain));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    house.push("main", &files).await;
}

#[tokio::test]
async fn the_button_of_what_is_live_ends_a_canary() {
    let house = House::open().await;
    push(&house, "one").await;
    house.live("dev", 1).await;
    let address = format!("/repositories/{}/environments/dev", house.webhook.repository);
    let button = "data-dialog>Roll back to #1</a>";
    let page = async || house.slipway.api().with("accept", "text/html").get(&address).await.expect(200).body;
    assert!(!page().await.contains(button), "nothing takes its place");
    push(&house, "two").await;
    until("the canary to have its share", LONG, async || {
        let release = house.release("dev", 2).await?;
        let steps = release["attempts"].as_array()?.last()?["steps"].as_array()?.clone();
        steps.iter().any(|step| step["kind"] == "canary" && step["state"] == "running").then_some(())
    })
    .await;
    assert!(page().await.contains(button));
    let asked = house.slipway.api().with("accept", "text/html").get(&format!("{address}/releases/1/rollback")).await;
    let asked = asked.expect(200).body;
    assert!(asked.contains("It ends") && asked.contains("#2</a>, which is rolling"), "{asked}");

    house.slipway.api().submit(&format!("{address}/rollback"), &[("to", "1")]).await.expect(303);
    let returned = house.live("dev", 3).await;
    assert_eq!(returned["kind"], json!("rollback"));
    let ended = house.release("dev", 2).await.unwrap();
    assert_eq!(ended["state"], json!("failed"), "{ended:#}");
    assert!(ended["reason"].as_str().unwrap().contains("release 3 takes its place"), "{ended:#}");
    assert!(house.visit("back.localhost").await.contains("one"));
    house.is_tidy(1).await;
}
