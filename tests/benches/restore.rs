//! One figure of docs/BENCHMARKS.md, measured on real parts in one run: an environment of many containers made anew on an
//! engine that has nothing of it but the image, against a loop of `docker run -d` of as many containers, as a ratio.
//!
//! `cargo bench -p slipway-tests --bench restore -- 350`; the number says how many containers. Slipway's time includes that
//! every container is healthy and that the environment's route leads to all of them; the loop's ends with its last command.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first surprise and prints"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use slipway_pipelines::{
    config::Strategy,
    release::{HealthCheck, Probe, ReleaseSettings, RunSpec},
};
use slipway_runner::{
    coordinator::{JobResult, ReleaseContent, ReleasedApp, RolloutWork},
    engine::Engine,
    job::JobContext,
    proxy::Proxy,
    rollouts,
};
use slipway_tests::{
    caddy::CaddyFixture, engine::docker, environments::EnvironmentGuard, images, recorder::Recorder,
    registry::RegistryFixture,
};
use tokio_util::sync::CancellationToken;

const DOCKERFILE: &str = "FROM busybox:latest\nCMD [\"httpd\", \"-f\", \"-p\", \"8080\"]\n";

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs every benchmark once to see that it works; this one is not for that.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let count = std::env::args().find_map(|argument| argument.parse::<u32>().ok()).unwrap_or(350);
    let (registry, caddy) = (RegistryFixture::open().await, CaddyFixture::launch().await);
    let engine = Engine::connect(None).await.unwrap();
    let image = registry.image("bench/restore");
    let digest = images::publish(&engine, &registry, "bench/restore", "one", &[("Dockerfile", DOCKERFILE)]).await;
    let mut guard = EnvironmentGuard::new();
    guard.forget(format!("{image}:one"));
    guard.forget(format!("{image}@{digest}"));

    let by_loop = by_loop(&guard, &format!("{image}@{digest}"), count);
    let by_slipway = by_slipway(&engine, &registry, &caddy, &guard, (image, digest), count).await;
    let ratio = by_slipway.as_secs_f64() / by_loop.as_secs_f64();
    println!(
        "{count} containers: restored {by_slipway:.1?}, `docker run -d` {by_loop:.1?}, ratio {ratio:.2} (bar 1.0)"
    );
}

/// One command after the other, as a person's script has it.
fn by_loop(guard: &EnvironmentGuard, reference: &str, count: u32) -> Duration {
    let label = format!("slipway.environment={}", guard.id());
    let network = format!("loop-{}", guard.id().to_lowercase());
    docker(&["network", "create", "--label", &label, &network]);
    let started = Instant::now();
    for _ in 0..count {
        docker(&["run", "-d", "--label", &label, "--network", &network, reference]);
    }
    let took = started.elapsed();
    let containers = docker(&["ps", "-q", "--filter", &format!("label={label}")]);
    assert_eq!(containers.len(), count as usize);
    for some in containers.chunks(50) {
        let mut remove = vec!["rm", "-f"];
        remove.extend(some.iter().map(String::as_str));
        docker(&remove);
    }
    docker(&["network", "rm", &network]);
    took
}

async fn by_slipway(
    engine: &Engine,
    registry: &RegistryFixture,
    caddy: &CaddyFixture,
    guard: &EnvironmentGuard,
    (image, digest): (String, String),
    count: u32,
) -> Duration {
    let settings = ReleaseSettings {
        port: Some(8080),
        replicas: Some(count),
        health: Some(HealthCheck::with_defaults(Probe::Tcp).into()),
        domain: Some("restored.localhost".to_owned()),
        ..ReleaseSettings::default()
    };
    let run = RunSpec::resolve(&[&settings]);
    let apps = vec![ReleasedApp {
        app: "web".to_owned(),
        image,
        digest,
        run,
        build: None,
        secret_versions: std::collections::BTreeMap::new(),
    }];
    let live = ReleaseContent { release: format!("{}-1", guard.id()), number: 1, apps: apps.clone() };
    let work = RolloutWork {
        environment: guard.id().to_owned(),
        environment_name: "bench".to_owned(),
        repository_name: "acme/shop".to_owned(),
        release: ReleaseContent { release: format!("{}-2", guard.id()), number: 2, apps },
        previous: Some(live),
        strategy: Strategy::default(),
        runs_commands: false,
        restore: true,
        signed_by: None,
        failed: None,
    };
    let recorder = Recorder::new();
    let context = JobContext {
        engine: engine.clone(),
        reporter: recorder.reporter(),
        registries: registry.credentials(),
        withheld_registries: Vec::new(),
        withheld_secrets: Vec::new(),
        secrets: Vec::new(),
        proxy: Some(Arc::new(caddy.client()) as Arc<dyn Proxy>),
        runner_id: "runner-of-benches".to_owned(),
        incarnation: "1".to_owned(),
        attempt: 1,
        steps: Vec::new(),
        cancel: CancellationToken::new(),
    };
    let started = Instant::now();
    let result = rollouts::execute(&work, &context).await;
    let took = started.elapsed();
    assert_eq!(result, JobResult::Live, "{}", recorder.transcript());
    took
}
