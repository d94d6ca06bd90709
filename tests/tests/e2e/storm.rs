//! Everything at once: pushes, cancellations, promotions, rollbacks, runners that work, fail, vanish and come back.
//! Afterwards nothing is stuck, nothing was done twice, and every change of state was one that the tables allow.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use slipway_runner::coordinator::{
    ClaimReply, ClaimRequest, Coordinator, CoordinatorError, JobResult, Lease, LeaseKey, StepResult, Work,
};
use slipway_server::{
    builds::{self, BuildEvent, BuildState, NewBuild},
    intake::Verdict,
    queue::{JobEvent, JobState, StepEvent, StepState, next_job, next_step, rescue},
    releases::{self, ReleaseEvent, ReleaseState},
    store::{self, events::Event},
};
use slipway_tests::{
    databases::TestDatabase,
    dice::{Dice, seed},
    on_both_databases,
    pipeline::{Pipeline, built, step, usual_plan},
};

on_both_databases!(a_storm_ends_in_order);

const RUNNERS: u64 = 4;
const PUSHES: u64 = 60;

async fn a_storm_ends_in_order(database: TestDatabase) {
    let seed = seed();
    let pipeline = Arc::new(Pipeline::new(database).await);
    pipeline.live_in_dev("first").await;
    let over = Arc::new(AtomicBool::new(false));
    let runners: Vec<_> = (0..RUNNERS)
        .map(|number| {
            let dice = Dice::new(seed.wrapping_add(number));
            tokio::spawn(run(Arc::clone(&pipeline), number, dice, Arc::clone(&over)))
        })
        .collect();
    let dice = Dice::new(seed.wrapping_add(RUNNERS));
    let people = tokio::spawn(interfere(Arc::clone(&pipeline), dice, Arc::clone(&over)));

    let mut dice = Dice::new(seed.wrapping_add(RUNNERS + 1));
    for number in 0..PUSHES {
        let branch = ["main", "main", "topic", "other"][usize::try_from(dice.roll(4)).unwrap()];
        let push = NewBuild { commit_sha: format!("{number:040}"), ..pipeline.push(branch, "0") };
        pipeline.deliver(Verdict::Build(push)).await;
    }
    // Whatever is left is worked off by runners that no longer fail; time passes, so that what vanished is rescued.
    over.store(true, Ordering::SeqCst);
    people.await.unwrap();
    for runner in runners {
        runner.await.unwrap();
    }
    // An environment's rollouts are for the runner that hosts it, so each of them comes back.
    let names: Vec<String> = (0..RUNNERS).map(name).collect();
    for _ in 0..1_000 {
        pipeline.clock.advance(60_001);
        rescue(&pipeline.store).await.unwrap();
        let mut is_idle = true;
        for name in &names {
            let request =
                ClaimRequest { runner: name.clone(), incarnation: "the last".to_owned(), ..pipeline.request(0) };
            pipeline.announce(name, "the last", &[]).await;
            match pipeline.coordinator.claim(request).await.unwrap() {
                ClaimReply::Work { lease } => {
                    is_idle = false;
                    work(&pipeline, &lease).await.unwrap();
                }
                ClaimReply::Idle => {}
                other => panic!("it holds nothing, and was told {other:?}"),
            }
        }
        if is_idle {
            break;
        }
    }
    everything_is_in_order(&pipeline).await;
}

/// The first is the one that made the first rollout, and so hosts the environment.
fn name(number: u64) -> String {
    if number == 0 { "one".to_owned() } else { format!("runner {number}") }
}

/// A runner: works, fails, vanishes without a word, or comes back as another life of itself.
async fn run(pipeline: Arc<Pipeline>, number: u64, mut dice: Dice, over: Arc<AtomicBool>) {
    let runner = name(number);
    let mut life = 0;
    let mut vanished: Vec<LeaseKey> = vec![];
    pipeline.announce(&runner, "life 0", &[]).await;
    while !over.load(Ordering::SeqCst) {
        let request =
            ClaimRequest { runner: runner.clone(), incarnation: format!("life {life}"), ..pipeline.request(20) };
        let lease = match pipeline.coordinator.claim(request).await {
            Ok(ClaimReply::Work { lease }) => lease,
            Ok(_) => continue,
            Err(error) => panic!("{error}"),
        };
        match dice.roll(6) {
            0 => vanished.push(lease.key.clone()),
            1 => {
                life += 1;
                pipeline.announce(&runner, &format!("life {life}"), &[]).await;
            }
            2 => {
                let failed = JobResult::Failed { reason: "bad luck".to_owned() };
                acceptable(pipeline.coordinator.finish_job(&lease.key, failed).await);
            }
            _ => acceptable(work(&pipeline, &lease).await),
        }
        // Who vanished and returns finds its lease taken, or may still finish; it never does harm.
        if dice.roll(3) == 0
            && let Some(key) = vanished.pop()
        {
            acceptable(pipeline.coordinator.finish_job(&key, JobResult::Failed { reason: "late".to_owned() }).await);
        }
    }
}

async fn work(pipeline: &Pipeline, lease: &Lease) -> Result<(), CoordinatorError> {
    let coordinator = &pipeline.coordinator;
    coordinator.declare_steps(&lease.key, vec![step(0)]).await?;
    coordinator.start_step(&lease.key, 0).await?;
    coordinator.finish_step(&lease.key, 0, StepResult::succeeded()).await?;
    let result = match &lease.work {
        Work::Build(work) => built(&format!("sha256:{}", work.commit), usual_plan()),
        Work::Rollout(_) => JobResult::Live,
    };
    coordinator.finish_job(&lease.key, result).await
}

/// A lost lease is part of the storm; everything else must be taken.
fn acceptable(result: Result<(), CoordinatorError>) {
    match result {
        Ok(()) | Err(CoordinatorError::LeaseLost { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

/// People cancel, promote and roll back; time passes in leaps, and the rescuer comes round.
async fn interfere(pipeline: Arc<Pipeline>, mut dice: Dice, over: Arc<AtomicBool>) {
    while !over.load(Ordering::SeqCst) {
        match dice.roll(5) {
            0 => {
                let number = i64::try_from(dice.roll(PUSHES)).unwrap();
                let mut tx = pipeline.store.write().await.unwrap();
                let build = store::builds::by_number(&mut tx.conn(), &pipeline.repository.id, number).await.unwrap();
                if let Some(build) = build {
                    builds::cancel(&mut tx, &build.id, "changed my mind").await.unwrap();
                    tx.commit().await.unwrap();
                }
            }
            1 => drop(pipeline.promote("production").await),
            2 => drop(pipeline.roll_back("dev", None).await),
            3 => {
                pipeline.clock.advance(70_000);
                rescue(&pipeline.store).await.unwrap();
            }
            _ => tokio::task::yield_now().await,
        }
    }
}

async fn everything_is_in_order(pipeline: &Pipeline) {
    let mut reader = pipeline.store.read().await.unwrap();
    let conn = &mut reader.conn();
    assert!(store::jobs::leased(conn).await.unwrap().is_empty(), "no live leases");
    assert_eq!(store::jobs::queued_count(conn).await.unwrap(), 0, "nothing waits");

    let events = store::events::after(conn, 0, &store::events::EventFilter::default(), 100_000).await.unwrap();
    assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id));
    let jobs = replayed(&events, job_of, JobState::Queued, job_step);
    let of_step = |event: &Event| event.step_id.as_ref().map(ToString::to_string);
    let steps = replayed(&events, of_step, StepState::Pending, step_step);
    let mut final_builds = HashMap::new();
    for build in store::builds::list(conn, &pipeline.repository.id, None, None, 1_000).await.unwrap() {
        assert!(build.state.is_final(), "build {} is {}", build.number, build.state);
        let job = store::jobs::of_build(conn, &build.id).await.unwrap().unwrap();
        assert_eq!(jobs[job.id.as_str()], job.state, "the job of build {}", build.number);
        for step in store::steps::of_job(conn, &job.id).await.unwrap() {
            assert!(step.state.is_final(), "a step of build {} is {}", build.number, step.state);
            assert_eq!(steps[step.id.as_str()], step.state, "a step of build {}", build.number);
        }
        final_builds.insert(build.id.to_string(), build.state);
    }
    assert_eq!(final_builds.len(), usize::try_from(PUSHES).unwrap() + 1, "every push became one build");
    assert_eq!(
        replayed(&events, |event| event.build_id.as_ref().map(ToString::to_string), BuildState::Queued, build_step),
        final_builds
    );

    let mut final_releases = HashMap::new();
    for environment in store::environments::of_repository(conn, &pipeline.repository.id).await.unwrap() {
        let releases = store::releases::list(conn, &environment.id, None, 10_000).await.unwrap();
        let numbers: Vec<i64> = releases.iter().map(|release| release.number).rev().collect();
        assert_eq!(numbers, (1..=environment.last_release_number).collect::<Vec<_>>(), "numbered without gaps");
        let live = releases.iter().filter(|release| release.state == ReleaseState::Live).count();
        assert!(live <= 1);
        assert!(environment.name != "dev" || live == 1, "dev never lost what was live");
        for release in releases {
            assert!(release.state.is_settled());
            if let Some(job) = store::jobs::of_release(conn, &release.id).await.unwrap() {
                assert_eq!(jobs[job.id.as_str()], job.state, "the job of release {}", release.number);
            }
            final_releases.insert(release.id.to_string(), release.state);
        }
    }
    let of_release = |event: &Event| event.release_id.as_ref().map(ToString::to_string);
    assert_eq!(replayed(&events, of_release, ReleaseState::Queued, release_step), final_releases);
}

/// Replays the events of each aggregate through its table; fails where one was not allowed.
fn replayed<State: Copy + std::fmt::Debug>(
    events: &[Event],
    id: impl Fn(&Event) -> Option<String>,
    first: State,
    follow: impl Fn(State, &str) -> Option<Option<State>>,
) -> HashMap<String, State> {
    let mut states = BTreeMap::new();
    for event in events {
        let Some(id) = id(event) else { continue };
        let state = states.entry(id).or_insert(first);
        if let Some(to) = follow(*state, &event.kind) {
            *state = to.unwrap_or_else(|| panic!("{} came while it was {state:?}", event.kind));
        }
    }
    states.into_iter().collect()
}

fn job_of(event: &Event) -> Option<String> {
    event.kind.strip_prefix("job.")?;
    event.data.0["job"].as_str().map(str::to_owned)
}

fn job_step(state: JobState, kind: &str) -> Option<Option<JobState>> {
    let event = match kind {
        "job.leased" => JobEvent::Lease,
        "job.lost" => JobEvent::Lose,
        "job.retried" => JobEvent::Retry,
        "job.succeeded" => JobEvent::Succeed,
        "job.failed" => JobEvent::Fail,
        "job.cancelled" => JobEvent::Cancel,
        _ => return None,
    };
    Some(next_job(state, event))
}

fn step_step(state: StepState, kind: &str) -> Option<Option<StepState>> {
    let event = match kind {
        "step.started" => StepEvent::Start,
        "step.succeeded" => StepEvent::Succeed,
        "step.failed" => StepEvent::Fail,
        "step.skipped" => StepEvent::Skip,
        "step.cancelled" => StepEvent::Cancel,
        "step.lost" => StepEvent::Lose,
        _ => return None,
    };
    Some(next_step(state, event))
}

fn build_step(state: BuildState, kind: &str) -> Option<Option<BuildState>> {
    let event = match kind {
        "build.started" => BuildEvent::Start,
        "build.requeued" => BuildEvent::Requeue,
        "build.succeeded" => BuildEvent::Succeed,
        "build.failed" => BuildEvent::Fail,
        "build.cancelled" => BuildEvent::Cancel,
        _ => return None,
    };
    Some(builds::next(state, event))
}

fn release_step(state: ReleaseState, kind: &str) -> Option<Option<ReleaseState>> {
    let event = match kind {
        "release.held" => ReleaseEvent::Hold,
        "release.admitted" => ReleaseEvent::Admit,
        "release.rejected" => ReleaseEvent::Reject,
        "release.rolling" => ReleaseEvent::Roll,
        "release.requeued" => ReleaseEvent::Requeue,
        "release.live" => ReleaseEvent::GoLive,
        "release.failed" => ReleaseEvent::Fail,
        "release.retired" => ReleaseEvent::Retire,
        "release.superseded" => ReleaseEvent::Supersede,
        _ => return None,
    };
    Some(releases::next(state, event))
}
