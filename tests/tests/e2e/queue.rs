//! The queue on both databases: leases, fences, lost runners, wake-ups, and the whole way of a build.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use slipway_runner::coordinator::{
    ClaimReply, ClaimRequest, Coordinator, CoordinatorError, Heartbeat, JobResult, LeaseKey, StepDeclaration,
    StepOutcome, StepResult, Verdict, Work,
};
use slipway_server::{
    builds::{self, BuildState, Cancellation, NewBuild},
    ids::JobId,
    queue::{JobState, StepState, Timing, limit_build_time, rescue, run_rescuer},
    releases::ReleaseState,
    store::{Db, jobs, runners, steps},
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{Pipeline, built, step, usual_plan},
    wait,
};
use tokio_util::sync::CancellationToken;

on_both_databases!(
    from_a_push_to_a_live_release,
    only_the_newest_lease_may_report,
    reports_may_be_repeated,
    reports_that_contradict_are_refused,
    two_claimers_never_get_the_same_job,
    one_rollout_per_environment,
    a_waiting_claim_is_woken_by_a_new_job,
    a_waiting_claim_is_woken_by_a_cancellation,
    a_restarted_runner_s_jobs_go_back_at_once,
    a_restarted_runner_goes_on_with_what_it_names,
    a_silent_runner_s_jobs_are_rescued,
    the_rescuer_waits_a_lease_s_length_first,
    a_clock_set_forward_takes_no_job_from_a_runner,
    a_clock_set_back_leaves_no_job_with_a_dead_runner,
    a_clock_set_back_keeps_no_job_waiting,
    a_job_that_cannot_be_given_back_keeps_no_other_from_it,
    a_job_that_loses_its_runner_too_often_is_given_up,
    a_job_stopped_unasked_goes_back,
    a_cancelled_build_whose_runner_vanishes_is_not_run_again,
    a_failed_build_says_why,
    who_waits_is_told_for_what,
);

const LEASE_MS: i64 = 60_000;

async fn from_a_push_to_a_live_release(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await;
    let Work::Build(work) = &lease.work else { panic!("{lease:?}") };
    assert_eq!((work.number, work.clone_url.as_str()), (1, "https://forge.example/acme/shop.git"));
    assert_eq!((lease.attempt, lease.lease_ms), (1, 60_000));
    assert_eq!(pipeline.build(1).await.state, BuildState::Running);

    pipeline.clock.advance(5_000);
    pipeline.succeed(&lease.key, "sha256:a").await;
    let build = pipeline.build(1).await;
    assert_eq!(build.state, BuildState::Succeeded);
    assert_eq!(build.finished_at, build.started_at.map(|started| started + 5_000));
    let mut reader = pipeline.store.read().await.unwrap();
    let detail =
        builds::detail(&mut reader.conn(), "acme/shop", 1, pipeline.store.clock().now()).await.unwrap().unwrap();
    assert_eq!(detail.artifacts[0].digest, "sha256:a");
    assert_eq!(detail.steps[0].state, StepState::Succeeded);
    assert_eq!(detail.releases[0].state, ReleaseState::Queued);
    drop(reader);

    let work = pipeline.roll_out().await;
    assert_eq!((work.environment_name.as_str(), work.release.number, work.previous), ("dev", 1, None));
    assert_eq!(work.release.apps[0].digest, "sha256:a");
    assert_eq!(work.release.apps[0].run.port, Some(8080));
    assert_eq!(pipeline.live("dev").await.unwrap().number, 1);
    assert!(pipeline.live("production").await.is_none(), "it takes promotions only");
    assert_eq!(pipeline.event_kinds("release.").await, ["release.queued", "release.rolling", "release.live"]);
    assert!(pipeline.try_claim().await.is_none(), "nothing is left in the queue");
}

async fn only_the_newest_lease_may_report(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let stale = pipeline.claim().await.key;
    pipeline.coordinator.declare_steps(&stale, vec![step(0)]).await.unwrap();
    pipeline.clock.advance(LEASE_MS + 1);
    assert_eq!(rescue(&pipeline.store).await.unwrap(), 1);
    let lost = CoordinatorError::LeaseLost { job: stale.job.clone() };
    assert_eq!(pipeline.coordinator.start_step(&stale, 0).await, Err(lost.clone()), "nobody holds it");

    let fresh = pipeline.claim().await;
    assert_eq!(fresh.attempt, 2);
    assert!(fresh.key.epoch > stale.epoch);
    let failed = JobResult::Failed { reason: "too late".to_owned() };
    assert_eq!(pipeline.coordinator.declare_steps(&stale, vec![step(1)]).await, Err(lost.clone()));
    assert_eq!(pipeline.coordinator.start_step(&stale, 0).await, Err(lost.clone()));
    assert_eq!(pipeline.coordinator.finish_step(&stale, 0, StepResult::succeeded()).await, Err(lost.clone()));
    assert_eq!(pipeline.coordinator.finish_job(&stale, failed).await, Err(lost));
    let beat = Heartbeat {
        runner: "one".into(),
        incarnation: "first life".into(),
        holding: vec![stale.clone(), fresh.key.clone()],
        waiting: vec![],
    };
    let verdicts = pipeline.coordinator.heartbeat(beat).await.unwrap();
    assert!(verdicts.contains(&(stale, Verdict::Lost)) && verdicts.contains(&(fresh.key.clone(), Verdict::GoOn)));

    pipeline.succeed(&fresh.key, "sha256:a").await;
    assert_eq!(pipeline.build(1).await.state, BuildState::Succeeded);
    let nonsense = LeaseKey { job: "no id".to_owned(), epoch: 1 };
    assert!(matches!(pipeline.coordinator.start_step(&nonsense, 0).await, Err(CoordinatorError::LeaseLost { .. })));
}

async fn reports_may_be_repeated(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await.key;
    for _ in 0..2 {
        pipeline.coordinator.declare_steps(&lease, vec![step(0)]).await.unwrap();
        pipeline.coordinator.start_step(&lease, 0).await.unwrap();
    }
    for _ in 0..2 {
        let result = StepResult::succeeded().with("digest", "sha256:a");
        pipeline.coordinator.finish_step(&lease, 0, result).await.unwrap();
    }
    for _ in 0..2 {
        pipeline.coordinator.finish_job(&lease, built("sha256:a", usual_plan())).await.unwrap();
    }
    assert_eq!(pipeline.event_kinds("release.").await, ["release.queued"]);
    assert_eq!(pipeline.event_kinds("step.").await, ["step.declared", "step.started", "step.succeeded"]);
}

async fn reports_that_contradict_are_refused(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await.key;
    let coordinator = &pipeline.coordinator;
    let refusal = |result: Result<(), CoordinatorError>| match result {
        Err(CoordinatorError::Refused { reason }) => reason,
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(refusal(coordinator.start_step(&lease, 7).await), "step 7 was never declared");
    let skipped = StepDeclaration { skipped: Some("only on tags".to_owned()), ..step(1) };
    coordinator.declare_steps(&lease, vec![step(0), skipped]).await.unwrap();
    assert_eq!(refusal(coordinator.start_step(&lease, 1).await), "step 1 is skipped: it cannot be started");
    assert_eq!(
        refusal(coordinator.finish_step(&lease, 0, StepResult::succeeded()).await),
        "step 0 is pending: it cannot succeed"
    );
    assert_eq!(
        refusal(coordinator.finish_job(&lease, built("sha256:a", usual_plan())).await),
        "the job cannot have succeeded: its step 0 (step 0) is pending"
    );
    assert!(refusal(coordinator.finish_job(&lease, JobResult::Live).await).contains("not live"));
    let late = StepDeclaration { needs: vec![5], ..step(3) };
    assert_eq!(
        refusal(coordinator.declare_steps(&lease, vec![late]).await),
        "step 3 needs a step that is not before it"
    );

    coordinator.start_step(&lease, 0).await.unwrap();
    coordinator.finish_step(&lease, 0, StepResult::failed("exit code 1")).await.unwrap();
    assert_eq!(
        refusal(coordinator.finish_step(&lease, 0, StepResult::succeeded()).await),
        "step 0 is failed: it cannot succeed"
    );
    assert_eq!(
        refusal(coordinator.finish_job(&lease, built("sha256:a", usual_plan())).await),
        "the job cannot have succeeded: its step 0 (step 0) is failed"
    );
    assert_eq!(pipeline.build(1).await.state, BuildState::Running, "nothing of all that was taken");
}

async fn two_claimers_never_get_the_same_job(database: TestDatabase) {
    let pipeline = Arc::new(Pipeline::new(database).await);
    for number in 0..40 {
        pipeline.queue(&pipeline.push(&format!("topic-{number}"), "a")).await;
    }
    let claimers: Vec<_> = (0..8)
        .map(|_| {
            let pipeline = Arc::clone(&pipeline);
            tokio::spawn(async move {
                let mut got = Vec::new();
                while let Some(lease) = pipeline.try_claim().await {
                    got.push(lease.key.job);
                }
                got
            })
        })
        .collect();
    let mut all = Vec::new();
    for claimer in claimers {
        all.extend(claimer.await.unwrap());
    }
    assert_eq!(all.len(), 40);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 40);
}

async fn one_rollout_per_environment(database: TestDatabase) {
    let pipeline = Arc::new(Pipeline::new(database).await);
    pipeline.live_in_dev("a").await;
    let built = async |commit: &str| {
        pipeline.queue(&pipeline.push("main", commit)).await;
        let lease = pipeline.claim().await;
        pipeline.succeed(&lease.key, &format!("sha256:{commit}")).await;
    };
    built("b").await;
    let (rolling, work) = pipeline.claim_rollout().await;
    assert_eq!(work.previous.unwrap().number, 1);
    built("c").await;
    built("d").await;
    let claims = futures_util::future::join_all((0..6).map(|_| pipeline.try_claim())).await;
    assert!(claims.iter().all(Option::is_none), "the environment is taken");
    assert_eq!(pipeline.release("dev", 3).await.state, ReleaseState::Superseded, "the newest waiting release wins");
    assert_eq!(pipeline.release("dev", 3).await.reason.as_deref(), Some("release 4 took its place"));

    pipeline.coordinator.finish_job(&rolling, JobResult::Live).await.unwrap();
    let claims = futures_util::future::join_all((0..6).map(|_| pipeline.try_claim())).await;
    let got: Vec<_> = claims.into_iter().flatten().collect();
    assert_eq!(got.len(), 1);
    let Work::Rollout(work) = &got[0].work else { panic!("{got:?}") };
    assert_eq!((work.release.number, work.previous.as_ref().unwrap().number), (4, 2));
    assert_eq!(pipeline.release("dev", 1).await.state, ReleaseState::Retired);
}

async fn a_waiting_claim_is_woken_by_a_new_job(database: TestDatabase) {
    let pipeline = Arc::new(Pipeline::new(database).await);
    let waiting = {
        let pipeline = Arc::clone(&pipeline);
        tokio::spawn(async move { pipeline.coordinator.claim(pipeline.request(30_000)).await.unwrap() })
    };
    // Whether the claim waits already or not yet: the job wakes it or is found by it.
    tokio::task::yield_now().await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let reply =
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("the bell did not wake it").unwrap();
    assert!(matches!(reply, ClaimReply::Work { .. }), "{reply:?}");
    assert_eq!(pipeline.coordinator.claim(pipeline.request(0)).await.unwrap(), ClaimReply::Idle);
}

async fn a_waiting_claim_is_woken_by_a_cancellation(database: TestDatabase) {
    let pipeline = Arc::new(Pipeline::new(database).await);
    let build = pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await.key;
    let request = ClaimRequest { free: 0, holding: vec![lease.clone()], ..pipeline.request(30_000) };
    let waiting = {
        let (pipeline, request) = (Arc::clone(&pipeline), request.clone());
        tokio::spawn(async move { pipeline.coordinator.claim(request).await.unwrap() })
    };
    tokio::task::yield_now().await;
    let mut tx = pipeline.store.write().await.unwrap();
    assert_eq!(builds::cancel(&mut tx, &build.id, "ada cancelled it").await.unwrap(), Cancellation::Requested);
    tx.commit().await.unwrap();
    let reply =
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("the bell did not wake it").unwrap();
    assert_eq!(reply, ClaimReply::Cancel { leases: vec![lease.clone()] });
    let again = pipeline.coordinator.claim(ClaimRequest { wait_ms: 0, ..request }).await.unwrap();
    assert_eq!(again, ClaimReply::Idle, "an order is given once");
    let beat = Heartbeat {
        runner: "one".into(),
        incarnation: "first life".into(),
        holding: vec![lease.clone()],
        waiting: vec![],
    };
    assert_eq!(
        pipeline.coordinator.heartbeat(beat).await.unwrap(),
        [(lease.clone(), Verdict::Cancel)],
        "and repeated here"
    );

    pipeline.coordinator.declare_steps(&lease, vec![step(0)]).await.unwrap();
    pipeline.coordinator.finish_job(&lease, JobResult::Cancelled).await.unwrap();
    let build = pipeline.build(1).await;
    assert_eq!((build.state, build.reason.as_deref()), (BuildState::Cancelled, Some("ada cancelled it")));
    assert_eq!(last_steps(&pipeline, &lease).await, [StepState::Cancelled]);
}

async fn last_steps(pipeline: &Pipeline, lease: &LeaseKey) -> Vec<StepState> {
    let mut reader = pipeline.store.read().await.unwrap();
    let id: JobId = lease.job.parse().unwrap();
    steps::of_job(&mut reader.conn(), &id).await.unwrap().into_iter().map(|step| step.state).collect()
}

async fn a_restarted_runner_s_jobs_go_back_at_once(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await.key;
    pipeline.coordinator.declare_steps(&lease, vec![step(0), step(1), step(2)]).await.unwrap();
    pipeline.coordinator.start_step(&lease, 0).await.unwrap();
    pipeline.coordinator.finish_step(&lease, 0, StepResult::succeeded()).await.unwrap();
    pipeline.coordinator.start_step(&lease, 1).await.unwrap();

    pipeline.announce("one", "second life", &[]).await;
    let build = pipeline.build(1).await;
    assert_eq!((build.state, build.reason.as_deref()), (BuildState::Queued, Some("the runner was restarted")));
    assert_eq!(last_steps(&pipeline, &lease).await, [StepState::Succeeded, StepState::Lost, StepState::Lost]);
    assert_eq!(pipeline.event_kinds("build.").await, ["build.queued", "build.started", "build.requeued"]);
    let old_life = pipeline.coordinator.claim(pipeline.request(0)).await;
    assert!(matches!(old_life, Err(CoordinatorError::Refused { .. })), "{old_life:?}");

    let request = ClaimRequest { incarnation: "second life".to_owned(), ..pipeline.request(0) };
    let ClaimReply::Work { lease: fresh } = pipeline.coordinator.claim(request).await.unwrap() else { panic!() };
    assert_eq!((fresh.key.job.as_str(), fresh.attempt), (lease.job.as_str(), 2));
    pipeline.succeed(&fresh.key, "sha256:a").await;
    let mut reader = pipeline.store.read().await.unwrap();
    let detail =
        builds::detail(&mut reader.conn(), "acme/shop", 1, pipeline.store.clock().now()).await.unwrap().unwrap();
    assert_eq!(detail.job.attempt_reason.as_deref(), Some("the runner was restarted"));
    assert_eq!(detail.steps.len(), 4, "both attempts are shown");
}

async fn a_restarted_runner_goes_on_with_what_it_names(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    pipeline.queue(&pipeline.push("topic", "b")).await;
    let kept = pipeline.claim().await.key;
    let dropped = pipeline.claim().await.key;
    pipeline.announce("one", "second life", std::slice::from_ref(&kept)).await;
    assert_eq!(pipeline.build(1).await.state, BuildState::Running);
    assert_eq!(pipeline.build(2).await.state, BuildState::Queued);
    pipeline.succeed(&kept, "sha256:a").await;
    assert!(matches!(
        pipeline.coordinator.finish_job(&dropped, JobResult::Cancelled).await,
        Err(CoordinatorError::LeaseLost { .. })
    ));
}

async fn a_silent_runner_s_jobs_are_rescued(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    pipeline.queue(&pipeline.push("main", "b")).await;
    let build = pipeline.claim().await;
    pipeline.succeed(&build.key, "sha256:b").await;
    let (rollout, _) = pipeline.claim_rollout().await;
    pipeline.queue(&pipeline.push("main", "c")).await;
    let build = pipeline.claim().await.key;

    pipeline.clock.advance(LEASE_MS - 10_000);
    assert_eq!(rescue(&pipeline.store).await.unwrap(), 0);
    let beat = Heartbeat {
        runner: "one".into(),
        incarnation: "first life".into(),
        holding: vec![build.clone()],
        waiting: vec![],
    };
    pipeline.coordinator.heartbeat(beat).await.unwrap();
    pipeline.clock.advance(20_000);
    assert_eq!(rescue(&pipeline.store).await.unwrap(), 1, "the build's lease was extended, the rollout's was not");
    assert_eq!(pipeline.build(3).await.state, BuildState::Running);
    let release = pipeline.release("dev", 2).await;
    assert_eq!(
        (release.state, release.reason.as_deref()),
        (ReleaseState::Queued, Some("the runner was not heard of any more"))
    );
    assert_eq!(pipeline.live("dev").await.unwrap().number, 1, "what was live stays so");

    let (again, work) = pipeline.claim_rollout().await;
    assert_eq!((again.job.as_str(), work.release.number), (rollout.job.as_str(), 2));
}

async fn the_rescuer_waits_a_lease_s_length_first(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    pipeline.claim().await;
    pipeline.clock.advance(LEASE_MS + 1);
    let timing = Timing { lease: Duration::from_millis(300), sweep: Duration::from_millis(10) };
    let stop = CancellationToken::new();
    let mut bell = pipeline.store.bells().queue();
    bell.borrow_and_update();
    let started = std::time::Instant::now();
    let rescuer = tokio::spawn(run_rescuer(pipeline.store.clone(), timing, stop.clone()));
    tokio::time::timeout(Duration::from_secs(10), bell.changed()).await.expect("nothing was rescued").unwrap();
    assert!(started.elapsed() >= timing.lease, "it judged too early");
    assert_eq!(pipeline.build(1).await.state, BuildState::Queued);
    stop.cancel();
    rescuer.await.unwrap();
}

async fn a_clock_set_forward_takes_no_job_from_a_runner(database: TestDatabase) {
    the_clock_is_set_by(3 * 3_600_000, database).await;
}

async fn a_clock_set_back_leaves_no_job_with_a_dead_runner(database: TestDatabase) {
    the_clock_is_set_by(-3_600_000, database).await;
}

/// One runner is dead, the other works on a build: the dead one's is rescued, the other's is not ended.
async fn the_clock_is_set_by(milliseconds: i64, database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    limit_build_time(&pipeline.store, 120).await.unwrap();
    pipeline.announce("two", "first life", &[]).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    pipeline.queue(&pipeline.push("topic", "b")).await;
    let works = pipeline.claim().await.key;
    pipeline.coordinator.declare_steps(&works, vec![step(0)]).await.unwrap();
    pipeline.coordinator.start_step(&works, 0).await.unwrap();
    let claimed =
        pipeline.coordinator.claim(ClaimRequest { runner: "two".to_owned(), ..pipeline.request(0) }).await.unwrap();
    assert!(matches!(claimed, ClaimReply::Work { .. }), "{claimed:?}");
    let timing = Timing { lease: Duration::from_millis(300), sweep: Duration::from_millis(10) };
    let stop = CancellationToken::new();
    let (started, reads) = (std::time::Instant::now(), pipeline.clock.reads());
    let rescuer = tokio::spawn(run_rescuer(pipeline.store.clone(), timing, stop.clone()));
    // While it waits for the first time.
    let has_begun = async || (pipeline.clock.reads() > reads).then_some(());
    wait::until("the rescuer reads the clock", Duration::from_secs(5), has_begun).await;
    pipeline.clock.set_by(milliseconds);
    let beat = Heartbeat {
        runner: "one".into(),
        incarnation: "first life".into(),
        holding: vec![works.clone()],
        waiting: vec![],
    };
    pipeline.coordinator.heartbeat(beat).await.unwrap();
    let is_rescued = async || (pipeline.build(2).await.state == BuildState::Queued).then_some(());
    wait::until("the dead runner's job to wait again", Duration::from_secs(60), is_rescued).await;
    assert!(started.elapsed() >= 2 * timing.lease, "it judged before a runner could be heard of");
    // A few rounds more.
    let reads = pipeline.clock.reads();
    let has_gone_on = async || (pipeline.clock.reads() > reads + 6).then_some(());
    wait::until("the rescuer looks again", Duration::from_secs(60), has_gone_on).await;
    stop.cancel();
    rescuer.await.unwrap();
    assert_eq!(pipeline.build(1).await.state, BuildState::Running);
    pipeline.coordinator.finish_step(&works, 0, StepResult::succeeded()).await.unwrap();
}

async fn a_clock_set_back_keeps_no_job_waiting(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    pipeline.clock.set_by(-3_600_000);
    assert!(pipeline.try_claim().await.is_some(), "the job waits for the hour to pass again");
}

async fn a_job_that_cannot_be_given_back_keeps_no_other_from_it(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let build = pipeline.claim().await;
    pipeline.succeed(&build.key, "sha256:a").await;
    pipeline.claim_rollout().await;
    pipeline.queue(&pipeline.push("main", "b")).await;
    pipeline.claim().await;
    let broken = "UPDATE release SET content = '{'";
    match pipeline.store.db() {
        Db::Sqlite { write, .. } => drop(sqlx::query(broken).execute(write).await.unwrap()),
        Db::Postgres(pool) => drop(sqlx::query(broken).execute(pool).await.unwrap()),
    }
    pipeline.clock.advance(LEASE_MS + 1);
    assert_eq!(rescue(&pipeline.store).await.unwrap(), 1);
    assert_eq!(pipeline.build(2).await.state, BuildState::Queued);
}

async fn a_job_that_loses_its_runner_too_often_is_given_up(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    for attempt in 1..=5 {
        assert_eq!(pipeline.claim().await.attempt, attempt);
        pipeline.clock.advance(LEASE_MS + 1);
        rescue(&pipeline.store).await.unwrap();
    }
    let build = pipeline.build(1).await;
    assert_eq!(build.state, BuildState::Failed);
    assert_eq!(
        build.reason.as_deref(),
        Some("given up after 5 attempts; the last one ended because the runner was not heard of any more")
    );
    assert!(pipeline.try_claim().await.is_none());
}

async fn a_job_stopped_unasked_goes_back(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await.key;
    pipeline.coordinator.finish_job(&lease, JobResult::Cancelled).await.unwrap();
    let build = pipeline.build(1).await;
    assert_eq!((build.state, build.reason.as_deref()), (BuildState::Queued, Some("its runner stopped it")));
}

async fn a_failed_build_says_why(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await.key;
    pipeline.coordinator.declare_steps(&lease, vec![step(0), step(1), step(2)]).await.unwrap();
    pipeline.coordinator.start_step(&lease, 0).await.unwrap();
    let result = StepResult { exit_code: Some(2), ..StepResult::failed("make: no rule") };
    pipeline.coordinator.finish_step(&lease, 0, result).await.unwrap();
    pipeline.coordinator.start_step(&lease, 1).await.unwrap();
    let skipped = StepResult { reason: Some("step 0 failed".to_owned()), ..StepResult::of(StepOutcome::Skipped) };
    pipeline.coordinator.finish_step(&lease, 2, skipped).await.unwrap();
    pipeline.coordinator.finish_job(&lease, JobResult::Failed { reason: "step 0 failed".to_owned() }).await.unwrap();
    let build = pipeline.build(1).await;
    assert_eq!((build.state, build.reason.as_deref()), (BuildState::Failed, Some("step 0 failed")));
    assert_eq!(last_steps(&pipeline, &lease).await, [StepState::Failed, StepState::Failed, StepState::Skipped]);
    let again = pipeline.deliver(slipway_server::intake::Verdict::Build(pipeline.push("main", "a"))).await;
    assert!(matches!(again, slipway_server::intake::Received::Stored { ignored: Some(_), .. }), "{again:?}");
    assert!(pipeline.event_kinds("release.").await.is_empty());
}

async fn who_waits_is_told_for_what(database: TestDatabase) {
    let pipeline = Pipeline::without_runner(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let other = NewBuild { supersede: false, ..pipeline.push("main", "b") };
    pipeline.queue(&other).await;
    let waits = async |number: i64| {
        let mut reader = pipeline.store.read().await.unwrap();
        builds::detail(&mut reader.conn(), "acme/shop", number, pipeline.store.clock().now())
            .await
            .unwrap()
            .unwrap()
            .waits_for
    };
    assert_eq!(waits(1).await.as_deref(), Some("waiting for a runner: none has announced itself yet"));
    pipeline.announce("one", "first life", &[]).await;
    assert_eq!(waits(1).await.as_deref(), Some("waiting for a free runner"));
    assert_eq!(waits(2).await.as_deref(), Some("waiting for a free runner; 1 build of this repository is ahead"));

    let first = pipeline.claim().await;
    assert_eq!(waits(1).await, None);
    pipeline.succeed(&first.key, "sha256:a").await;
    pipeline.claim_rollout().await;
    let second = pipeline.claim().await;
    pipeline.succeed(&second.key, "sha256:b").await;
    let mut reader = pipeline.store.read().await.unwrap();
    let waiting =
        slipway_server::releases::detail(&mut reader.conn(), "acme/shop", "dev", 2, pipeline.store.clock().now())
            .await
            .unwrap()
            .unwrap();
    assert_eq!(waiting.waits_for.as_deref(), Some("waiting for release 1 of dev"));
    let held = jobs::leased(&mut reader.conn()).await.unwrap();
    assert_eq!((held.len(), held[0].state), (1, JobState::Leased));
    let queued = jobs::queued(&mut reader.conn(), 10).await.unwrap();
    assert_eq!((queued.len(), jobs::queued_count(&mut reader.conn()).await.unwrap()), (1, 1));
    let runner = runners::find(&mut reader.conn(), "one").await.unwrap().unwrap();
    assert_eq!(runner.incarnation, "first life");
}

async fn a_cancelled_build_whose_runner_vanishes_is_not_run_again(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let build = pipeline.queue(&pipeline.push("main", "a")).await;
    pipeline.claim().await;
    let mut tx = pipeline.store.write().await.unwrap();
    builds::cancel(&mut tx, &build.id, "ada cancelled it").await.unwrap();
    tx.commit().await.unwrap();
    pipeline.clock.advance(LEASE_MS + 1);
    rescue(&pipeline.store).await.unwrap();
    let build = pipeline.build(1).await;
    assert_eq!((build.state, build.reason.as_deref()), (BuildState::Cancelled, Some("ada cancelled it")));
    assert!(pipeline.try_claim().await.is_none());
}
