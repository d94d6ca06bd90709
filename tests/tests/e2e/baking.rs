//! What goes wrong after a release went live, and before it may follow to the next environment.

use slipway_pipelines::config::{Bake, Limits};
use slipway_runner::coordinator::{
    Coordinator as _, EnvironmentReport, HostingQuestion, Measurements, ReplicaMeasurement, StepResult, Usual,
};
use slipway_server::{
    environments::{Protection, Written, protect},
    measurements::SUM_MS,
};
use slipway_tests::{
    databases::TestDatabase,
    engine::docker,
    house::{House, LONG},
    images::{failing_app, web_app},
    load::Load,
    on_both_databases,
    pipeline::{Pipeline, built, digest, usual_plan},
    wait::until,
};

on_both_databases!(
    what_is_found_wanting_follows_nowhere_and_is_rolled_back_once,
    what_bakes_is_judged_beside_what_the_release_before_used,
    what_bakes_is_judged_by_limits_that_no_commit_can_drop,
);

const DOMAIN: &str = "baking.localhost";
const HOUR_MS: i64 = 60 * 60 * 1_000;

/// The limit of a strategy, which holds while what went live by it bakes.
const BY_STRATEGY: &str = "  dev:\n    from: {branch: main}\n    strategy: {canary: [100%], bake: 2s, max_cpu: 70%}\n  \
     production: {from: dev, bake: 10m}\n";
/// The limit of the one that follows.
const BY_FOLLOWER: &str =
    "  dev: {from: {branch: main}}\n  production: {from: dev, bake: {time: 10m, max_cpu: 100%, max_memory: 50%}}\n";

/// An app in dev, which production takes over once it has been live there for ten minutes.
async fn push(house: &House, version: &str, environments: &str) {
    push_files(house, web_app(version, true), environments).await;
}

async fn push_files(house: &House, mut files: Vec<(&'static str, String)>, environments: &str) {
    let captain = format!(
        "web:\n  build: Dockerfile\n  image: {}\n  release:\n    port: 8080\n    domain: {DOMAIN}\n    drain: 1s\n    \
         resources: {{cpus: 0.2, memory: 64M}}\n    \
         health: {{http: /health, interval: 500ms, timeout: 5s, retries: 20, start: 20s}}\nenvironments:\n{environments}",
        house.image()
    );
    files.push(("captain.yml", captain));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let number = house.push("main", &files).await;
    house.build_in(number, "succeeded").await;
}

/// The talk's disaster: an app that eats all of its CPU some time after it went live.
#[tokio::test]
async fn an_app_that_eats_its_cpu_while_it_bakes_is_rolled_back_and_never_promoted() {
    let house = House::open().await;
    push(&house, "one", BY_STRATEGY).await;
    house.live("dev", 1).await;
    push(&house, "two", BY_STRATEGY).await;
    house.live("dev", 2).await;
    let path = format!("/api/v1/repositories/{}/environments/production/promotions", house.webhook.repository);
    let held = house.slipway.api().post(&path, &serde_json::json!({})).await.expect(202).json();
    assert_eq!(held["state"], "held", "{held:#}");

    let mut load = Load::gentle(&house.caddy.url(), DOMAIN);
    load.answers(10).await;
    docker(&["exec", "-d", &second_container(&house), "sh", "-c", "while :; do :; done"]);

    // The measurement is named where it was decided, and where the release does not follow.
    let reason = is_found_wanting(&house).await;
    assert!(reason.starts_with("web: replica 1 used ") && reason.ends_with("of its CPU (allowed 70 %)"), "{reason}");
    let refused = until("the promotion to be refused", LONG, async || {
        let release = house.release("production", 1).await?;
        (release["state"] != "held").then_some(release)
    })
    .await;
    let why = refused["reason"].as_str().unwrap();
    assert_eq!(
        (refused["state"].as_str().unwrap(), why),
        ("rejected", &*format!("dev #2 was found wanting there: {reason}"))
    );

    let returned = house.live("dev", 3).await;
    assert_eq!((returned["kind"].as_str(), returned["actor"].as_str()), (Some("rollback"), Some("slipway")));
    assert!(house.visit(DOMAIN).await.contains("one"));
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{} of {} failed: {:?}", answers.failed.len(), answers.total(), answers.failed);
    let page = format!("/repositories/{}/environments/dev", house.webhook.repository);
    let page = house.slipway.api().get(&page).await.expect(200).body;
    assert!(page.contains("Found wanting") && page.contains(&reason), "{page}");
}

/// An app that takes more and more memory is seen before it takes all, by the limit of the environment that waits for it.
#[tokio::test]
async fn an_app_that_takes_too_much_memory_while_it_bakes_is_rolled_back() {
    let house = House::open().await;
    push(&house, "one", BY_FOLLOWER).await;
    house.live("dev", 1).await;
    push(&house, "two", BY_FOLLOWER).await;
    house.live("dev", 2).await;
    docker(&["exec", &second_container(&house), "dd", "if=/dev/zero", "of=/dev/shm/leak", "bs=1M", "count=44"]);
    let reason = is_found_wanting(&house).await;
    let is_named = reason.starts_with("web: replica 1 used ") && reason.ends_with("of its memory (allowed 50 %)");
    assert!(is_named, "{reason}");
    house.live("dev", 3).await;
    assert!(house.visit(DOMAIN).await.contains("one"));
}

/// The limit of errors by the environment that waits for it.
const OF_ANSWERS: &str =
    "  dev: {from: {branch: main}}\n  production: {from: dev, bake: {time: 10m, max_errors: 10%, max_latency: 20s}}\n";

/// An app whose health check is content, and which answers everybody with errors.
#[tokio::test]
async fn an_app_that_is_healthy_and_answers_with_errors_is_rolled_back_while_it_bakes() {
    let house = House::open().await;
    push(&house, "one", OF_ANSWERS).await;
    house.live("dev", 1).await;
    push_files(&house, failing_app("two"), OF_ANSWERS).await;
    house.live("dev", 2).await;
    let load = Load::gentle(&house.caddy.url(), DOMAIN);
    let reason = is_found_wanting(&house).await;
    assert!(reason.starts_with("web: ") && reason.ends_with(" answers were 5xx (100.0 %; allowed 10.0 %)"), "{reason}");
    house.live("dev", 3).await;
    assert!(house.visit(DOMAIN).await.contains("one"));
    let answers = load.finish().await;
    assert!(answers.failed.iter().all(|failed| failed.contains("500")), "{:?}", answers.failed);
    until("nothing of the lane to be left at the proxy", LONG, async || {
        (house.caddy.servers().await == ["slipway"]).then_some(())
    })
    .await;
}

fn second_container(house: &House) -> String {
    let filter = format!("label=slipway.runner={}", house.runner());
    let running = docker(&["ps", "--format", "{{.Names}}", "--filter", &filter, "--filter", "label=slipway.app=web"]);
    running.into_iter().find(|name| name.contains("-r2-")).expect("the second release's container")
}

/// The reason.
async fn is_found_wanting(house: &House) -> String {
    let decision = until("the release to be found wanting", LONG, async || {
        let decisions = house.ask("environments/dev/decisions").await.expect(200).json();
        decisions["items"].as_array()?.iter().find(|it| it["kind"] == "breached").cloned()
    })
    .await;
    decision["reason"].as_str().unwrap().to_owned()
}

/// Brings a commit to dev, where production waits for its bake of ten minutes.
async fn goes_live(pipeline: &Pipeline, commit: &str) {
    pipeline.queue(&pipeline.push("main", commit)).await;
    let lease = pipeline.claim().await;
    pipeline.run_step(&lease.key, 0, StepResult::succeeded()).await;
    let mut plan = usual_plan();
    plan.environments[1].bake_ms = 600_000;
    pipeline.coordinator.finish_job(&lease.key, built(&digest(commit), plan)).await.unwrap();
    pipeline.roll_out().await;
}

fn question() -> HostingQuestion {
    HostingQuestion { runner: "one".to_owned(), incarnation: "first life".to_owned() }
}

async fn what_bakes_is_judged_beside_what_the_release_before_used(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    goes_live(&pipeline, "a").await;
    let usual = async || {
        let hosting = pipeline.coordinator.hosting(question()).await.unwrap();
        hosting.environments[0].bake.clone().unwrap().usual
    };
    assert!(usual().await.is_empty(), "there was none before the first release");
    let environment = pipeline.environment("dev").await.id.to_string();
    let uses = async |cpu: f64, memory: u64| {
        let container = ReplicaMeasurement {
            environment: environment.clone(),
            app: "web".to_owned(),
            cpu,
            cpu_limit: 2.0,
            memory,
            memory_limit: 128_000_000,
            restarts: 0,
        };
        let HostingQuestion { runner, incarnation } = question();
        let measured = Measurements { runner, incarnation, host: None, replicas: Some(vec![container]) };
        pipeline.coordinator.report_measurements(measured).await.unwrap();
        pipeline.clock.advance(SUM_MS);
    };
    let worked = async || {
        for (cpu, memory) in [(0.25, 64_000_000), (0.75, 32_000_000), (0.5, 16_000_000)] {
            uses(cpu, memory).await;
        }
    };
    pipeline.clock.advance(SUM_MS);
    worked().await;
    goes_live(&pipeline, "b").await;
    assert!(usual().await.is_empty(), "less than a day is known");

    pipeline.clock.advance(24 * HOUR_MS - 6 * SUM_MS);
    worked().await;
    goes_live(&pipeline, "c").await;
    // What it uses itself is no measure for it.
    uses(1.5, 100_000_000).await;
    assert_eq!(usual().await["web"], Usual { cpu: 0.75, memory: 64_000_000.0 }, "of each the most");
}

async fn what_bakes_is_judged_by_limits_that_no_commit_can_drop(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    goes_live(&pipeline, "a").await;
    let limits = async || {
        let hosting = pipeline.coordinator.hosting(question()).await.unwrap();
        hosting.environments[0].bake.as_ref().unwrap().limits
    };
    assert_eq!(limits().await, Limits::default(), "captain.yml says nothing");
    let bake: Bake = "time: 5m, max_cpu: 3x, max_errors: 1%".parse().unwrap();
    let production = pipeline.environment("production").await;
    let wanted = Protection { bake: Some(Written(bake)), ..Protection::default() };
    let mut tx = pipeline.store.write().await.unwrap();
    protect(&mut tx, &production, &wanted, "ada", None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(pipeline.environment("production").await.protection.0, wanted, "it is kept as it was said");
    assert_eq!(limits().await, bake.limits);
    goes_live(&pipeline, "b").await;
    assert_eq!(limits().await, bake.limits);
}

async fn what_is_found_wanting_follows_nowhere_and_is_rolled_back_once(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for commit in ["a", "b"] {
        goes_live(&pipeline, commit).await;
    }
    let live = pipeline.live("dev").await.unwrap();
    pipeline.clock.advance(60_000);
    let hosting = pipeline.coordinator.hosting(question()).await.unwrap();
    assert_eq!(hosting.environments[0].bake.as_ref().unwrap().left_ms, 540_000);

    let found = "web: replica 1 ended with exit code 3 and was restarted";
    let report = EnvironmentReport {
        runner: "one".to_owned(),
        environment: live.environment_id.to_string(),
        release: live.id.to_string(),
        replicas: Vec::new(),
        breach: Some(found.to_owned()),
    };
    let of_other = EnvironmentReport { runner: "other".to_owned(), ..report.clone() };
    pipeline.coordinator.report_environment(of_other).await.unwrap();
    assert_eq!(pipeline.event_kinds("release.breached").await.len(), 0, "it is not the other's to say");
    for _ in 0..2 {
        pipeline.coordinator.report_environment(report.clone()).await.unwrap();
    }
    assert_eq!(pipeline.event_kinds("release.breached").await.len(), 1, "it is found wanting once");
    let refused = pipeline.promote("production").await.unwrap_err().to_string();
    assert!(refused.contains(&format!("dev #2 was found wanting there: {found}")), "{refused}");

    // What was live before comes back, and is not judged itself.
    let work = pipeline.roll_out().await;
    assert_eq!(work.release.apps[0].digest, digest("a"));
    let hosting = pipeline.coordinator.hosting(question()).await.unwrap();
    assert_eq!((hosting.environments[0].release.number, hosting.environments[0].bake.clone()), (3, None));
}
