//! Trying again, and giving up: attempts of one build, builds that take too long, rollouts that nobody can end.

use std::time::Duration;

use slipway_runner::coordinator::{
    Coordinator, Heartbeat, JobResult, LeaseKey, LogChunk, LogLine, LogStream, StepResult, Verdict, Work,
};
use slipway_server::{
    builds::{self, Again, BuildState, Cancellation, Retried},
    queue::{Overtime, StepState, limit_build_time, rescue},
    releases::{ReleaseKind, ReleaseState},
    store::{builds::Build, logs},
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{Pipeline, step},
};

on_both_databases!(
    a_failed_build_is_tried_again_with_its_logs_kept,
    only_what_failed_and_is_the_newest_is_tried_again,
    a_person_s_attempt_may_lose_its_runner_as_often_as_a_new_build,
    a_retried_build_is_cancelled_at_once_while_it_waits,
    a_build_that_its_runner_does_not_end_in_time_is_ended,
    a_clock_set_while_its_runner_was_away_ends_no_build,
    a_rollout_that_is_given_up_returns_to_what_was_live,
    a_rollout_that_is_given_up_with_nothing_live_says_what_to_do,
);

const LEASE_MS: i64 = 60_000;

async fn retry(pipeline: &Pipeline, build: &Build) -> Again {
    let mut tx = pipeline.store.write().await.unwrap();
    let tried = builds::retry(&mut tx, build, Retried::Everything, "ada").await.unwrap();
    tx.commit().await.unwrap();
    tried
}

async fn refusal(pipeline: &Pipeline, number: i64) -> String {
    match retry(pipeline, &pipeline.build(number).await).await {
        Again::Refused(why) => why,
        Again::Queued(build) => panic!("build {} was queued", build.number),
    }
}

/// Runs one step that says something and fails, and the build with it.
async fn fail_in_a_step(pipeline: &Pipeline, lease: &LeaseKey, says: &str) {
    let coordinator = &pipeline.coordinator;
    coordinator.declare_steps(lease, vec![step(0), step(1)]).await.unwrap();
    coordinator.start_step(lease, 0).await.unwrap();
    let line = LogLine { at: 0, stream: LogStream::Out, text: says.to_owned() };
    coordinator.append_log(lease, 0, LogChunk { seq: 0, first_line: 1, lines: vec![line] }).await.unwrap();
    coordinator.finish_step(lease, 0, StepResult::failed("exit code 1")).await.unwrap();
    coordinator.finish_job(lease, JobResult::Failed { reason: "step 0 failed".to_owned() }).await.unwrap();
}

async fn a_failed_build_is_tried_again_with_its_logs_kept(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let first = pipeline.claim().await.key;
    fail_in_a_step(&pipeline, &first, "the registry is down").await;
    pipeline.clock.advance(3_600_000);

    assert!(matches!(retry(&pipeline, &pipeline.build(1).await).await, Again::Queued(_)));
    let waiting = pipeline.build(1).await;
    assert_eq!((waiting.state, waiting.reason.as_deref()), (BuildState::Queued, Some("ada tried it again")));
    assert_eq!((waiting.started_at, waiting.finished_at), (None, None), "its time counts anew");
    let stale = pipeline.coordinator.start_step(&first, 1).await;
    assert!(stale.is_err(), "the earlier attempt's lease is over");

    let second = pipeline.claim().await;
    assert_eq!((second.key.job.as_str(), second.attempt), (first.job.as_str(), 2));
    pipeline.succeed(&second.key, "sha256:a").await;
    assert_eq!(pipeline.build(1).await.state, BuildState::Succeeded);
    assert_eq!(
        pipeline.event_kinds("build.").await,
        ["build.queued", "build.started", "build.failed", "build.retried", "build.started", "build.succeeded"]
    );
    let mut reader = pipeline.store.read().await.unwrap();
    let now = pipeline.store.clock().now();
    let detail = builds::detail(&mut reader.conn(), "acme/shop", 1, now).await.unwrap().unwrap();
    let steps: Vec<_> = detail.steps.iter().map(|step| (step.attempt, step.position, step.state)).collect();
    let expected = [(1, 0, StepState::Failed), (1, 1, StepState::Skipped), (2, 0, StepState::Succeeded)];
    assert_eq!(steps, expected);
    let kept = logs::lines(&pipeline.store, &detail.steps[0].id, 1, 10).await.unwrap();
    assert_eq!(kept[0].line.text, "the registry is down");
}

async fn only_what_failed_and_is_the_newest_is_tried_again(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    assert_eq!(refusal(&pipeline, 1).await, "it is under way");
    let lease = pipeline.claim().await.key;
    fail_in_a_step(&pipeline, &lease, "no").await;
    let mut tx = pipeline.store.write().await.unwrap();
    let failed = pipeline.build(1).await;
    assert!(matches!(builds::again(&mut tx, &failed).await.unwrap(), Again::Queued(_)));
    tx.commit().await.unwrap();
    assert_eq!(refusal(&pipeline, 1).await, "build 2 of main is under way");
    let lease = pipeline.claim().await.key;
    fail_in_a_step(&pipeline, &lease, "no").await;
    assert_eq!(refusal(&pipeline, 1).await, "its commit was built again; try that build again instead");

    let newer = pipeline.queue(&pipeline.push("main", "b")).await;
    let mut tx = pipeline.store.write().await.unwrap();
    assert_eq!(builds::cancel(&mut tx, &newer.id, "ada cancelled it").await.unwrap(), Cancellation::Done);
    tx.commit().await.unwrap();
    assert_eq!(refusal(&pipeline, 2).await, "main has moved on to another commit");
    assert_eq!(refusal(&pipeline, 3).await, "it was cancelled; build its commit again instead");
}

/// Lets the runner of the next job vanish.
async fn lose(pipeline: &Pipeline) {
    pipeline.claim().await;
    pipeline.clock.advance(LEASE_MS + 1);
    assert_eq!(rescue(&pipeline.store).await.unwrap(), 1);
}

async fn a_person_s_attempt_may_lose_its_runner_as_often_as_a_new_build(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    for _ in 0..2 {
        for _ in 0..5 {
            lose(&pipeline).await;
        }
        let build = pipeline.build(1).await;
        assert_eq!(build.state, BuildState::Failed);
        assert!(build.reason.as_deref().unwrap().starts_with("given up after 5 attempts"), "{:?}", build.reason);
        assert!(matches!(retry(&pipeline, &build).await, Again::Queued(_)));
    }
    assert_eq!(pipeline.claim().await.attempt, 11);
}

async fn a_retried_build_is_cancelled_at_once_while_it_waits(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await.key;
    fail_in_a_step(&pipeline, &lease, "no").await;
    let build = pipeline.build(1).await;
    retry(&pipeline, &build).await;
    let mut tx = pipeline.store.write().await.unwrap();
    assert_eq!(builds::cancel(&mut tx, &build.id, "ada cancelled it").await.unwrap(), Cancellation::Done);
    tx.commit().await.unwrap();
    assert_eq!(pipeline.build(1).await.state, BuildState::Cancelled);
    pipeline.queue(&pipeline.push("topic", "b")).await;
    let Work::Build(next) = pipeline.claim().await.work else { panic!("no rollout waits") };
    assert_eq!(next.number, 2, "the queue waits for no dead entry");
}

async fn a_clock_set_while_its_runner_was_away_ends_no_build(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    limit_build_time(&pipeline.store, 30).await.unwrap();
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await.key;
    pipeline.coordinator.declare_steps(&lease, vec![step(0)]).await.unwrap();
    pipeline.coordinator.start_step(&lease, 0).await.unwrap();
    let resumed = async || {
        let resumed = pipeline.coordinator.resume(&lease).await.unwrap();
        let Work::Build(work) = &resumed.lease.work else { panic!("no rollout waits") };
        (work.time_limit.unwrap().left_ms / 60_000, resumed.steps[0].run_ms / 60_000)
    };
    pipeline.clock.advance(10 * 60_000);
    assert_eq!(resumed().await, (20, 10), "what it has used is counted");
    pipeline.clock.set_by(24 * 3_600_000);
    assert_eq!(resumed().await, (30, 0), "nothing can have run for a day");
    pipeline.clock.set_by(-48 * 3_600_000);
    assert_eq!(resumed().await, (30, 0), "nor before it began");
}

async fn a_build_that_its_runner_does_not_end_in_time_is_ended(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    limit_build_time(&pipeline.store, 30).await.unwrap();
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await;
    let Work::Build(work) = &lease.work else { panic!("no rollout waits") };
    let limit = work.time_limit.unwrap();
    assert_eq!(Duration::from_millis(limit.left_ms), Duration::from_secs(30 * 60));
    pipeline.coordinator.declare_steps(&lease.key, vec![step(0), step(1)]).await.unwrap();
    pipeline.coordinator.start_step(&lease.key, 0).await.unwrap();
    let mut overtime = Overtime::default();
    assert_eq!(overtime.end_overdue(&pipeline.store).await.unwrap(), 0);
    pipeline.clock.set_by(24 * 3_600_000);
    assert_eq!(overtime.end_overdue(&pipeline.store).await.unwrap(), 0, "no time has passed");
    pipeline.clock.advance(31 * 60_000);
    assert_eq!(overtime.end_overdue(&pipeline.store).await.unwrap(), 0, "its runner is given some time to end it");
    pipeline.clock.advance(5 * 60_000);
    let restarted = Overtime::default().end_overdue(&pipeline.store).await.unwrap();
    assert_eq!(restarted, 0, "a server that was not there cannot tell");
    assert_eq!(overtime.end_overdue(&pipeline.store).await.unwrap(), 1);
    let build = pipeline.build(1).await;
    let reason = "the build took longer than 30 minutes, and its runner did not end it";
    assert_eq!((build.state, build.reason.as_deref()), (BuildState::Failed, Some(reason)));
    let beat = Heartbeat {
        runner: "one".into(),
        incarnation: "first life".into(),
        holding: vec![lease.key.clone()],
        waiting: vec![],
    };
    assert_eq!(pipeline.coordinator.heartbeat(beat).await.unwrap(), [(lease.key, Verdict::Lost)]);
}

async fn a_rollout_that_is_given_up_returns_to_what_was_live(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    pipeline.queue(&pipeline.push("main", "b")).await;
    let lease = pipeline.claim().await;
    pipeline.succeed(&lease.key, "sha256:b").await;
    for _ in 0..5 {
        lose(&pipeline).await;
    }
    let given_up = pipeline.release("dev", 2).await;
    assert_eq!(given_up.state, ReleaseState::Failed);
    let reason = given_up.reason.unwrap();
    assert!(reason.ends_with("the environment returns to release 1, which was live"), "{reason}");
    let back = pipeline.release("dev", 3).await;
    assert_eq!((back.kind, back.state, back.actor.as_str()), (ReleaseKind::Rollback, ReleaseState::Queued, "slipway"));
    assert_eq!(back.content.0[0].digest, "sha256:a");

    for _ in 0..5 {
        lose(&pipeline).await;
    }
    let back = pipeline.release("dev", 3).await;
    let reason = back.reason.unwrap();
    assert!(reason.ends_with("release again, or roll back, to set the environment right"), "{reason}");
    assert!(pipeline.try_claim().await.is_none(), "a return is not tried for ever");
}

async fn a_rollout_that_is_given_up_with_nothing_live_says_what_to_do(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await;
    pipeline.succeed(&lease.key, "sha256:a").await;
    for _ in 0..5 {
        lose(&pipeline).await;
    }
    let reason = pipeline.release("dev", 1).await.reason.unwrap();
    assert!(reason.contains("parts of it may still run: release again"), "{reason}");
}
