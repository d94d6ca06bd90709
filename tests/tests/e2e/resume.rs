//! What a runner's new life is told of the jobs that it goes on with, and another attempt of those before it, on both databases.

use slipway_runner::coordinator::{
    Coordinator, CoordinatorError, JobResult, KnownStep, LeaseKey, LogChunk, LogLine, LogPosition, LogStream,
    StepDeclaration, StepKind, StepOutcome, StepResult,
};
use slipway_server::{
    builds::{self, BuildState},
    queue::rescue,
    store::jobs,
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{Pipeline, digest, step},
};

on_both_databases!(
    a_new_life_is_told_how_far_each_step_came,
    resuming_extends_the_lease_and_costs_no_attempt,
    a_lease_that_was_lost_is_not_resumed,
    a_job_that_was_cancelled_meanwhile_says_so,
    a_rollout_is_resumed_with_what_is_live,
    another_attempt_is_told_why_the_one_before_was_to_return,
);

const LEASE_MS: i64 = 60_000;

fn line(stream: LogStream, text: &str) -> LogLine {
    LogLine { at: 7, stream, text: text.to_owned() }
}

async fn log(pipeline: &Pipeline, lease: &LeaseKey, index: u32, seq: i64, first_line: i64, lines: &[LogLine]) {
    let chunk = LogChunk { seq, first_line, lines: lines.to_vec() };
    pipeline.coordinator.append_log(lease, index, chunk).await.unwrap();
}

async fn a_new_life_is_told_how_far_each_step_came(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.set_secret(None, "TOKEN", "hunter2hunter2").await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let claimed = pipeline.claim().await;
    let lease = &claimed.key;
    let left_out = StepDeclaration { skipped: Some("only on tags".to_owned()), ..step(2) };
    pipeline.coordinator.declare_steps(lease, vec![step(0), step(1), left_out, step(3)]).await.unwrap();
    for index in [0, 1] {
        pipeline.coordinator.start_step(lease, index).await.unwrap();
    }
    let ended = StepResult { exit_code: Some(0), ..StepResult::succeeded().with("image_id", "sha256:a") };
    log(&pipeline, lease, 0, 0, 1, &[line(LogStream::Out, "built")]).await;
    pipeline.coordinator.finish_step(lease, 0, ended.clone()).await.unwrap();
    log(&pipeline, lease, 1, 0, 1, &[line(LogStream::Slipway, "in busybox"), line(LogStream::Out, "one")]).await;
    log(&pipeline, lease, 1, 1, 3, &[line(LogStream::Err, ""), line(LogStream::Out, "two")]).await;
    // More chunks than are read at once.
    for seq in 2..40 {
        log(&pipeline, lease, 1, seq, seq + 3, &[line(LogStream::Out, "more")]).await;
    }

    pipeline.clock.advance(5_000);
    pipeline.announce("one", "second life", std::slice::from_ref(lease)).await;
    let resumed = pipeline.coordinator.resume(lease).await.unwrap();
    assert_eq!(resumed.lease, claimed, "the same attempt, epoch, work and secrets");
    assert!(!resumed.cancelled);
    let skipped = StepResult { reason: Some("only on tags".to_owned()), ..StepResult::of(StepOutcome::Skipped) };
    let position = LogPosition {
        next_seq: 40,
        next_line: 43,
        out: 40,
        err: 1,
        bytes: 41 * 16 + 6 + 38 * 4,
        own: vec!["in busybox".to_owned()],
        again: 0,
        again_at: None,
    };
    let known = |index, started, result, log| KnownStep {
        index,
        started,
        run_ms: if index == 1 { 5_000 } else { 0 },
        result,
        log,
    };
    assert_eq!(
        resumed.steps,
        [
            known(0, true, Some(ended), LogPosition::default()),
            known(1, true, None, position),
            known(2, false, Some(skipped), LogPosition::default()),
            known(3, false, None, LogPosition::default()),
        ]
    );

    log(&pipeline, lease, 1, 40, 43, &[line(LogStream::Slipway, &LogPosition::again("its container is gone"))]).await;
    log(&pipeline, lease, 1, 41, 44, &[line(LogStream::Out, "one")]).await;
    let again = &pipeline.coordinator.resume(lease).await.unwrap().steps[1].log;
    assert_eq!((again.out, again.err, again.again, again.own.len()), (1, 0, 1, 0));
    assert_eq!((again.next_seq, again.next_line, again.bytes), (42, 45, 42 * 16 + 9 + 38 * 4));
}

async fn resuming_extends_the_lease_and_costs_no_attempt(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await.key;
    pipeline.announce("one", "second life", std::slice::from_ref(&lease)).await;
    pipeline.clock.advance(50_000);
    pipeline.coordinator.resume(&lease).await.unwrap();
    pipeline.clock.advance(50_000);
    assert_eq!(rescue(&pipeline.store).await.unwrap(), 0, "it was extended when it was resumed");
    pipeline.succeed(&lease, "sha256:a").await;
    let mut reader = pipeline.store.read().await.unwrap();
    let now = pipeline.store.clock().now();
    let job = builds::detail(&mut reader.conn(), "acme/shop", 1, now).await.unwrap().unwrap().job;
    assert_eq!((job.attempt, job.attempt_reason), (1, None));
    let lost = CoordinatorError::LeaseLost { job: lease.job.clone() };
    assert_eq!(pipeline.coordinator.resume(&lease).await, Err(lost), "it has ended");
}

async fn a_lease_that_was_lost_is_not_resumed(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await.key;
    pipeline.clock.advance(60_001);
    assert_eq!(rescue(&pipeline.store).await.unwrap(), 1);
    pipeline.announce("one", "second life", std::slice::from_ref(&lease)).await;
    let lost = CoordinatorError::LeaseLost { job: lease.job.clone() };
    assert_eq!(pipeline.coordinator.resume(&lease).await, Err(lost.clone()), "it waits for anyone");
    let request =
        slipway_runner::coordinator::ClaimRequest { incarnation: "second life".to_owned(), ..pipeline.request(0) };
    pipeline.coordinator.claim(request).await.unwrap();
    assert_eq!(pipeline.coordinator.resume(&lease).await, Err(lost), "another attempt runs");
    let nonsense = LeaseKey { job: "no id".to_owned(), epoch: 1 };
    assert!(matches!(pipeline.coordinator.resume(&nonsense).await, Err(CoordinatorError::LeaseLost { .. })));
}

async fn a_job_that_was_cancelled_meanwhile_says_so(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let build = pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await.key;
    let mut tx = pipeline.store.write().await.unwrap();
    builds::cancel(&mut tx, &build.id, "ada cancelled it").await.unwrap();
    tx.commit().await.unwrap();
    pipeline.announce("one", "second life", std::slice::from_ref(&lease)).await;
    assert!(pipeline.coordinator.resume(&lease).await.unwrap().cancelled);
    pipeline.coordinator.finish_job(&lease, JobResult::Cancelled).await.unwrap();
    let build = pipeline.build(1).await;
    assert_eq!((build.state, build.reason.as_deref()), (BuildState::Cancelled, Some("ada cancelled it")));
}

async fn a_rollout_is_resumed_with_what_is_live(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    pipeline.queue(&pipeline.push("main", "b")).await;
    let build = pipeline.claim().await;
    pipeline.succeed(&build.key, "sha256:b").await;
    let claimed = pipeline.claim().await;
    pipeline.coordinator.declare_steps(&claimed.key, vec![step(0)]).await.unwrap();
    pipeline.announce("one", "second life", std::slice::from_ref(&claimed.key)).await;
    let resumed = pipeline.coordinator.resume(&claimed.key).await.unwrap();
    assert_eq!(resumed.lease, claimed, "the release, and what is live to return to");
    pipeline.run_step(&claimed.key, 0, StepResult::succeeded()).await;
    pipeline.coordinator.finish_job(&claimed.key, JobResult::Live).await.unwrap();
    assert_eq!(pipeline.live("dev").await.unwrap().number, 2);
    let mut reader = pipeline.store.read().await.unwrap();
    assert_eq!(jobs::leased(&mut reader.conn()).await.unwrap(), []);
}

async fn another_attempt_is_told_why_the_one_before_was_to_return(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    pipeline.queue(&pipeline.push("main", "b")).await;
    let build = pipeline.claim().await;
    pipeline.succeed(&build.key, &digest("b")).await;
    let lose = async || {
        pipeline.clock.advance(LEASE_MS + 1);
        assert_eq!(rescue(&pipeline.store).await.unwrap(), 1);
        pipeline.claim_rollout().await
    };
    let (first, work) = pipeline.claim_rollout().await;
    assert_eq!(work.failed, None);
    pipeline.run_step(&first, 0, StepResult::succeeded()).await;
    let (second, work) = lose().await;
    assert_eq!(work.failed, None, "nothing spoke against it");
    pipeline.run_step(&second, 0, StepResult::succeeded()).await;
    pipeline.run_step(&second, 1, StepResult::failed("replica 1 is sick")).await;
    let back = StepDeclaration { kind: StepKind::Return, ..step(2) };
    pipeline.coordinator.declare_steps(&second, vec![back]).await.unwrap();
    pipeline.coordinator.start_step(&second, 2).await.unwrap();
    pipeline.coordinator.finish_step(&second, 2, StepResult::failed("the engine is away")).await.unwrap();
    for _ in 0..2 {
        let (_, work) = lose().await;
        assert_eq!(work.failed.as_deref(), Some("replica 1 is sick"));
    }
}
