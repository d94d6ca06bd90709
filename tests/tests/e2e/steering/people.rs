//! What people say of a rollout, on both databases.

use slipway_runner::{
    coordinator::{
        ClaimReply, ClaimRequest, Coordinator, JobResult, LeaseKey, Steering, SteeringRequest, StepDeclaration,
        StepKind,
    },
    rollouts,
};
use slipway_server::{
    queue::Overtime,
    releases::{self, By, DecisionKind, ReleaseError, ReleaseState},
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{Pipeline, step},
};

use crate::gates::scene::decided;

on_both_databases!(
    a_rollout_is_paused_and_goes_on_by_somebodys_word,
    what_was_said_holds_in_the_next_life_of_a_runner,
    a_newer_release_ends_the_paused_one,
    a_rollout_that_is_ended_says_by_whom,
    a_rollout_that_waits_for_a_runner_is_taken_back,
    a_rollout_whose_runner_is_away_for_good_is_ended,
    the_environment_of_an_ended_rollout_whose_runner_is_lost_is_set_right,
    a_rollout_that_its_runner_does_not_end_is_ended,
);

async fn pause(pipeline: &Pipeline, number: i64, who: &str) -> Result<(), ReleaseError> {
    let mut tx = pipeline.store.write().await.unwrap();
    releases::pause_rollout(
        &mut tx,
        &pipeline.repository,
        "production",
        number,
        By { actor: who, reason: Some("looking") },
    )
    .await?;
    tx.commit().await.unwrap();
    Ok(())
}

async fn resume(pipeline: &Pipeline, number: i64, now: bool) -> Result<(), ReleaseError> {
    let mut tx = pipeline.store.write().await.unwrap();
    releases::resume_rollout(&mut tx, &pipeline.repository, "production", number, By::name("bo"), now).await?;
    tx.commit().await.unwrap();
    Ok(())
}

async fn cancel(pipeline: &Pipeline, number: i64) -> Result<(), ReleaseError> {
    let mut tx = pipeline.store.write().await.unwrap();
    releases::cancel_rollout(
        &mut tx,
        &pipeline.repository,
        "production",
        number,
        By { actor: "bo", reason: Some("no good") },
    )
    .await?;
    tx.commit().await.unwrap();
    Ok(())
}

async fn steering(pipeline: &Pipeline, lease: &LeaseKey, known: Option<Steering>) -> Steering {
    pipeline.coordinator.steering(lease, SteeringRequest { known, wait_ms: 60_000 }).await.unwrap()
}

fn paused() -> Steering {
    Steering { paused: Some("paused by ada: looking".to_owned()), passed: None }
}

/// A rollout of release 1 of production that has begun.
async fn begun(pipeline: &Pipeline) -> LeaseKey {
    pipeline.live_in_dev("a").await;
    pipeline.promote("production").await.unwrap();
    pipeline.claim_rollout().await.0
}

/// What the runner is ordered to stop.
async fn orders(pipeline: &Pipeline, lease: &LeaseKey) -> Vec<LeaseKey> {
    let request = ClaimRequest { free: 0, holding: vec![lease.clone()], ..pipeline.request(60_000) };
    match pipeline.coordinator.claim(request).await.unwrap() {
        ClaimReply::Cancel { leases } => leases,
        other => panic!("no order: {other:?}"),
    }
}

async fn a_rollout_is_paused_and_goes_on_by_somebodys_word(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let lease = begun(&pipeline).await;
    assert_eq!(steering(&pipeline, &lease, None).await, Steering::default());
    let never = resume(&pipeline, 1, false).await.unwrap_err().to_string();
    assert_eq!(never, "the rollout of release 1 of production is not paused: it goes on by itself");
    let (heard, said) =
        tokio::join!(steering(&pipeline, &lease, Some(Steering::default())), pause(&pipeline, 1, "ada"));
    said.unwrap();
    assert_eq!(heard, paused(), "whoever waits hears of it");
    pause(&pipeline, 1, "cy").await.unwrap();
    assert_eq!(steering(&pipeline, &lease, None).await, paused(), "it is paused already");

    // It is in a bake, the rest of which nobody waits for.
    let bake = StepDeclaration { kind: StepKind::Canary, ..step(1) };
    pipeline.coordinator.declare_steps(&lease, vec![step(0), bake]).await.unwrap();
    pipeline.coordinator.start_step(&lease, 1).await.unwrap();
    resume(&pipeline, 1, true).await.unwrap();
    resume(&pipeline, 1, true).await.unwrap();
    assert_eq!(steering(&pipeline, &lease, Some(paused())).await, Steering { paused: None, passed: Some(1) });
    let by = |kind, who: &str| (kind, who.to_owned());
    assert_eq!(
        decided(&pipeline, 1).await,
        [by(DecisionKind::Promoted, "ada"), by(DecisionKind::Paused, "ada"), by(DecisionKind::Resumed, "bo")]
    );
    assert_eq!(pipeline.event_kinds("release.paused").await.len(), 1);

    let nobodys = LeaseKey { epoch: lease.epoch + 1, ..lease };
    let refused = pipeline.coordinator.steering(&nobodys, SteeringRequest::default()).await;
    assert!(refused.unwrap_err().to_string().contains("was lost"));
    let other = pause(&pipeline, 7, "ada").await.unwrap_err().to_string();
    assert_eq!(other, "“production” has no release 7");
}

async fn what_was_said_holds_in_the_next_life_of_a_runner(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    pipeline.promote("production").await.unwrap();
    pause(&pipeline, 1, "ada").await.unwrap();
    let (lease, _) = pipeline.claim_rollout().await;
    assert_eq!(steering(&pipeline, &lease, None).await, paused(), "also when it was said before it began");
    pipeline.announce("one", "second life", std::slice::from_ref(&lease)).await;
    pipeline.coordinator.resume(&lease).await.unwrap();
    assert_eq!(steering(&pipeline, &lease, None).await, paused());
    resume(&pipeline, 1, false).await.unwrap();
    assert_eq!(steering(&pipeline, &lease, None).await, Steering::default());
    resume(&pipeline, 1, false).await.expect("whose answer was lost asks again");
    pipeline.coordinator.finish_job(&lease, JobResult::Live).await.unwrap();
    let late = pause(&pipeline, 1, "ada").await.unwrap_err().to_string();
    assert_eq!(late, "release 1 of production is not being rolled out (live)");
}

async fn a_newer_release_ends_the_paused_one(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let lease = begun(&pipeline).await;
    pause(&pipeline, 1, "ada").await.unwrap();
    pipeline.live_in_dev("b").await;
    pipeline.promote("production").await.unwrap();
    assert_eq!(orders(&pipeline, &lease).await, std::slice::from_ref(&lease));
    let ended = JobResult::Failed { reason: rollouts::CANCELLED.to_owned() };
    pipeline.coordinator.finish_job(&lease, ended).await.unwrap();
    let first = pipeline.release("production", 1).await;
    assert_eq!(first.state, ReleaseState::Failed);
    assert_eq!(first.reason.as_deref(), Some("cancelled by ada: release 2 takes its place"));
    pipeline.roll_out().await;
    assert_eq!(pipeline.live("production").await.unwrap().number, 2);
}

async fn a_rollout_that_is_ended_says_by_whom(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let lease = begun(&pipeline).await;
    pause(&pipeline, 1, "ada").await.unwrap();
    cancel(&pipeline, 1).await.unwrap();
    cancel(&pipeline, 1).await.unwrap();
    assert_eq!(orders(&pipeline, &lease).await, std::slice::from_ref(&lease));
    let ended = JobResult::Failed { reason: rollouts::CANCELLED.to_owned() };
    pipeline.coordinator.finish_job(&lease, ended).await.unwrap();
    let release = pipeline.release("production", 1).await;
    assert_eq!(release.reason.as_deref(), Some("cancelled by bo: no good"));
    let kinds: Vec<_> = decided(&pipeline, 1).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [DecisionKind::Promoted, DecisionKind::Paused, DecisionKind::Cancelled]);
}

async fn the_environment_of_an_ended_rollout_whose_runner_is_lost_is_set_right(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let lease = begun(&pipeline).await;
    pipeline.coordinator.finish_job(&lease, JobResult::Live).await.unwrap();
    pipeline.live_in_dev("b").await;
    pipeline.promote("production").await.unwrap();
    pipeline.claim_rollout().await;
    cancel(&pipeline, 2).await.unwrap();
    pipeline.announce("one", "second life", &[]).await;
    let ended = pipeline.release("production", 2).await;
    assert_eq!(ended.state, ReleaseState::Failed);
    let reason = ended.reason.unwrap_or_default();
    assert!(reason.starts_with("cancelled by bo: no good; ") && reason.contains("returns to release 1"), "{reason}");
    let request = ClaimRequest { incarnation: "second life".to_owned(), ..pipeline.request(0) };
    let ClaimReply::Work { lease } = pipeline.coordinator.claim(request).await.unwrap() else { panic!("no return") };
    assert!(matches!(lease.work, slipway_runner::coordinator::Work::Rollout(work) if work.release.number == 3));
}

async fn a_rollout_that_waits_for_a_runner_is_taken_back(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    pipeline.promote("production").await.unwrap();
    cancel(&pipeline, 1).await.unwrap();
    let release = pipeline.release("production", 1).await;
    assert_eq!(release.state, ReleaseState::Rejected);
    assert_eq!(release.reason.as_deref(), Some("cancelled by bo: no good"));
    let late = cancel(&pipeline, 1).await.unwrap_err().to_string();
    assert_eq!(late, "release 1 of production is not being rolled out (rejected)");
    assert!(pipeline.try_claim().await.is_none(), "nobody rolls it out");
    assert_eq!(pipeline.promote("production").await.unwrap().number, 2, "it can be asked for again");
    pipeline.roll_out().await;
    assert_eq!(pipeline.live("production").await.unwrap().number, 2);
}

async fn a_rollout_whose_runner_is_away_for_good_is_ended(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let lease = begun(&pipeline).await;
    pipeline.coordinator.finish_job(&lease, JobResult::Live).await.unwrap();
    pipeline.live_in_dev("b").await;
    pipeline.promote("production").await.unwrap();
    let (lease, _) = pipeline.claim_rollout().await;
    // It ends in order, and the release waits for another.
    pipeline.coordinator.finish_job(&lease, JobResult::Cancelled).await.unwrap();
    assert_eq!(pipeline.release("production", 2).await.state, ReleaseState::Queued);
    cancel(&pipeline, 2).await.unwrap();
    let ended = pipeline.release("production", 2).await;
    assert_eq!(ended.state, ReleaseState::Failed, "it has begun");
    let reason = ended.reason.unwrap_or_default();
    assert!(reason.starts_with("cancelled by bo: no good; ") && reason.contains("returns to release 1"), "{reason}");
    assert_eq!(pipeline.claim_rollout().await.1.release.number, 3);
}

/// Longer than any rollout of one small app may take.
const LONG_MS: i64 = 10 * 3_600_000;

async fn a_rollout_that_its_runner_does_not_end_is_ended(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let lease = begun(&pipeline).await;
    pipeline.coordinator.declare_steps(&lease, vec![step(0)]).await.unwrap();
    pipeline.coordinator.start_step(&lease, 0).await.unwrap();
    let mut overtime = Overtime::default();
    assert_eq!(overtime.end_overdue(&pipeline.store).await.unwrap(), 0);
    pause(&pipeline, 1, "ada").await.unwrap();
    assert_eq!(overtime.end_overdue(&pipeline.store).await.unwrap(), 0);
    pipeline.clock.advance(LONG_MS);
    assert_eq!(overtime.end_overdue(&pipeline.store).await.unwrap(), 0, "it waits for somebody's word");
    resume(&pipeline, 1, false).await.unwrap();
    assert_eq!(overtime.end_overdue(&pipeline.store).await.unwrap(), 0, "it goes on from now");
    pipeline.clock.advance(LONG_MS);
    assert_eq!(overtime.end_overdue(&pipeline.store).await.unwrap(), 1);
    let release = pipeline.release("production", 1).await;
    let reason = release.reason.unwrap();
    assert_eq!(release.state, ReleaseState::Failed);
    assert!(reason.contains("minutes, and its runner did not end it; parts of it may still run"), "{reason}");
}
