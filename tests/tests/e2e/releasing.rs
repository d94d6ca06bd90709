//! What of a successful build is released, on both databases: apps that it left out stay as they are, and apps that it did
//! not push are not released.

use slipway_pipelines::{config::Source, plan::ReleasePlan, release::ReleaseSettings};
use slipway_runner::coordinator::{Coordinator, JobResult, ReleasedApp, StepResult};
use slipway_server::{builds::NewBuild, releases::ReleaseState};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{Pipeline, artifact, usual_plan},
};

on_both_databases!(
    an_app_that_was_left_out_stays_as_it_is,
    what_a_failed_rollout_held_comes_with_the_next_release,
    a_rollback_is_not_undone_by_what_a_build_left_out,
    an_environment_that_takes_another_branch_holds_that_branch_s_images,
    an_app_of_a_commit_that_does_not_know_the_target_runs_as_the_promoted_commit_says,
    a_release_that_waits_is_not_forgotten_by_the_next_one,
    a_build_that_left_out_every_app_releases_what_did_not_get_there,
    a_build_that_left_out_every_app_releases_nothing_and_says_why,
    an_app_without_an_image_keeps_the_build_from_being_released,
);

/// Three apps, of which the build left out some.
fn plan(left_out: &[&str]) -> ReleasePlan {
    let app = |port: u16| ReleaseSettings { port: Some(port), ..ReleaseSettings::default() };
    ReleasePlan {
        apps: [("api", 1), ("web", 2), ("worker", 3)].map(|(name, port)| (name.to_owned(), app(port))).into(),
        environments: usual_plan().environments,
        left_out: left_out
            .iter()
            .map(|app| ((*app).to_owned(), "when.paths matches no changed file".to_owned()))
            .collect(),
        ..ReleasePlan::default()
    }
}

/// A build of all apps but those left out; each digest names the commit.
fn of(commit: &str, left_out: &[&str]) -> JobResult {
    let apps = ["web", "worker", "api"].into_iter().filter(|app| !left_out.contains(app));
    let artifacts = apps.map(|app| artifact(app, &format!("sha256:{commit}-{app}"))).collect();
    JobResult::Built { artifacts, release_plan: plan(left_out) }
}

fn held(apps: &[ReleasedApp]) -> Vec<(&str, Option<i64>)> {
    apps.iter().map(|app| (app.digest.trim_start_matches("sha256:"), app.build)).collect()
}

async fn an_app_that_was_left_out_stays_as_it_is(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.built("a", of("a", &["api"])).await;
    let first = pipeline.roll_out().await;
    assert_eq!(held(&first.release.apps), [("a-web", Some(1)), ("a-worker", Some(1))], "of api nothing is live yet");
    pipeline.built("b", of("b", &[])).await;
    pipeline.roll_out().await;

    // The settings of what is kept do not change either, whatever the new commit says.
    let JobResult::Built { artifacts, mut release_plan } = of("c", &["worker"]) else { panic!() };
    release_plan.apps.get_mut("worker").unwrap().replicas = Some(9);
    pipeline.built("c", JobResult::Built { artifacts, release_plan }).await;
    let third = pipeline.roll_out().await;
    assert_eq!(held(&third.release.apps), [("c-web", Some(3)), ("b-worker", Some(2)), ("c-api", Some(3))]);
    assert_eq!(third.release.apps[1].run.replicas, 1);
    assert_eq!(pipeline.build(3).await.reason, None);

    pipeline.promote("production").await.unwrap();
    let promoted = pipeline.roll_out().await;
    assert_eq!(held(&promoted.release.apps), held(&third.release.apps));
    let replicas: Vec<u32> = promoted.release.apps.iter().map(|app| app.run.replicas).collect();
    assert_eq!(replicas, [3, 1, 1], "each app runs as the commit that made it says");
    pipeline.roll_back("dev", None).await.unwrap();
    assert_eq!(
        held(&pipeline.roll_out().await.release.apps),
        [("b-web", Some(2)), ("b-worker", Some(2)), ("b-api", Some(2))]
    );
}

async fn what_a_failed_rollout_held_comes_with_the_next_release(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.built("a", of("a", &[])).await;
    pipeline.roll_out().await;
    let JobResult::Built { artifacts, mut release_plan } = of("b", &["worker", "api"]) else { panic!() };
    release_plan.apps.get_mut("web").unwrap().replicas = Some(4);
    pipeline.built("b", JobResult::Built { artifacts, release_plan }).await;
    pipeline.fail_rollout("the machine was full").await;
    pipeline.built("c", of("c", &["web", "worker"])).await;
    let (_, work) = pipeline.claim_rollout().await;
    assert_eq!(held(&work.release.apps), [("b-web", Some(2)), ("a-worker", Some(1)), ("c-api", Some(3))]);
    assert_eq!(work.release.apps[0].run.replicas, 4, "as the commit that made it says");
}

async fn a_build_that_left_out_every_app_releases_what_did_not_get_there(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.built("a", of("a", &[])).await;
    pipeline.roll_out().await;
    pipeline.built("b", of("b", &["worker", "api"])).await;
    pipeline.fail_rollout("the machine was full").await;
    let build = pipeline.built("c", of("c", &["api", "web", "worker"])).await;
    assert_eq!(build.reason, None);
    let work = pipeline.roll_out().await;
    assert_eq!(held(&work.release.apps), [("b-web", Some(2)), ("a-worker", Some(1)), ("a-api", Some(1))]);
}

async fn a_rollback_is_not_undone_by_what_a_build_left_out(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for commit in ["a", "b"] {
        pipeline.built(commit, of(commit, &[])).await;
        pipeline.roll_out().await;
    }
    pipeline.roll_back("dev", None).await.unwrap();
    pipeline.roll_out().await;
    pipeline.built("c", of("c", &["web", "worker"])).await;
    let work = pipeline.roll_out().await;
    assert_eq!(held(&work.release.apps), [("a-web", Some(1)), ("a-worker", Some(1)), ("c-api", Some(3))]);
    pipeline.built("d", of("d", &["web", "api"])).await;
    let work = pipeline.roll_out().await;
    assert_eq!(held(&work.release.apps), [("a-web", Some(1)), ("d-worker", Some(4)), ("c-api", Some(3))]);
}

async fn an_environment_that_takes_another_branch_holds_that_branch_s_images(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let on_topic = async |commit: &str, left_out: &[&str]| {
        pipeline.queue(&pipeline.push("topic", commit)).await;
        let lease = pipeline.claim().await;
        pipeline.run_step(&lease.key, 0, StepResult::succeeded()).await;
        pipeline.coordinator.finish_job(&lease.key, of(commit, left_out)).await.unwrap();
    };
    pipeline.built("a", of("a", &[])).await;
    pipeline.roll_out().await;
    on_topic("b", &["worker"]).await;
    let JobResult::Built { artifacts, mut release_plan } = of("c", &[]) else { panic!() };
    release_plan.environments[0].from = Source::Branch { branch: "topic".to_owned() };
    pipeline.built("c", JobResult::Built { artifacts, release_plan }).await;
    assert!(pipeline.try_claim().await.is_none());
    on_topic("d", &["web", "worker"]).await;
    let work = pipeline.roll_out().await;
    assert_eq!(
        held(&work.release.apps),
        [("b-web", Some(2)), ("a-worker", Some(1)), ("d-api", Some(4))],
        "of worker the branch never had an image"
    );
}

async fn an_app_of_a_commit_that_does_not_know_the_target_runs_as_the_promoted_commit_says(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let JobResult::Built { artifacts, mut release_plan } = of("a", &[]) else { panic!() };
    release_plan.environments.truncate(1);
    pipeline.built("a", JobResult::Built { artifacts, release_plan }).await;
    pipeline.roll_out().await;
    pipeline.built("b", of("b", &["web", "worker"])).await;
    pipeline.roll_out().await;
    pipeline.promote("production").await.unwrap();
    let promoted = pipeline.roll_out().await;
    assert_eq!(held(&promoted.release.apps), [("a-web", Some(1)), ("a-worker", Some(1)), ("b-api", Some(2))]);
    assert_eq!(promoted.release.apps[0].run.replicas, 3, "production's own number of web");
}

async fn a_release_that_waits_is_not_forgotten_by_the_next_one(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.built("a", of("a", &[])).await;
    pipeline.roll_out().await;
    let build = pipeline.queue(&pipeline.push("main", "b")).await;
    let first = pipeline.claim().await;
    pipeline.run_step(&first.key, 0, StepResult::succeeded()).await;
    pipeline.queue(&NewBuild { supersede: false, ..pipeline.push("main", "c") }).await;
    let second = pipeline.claim().await;
    pipeline.run_step(&second.key, 0, StepResult::succeeded()).await;
    pipeline.coordinator.finish_job(&first.key, of("b", &[])).await.unwrap();
    pipeline.coordinator.finish_job(&second.key, of("c", &["web", "api"])).await.unwrap();
    assert_eq!(build.number, 2);
    assert_eq!(pipeline.release("dev", 2).await.state, ReleaseState::Superseded);
    let work = pipeline.roll_out().await;
    assert_eq!(held(&work.release.apps), [("b-web", Some(2)), ("c-worker", Some(3)), ("b-api", Some(2))]);
}

async fn a_build_that_left_out_every_app_releases_nothing_and_says_why(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.built("a", of("a", &[])).await;
    pipeline.roll_out().await;
    let build = pipeline.built("b", of("b", &["api", "web", "worker"])).await;
    assert!(pipeline.try_claim().await.is_none());
    let why = "when.paths matches no changed file";
    assert_eq!(
        build.reason.unwrap(),
        format!(
            "nothing is released to dev: this build left out every app that is released: \
             api ({why}), web ({why}), worker ({why})"
        )
    );
    assert_eq!(pipeline.event_kinds("build.not").await, ["build.not_released"]);
    assert_eq!(pipeline.live("dev").await.unwrap().number, 1);
}

async fn an_app_without_an_image_keeps_the_build_from_being_released(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let JobResult::Built { artifacts, release_plan } = of("a", &["worker"]) else { panic!() };
    let pushed = artifacts.into_iter().filter(|artifact| artifact.app == "web").collect();
    let build = pipeline.built("a", JobResult::Built { artifacts: pushed, release_plan }).await;
    assert!(pipeline.try_claim().await.is_none());
    assert_eq!(
        build.reason.as_deref(),
        Some("nothing is released to dev: this build pushed no image of api, see `push` and `tags` in captain.yml")
    );
    assert_eq!(pipeline.environment("dev").await.name, "dev", "the environments are defined all the same");
}
