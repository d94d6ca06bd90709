//! What the server says of an attempt that takes over, and what it believes.

use slipway_runner::coordinator::{
    BuildWork, ClaimReply, Coordinator, CoordinatorError, JobResult, Lease, StepResult, TAKEN_OVER, Work,
};
use slipway_server::{
    builds::{self, Again, BuildState, Retried},
    queue::StepState,
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{Pipeline, built, step, usual_plan},
};

on_both_databases!(
    what_succeeded_is_told_and_kept_with_the_attempt_that_ran_it,
    nothing_is_taken_over_that_did_not_succeed,
    the_runner_that_has_it_comes_first_and_is_not_waited_for_for_ever,
    nor_when_the_clock_is_set_back,
    an_attempt_that_begins_anew_takes_nothing_over,
);

const MINUTE: i64 = 60_000;

async fn retry(pipeline: &Pipeline, retried: Retried) {
    let mut tx = pipeline.store.write().await.unwrap();
    let build = pipeline.build(1).await;
    let tried = builds::retry(&mut tx, &build, retried, "ada").await.unwrap();
    assert!(matches!(tried, Again::Queued(_)), "{tried:?}");
    tx.commit().await.unwrap();
}

/// A build whose first step left a fact, and whose second one failed.
async fn failed(pipeline: &Pipeline) {
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await.key;
    pipeline.run_step(&lease, 0, StepResult::succeeded().with("image_id", "sha256:one")).await;
    fail(pipeline, &lease, 1).await;
}

async fn fail(pipeline: &Pipeline, lease: &slipway_runner::coordinator::LeaseKey, index: u32) {
    pipeline.run_step(lease, index, StepResult::failed("exit code 1")).await;
    let reason = format!("step {index} failed");
    pipeline.coordinator.finish_job(lease, JobResult::Failed { reason }).await.unwrap();
}

fn work(lease: &Lease) -> &BuildWork {
    match &lease.work {
        Work::Build(work) => work,
        Work::Rollout(_) => panic!("a build was expected"),
    }
}

/// Declares that steps were taken over.
async fn take(pipeline: &Pipeline, lease: &Lease, steps: &[u32]) -> Result<(), CoordinatorError> {
    let taken = |&index: &u32| slipway_runner::coordinator::StepDeclaration { taken_over: true, ..step(index) };
    pipeline.coordinator.declare_steps(&lease.key, steps.iter().map(taken).collect()).await
}

async fn what_succeeded_is_told_and_kept_with_the_attempt_that_ran_it(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    failed(&pipeline).await;
    retry(&pipeline, Retried::WhatFailed).await;
    let reason = pipeline.build(1).await.reason;
    assert_eq!(reason.as_deref(), Some("ada tried the failed steps again"));

    let second = pipeline.claim().await;
    let earlier = work(&second).earlier.as_ref().unwrap();
    assert_eq!((earlier.attempt, earlier.steps.len(), earlier.steps[0].index), (1, 1, 0));
    assert_eq!(earlier.steps[0].result.output["image_id"], "sha256:one");
    take(&pipeline, &second, &[0]).await.unwrap();
    take(&pipeline, &second, &[0]).await.unwrap();
    let resumed = pipeline.coordinator.resume(&second.key).await.unwrap();
    let known = resumed.steps[0].result.as_ref().unwrap();
    assert_eq!((known.output["image_id"].as_str(), known.output[TAKEN_OVER].as_str()), ("sha256:one", "1"));
    pipeline.run_step(&second.key, 1, StepResult::succeeded()).await;
    fail(&pipeline, &second.key, 2).await;

    // What an attempt took over itself is further back.
    retry(&pipeline, Retried::WhatFailed).await;
    let third = pipeline.claim().await;
    assert_eq!(work(&third).earlier.as_ref().unwrap().attempt, 2);
    take(&pipeline, &third, &[0, 1]).await.unwrap();
    pipeline.run_step(&third.key, 2, StepResult::succeeded()).await;
    pipeline.coordinator.finish_job(&third.key, built("sha256:a", usual_plan())).await.unwrap();
    assert_eq!(pipeline.build(1).await.state, BuildState::Succeeded);
    let mut reader = pipeline.store.read().await.unwrap();
    let now = pipeline.store.clock().now();
    let detail = builds::detail(&mut reader.conn(), "acme/shop", 1, now).await.unwrap().unwrap();
    let last: Vec<_> = detail.steps.iter().filter(|step| step.attempt == 3).collect();
    assert!(last.iter().all(|step| step.state == StepState::Succeeded), "{last:#?}");
    let from: Vec<_> = last.iter().map(|step| step.output.0.get(TAKEN_OVER).map(String::as_str)).collect();
    assert_eq!(from, [Some("1"), Some("2"), None]);
    assert_eq!(last[0].reason.as_deref(), Some("not run again: it succeeded in attempt 1"));
    assert_eq!((last[0].started_at, last[0].finished_at.is_some()), (None, true), "it took no time");
}

async fn nothing_is_taken_over_that_did_not_succeed(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    failed(&pipeline).await;
    retry(&pipeline, Retried::WhatFailed).await;
    let lease = pipeline.claim().await;
    for (index, why) in [(1, "it failed"), (2, "it never was")] {
        let refused = take(&pipeline, &lease, &[index]).await;
        assert!(matches!(refused, Err(CoordinatorError::Refused { .. })), "{why}: {refused:?}");
    }
    let other = slipway_runner::coordinator::StepDeclaration {
        name: "another command".to_owned(),
        taken_over: true,
        ..step(0)
    };
    let refused = pipeline.coordinator.declare_steps(&lease.key, vec![other]).await;
    assert!(matches!(refused, Err(CoordinatorError::Refused { .. })), "{refused:?}");
    take(&pipeline, &lease, &[0]).await.unwrap();
}

async fn the_runner_that_has_it_comes_first_and_is_not_waited_for_for_ever(database: TestDatabase) {
    another_takes_it_when(|pipeline| pipeline.clock.advance(MINUTE + 1), database).await;
}

async fn nor_when_the_clock_is_set_back(database: TestDatabase) {
    another_takes_it_when(|pipeline| pipeline.clock.set_by(-60 * MINUTE), database).await;
}

async fn another_takes_it_when(passes: impl Fn(&Pipeline), database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    failed(&pipeline).await;
    pipeline.announce("two", "its life", &[]).await;
    retry(&pipeline, Retried::WhatFailed).await;
    let asks = slipway_runner::coordinator::ClaimRequest {
        runner: "two".to_owned(),
        incarnation: "its life".to_owned(),
        ..pipeline.request(0)
    };
    assert_eq!(pipeline.coordinator.claim(asks.clone()).await.unwrap(), ClaimReply::Idle);
    let mut reader = pipeline.store.read().await.unwrap();
    let now = pipeline.store.clock().now();
    let detail = builds::detail(&mut reader.conn(), "acme/shop", 1, now).await.unwrap().unwrap();
    drop(reader);
    let waits = detail.waits_for.unwrap();
    assert!(waits.starts_with("waiting for the runner one, which may still have what attempt 1 left"), "{waits}");

    passes(&pipeline);
    let ClaimReply::Work { lease } = pipeline.coordinator.claim(asks).await.unwrap() else { panic!("no work") };
    assert_eq!(work(&lease).earlier.as_ref().unwrap().attempt, 1, "what it makes of that is its business");
}

async fn an_attempt_that_begins_anew_takes_nothing_over(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    failed(&pipeline).await;
    retry(&pipeline, Retried::WhatFailed).await;
    let lease = pipeline.claim().await;
    fail(&pipeline, &lease.key, 0).await;
    retry(&pipeline, Retried::Everything).await;
    let lease = pipeline.claim().await;
    assert_eq!(work(&lease).earlier, None);
    let refused = take(&pipeline, &lease, &[0]).await;
    assert!(matches!(refused, Err(CoordinatorError::Refused { .. })), "{refused:?}");
}
