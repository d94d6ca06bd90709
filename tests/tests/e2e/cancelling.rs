//! Cancelling ends everything that a build runs, at once: its commands, its services, what it started through a socket
//! of its own, and the commands of its Dockerfiles.
//!
//! Each cancel is printed with what it took until the last container's end; `SLIPWAY_CANCELS=10` cancels as often:
//! `SLIPWAY_CANCELS=10 cargo test -p slipway-tests --test e2e cancelling:: -- --nocapture`

use std::{
    io::Write as _,
    time::{Duration, SystemTime},
};

use serde_json::json;
use slipway_tests::{
    databases::TestDatabase,
    docker_cli::DockerCli,
    engine::docker,
    engine_events::Deaths,
    house::{House, LONG},
    processes::dockerfile_commands,
    slipway::Setup,
    wait::{until, until_none},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_all_that_a_build_runs() {
    cancels(House::open().await, "by the runner within").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_all_that_a_build_runs_on_another_machine() {
    let house = House::remote(TestDatabase::sqlite(), Setup::new(), async |url: &str| url.to_owned()).await;
    cancels(house, "by a runner over HTTP").await;
}

/// Everything that may run at once, each for longer than anybody waits.
fn captain(house: &House, client: &str) -> String {
    let image = house.image();
    format!(
        "defaults: {{step_image: busybox:latest}}\n\
         plain:\n  build: Dockerfile\n  image: {image}-plain\n  \
         services: {{db: {{image: busybox:latest, command: [sleep, \"600\"]}}}}\n  pre: [sleep 600]\n\
         own:\n  build: Dockerfile\n  image: {image}-own\n  pre: [docker run --rm busybox:latest sleep 600]\n\
         socket:\n  build: Dockerfile\n  image: {image}-socket\n  \
         pre: [{{image: \"{client}\", run: [docker run --rm busybox:latest sleep 600], engine: true}}]\n\
         image:\n  build: hang/Dockerfile\n  image: {image}-image\n"
    )
}

/// The containers of a build that runs all it has: a command's, its service's, a `docker run`'s, that of the step with a
/// socket, and what it started there.
const CONTAINERS: usize = 5;

/// What an engine gives a container that it stops.
const STOP_GRACE: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
async fn cancels(house: House, who: &str) {
    let client = DockerCli::build();
    let rounds = std::env::var("SLIPWAY_CANCELS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    let mut took = Vec::new();
    for round in 1..=rounds {
        took.push(cancel_once(&house, &client, round).await);
    }
    took.sort();
    let (median, longest) = (took[took.len() / 2].as_millis(), took[took.len() - 1].as_millis());
    tell(&format!("{rounds} builds cancelled {who}: all ended after {median} ms (median), {longest} ms (longest)"));
}

#[expect(clippy::disallowed_methods, reason = "the engine tells when containers ended by the machine's clock")]
async fn cancel_once(house: &House, client: &DockerCli, round: usize) -> Duration {
    // The comment makes the command known among the machine's processes, and keeps rounds' layers apart.
    let mark = format!("{}-{round}", house.image());
    let (captain, hang) = (
        captain(house, client.name()),
        format!("FROM busybox:latest\nRUN until test -e /never; do sleep 1; done # {mark}\n"),
    );
    let files = [
        ("captain.yml", captain.as_str()),
        ("Dockerfile", "FROM busybox:latest\n"),
        ("hang/Dockerfile", &hang),
        ("round", &round.to_string()),
    ];
    let number = house.push("main", &files).await;
    let running = until("everything to run", LONG, async || {
        let running = containers(house);
        (running.len() == CONTAINERS && !dockerfile_commands(&mark).is_empty()).then_some(running)
    })
    .await;

    let mut deaths = Deaths::of(house.runner());
    let asked = SystemTime::now();
    let path = format!("/api/v1/repositories/{}/builds/{number}/cancel", house.webhook.repository);
    house.slipway.api().post(&path, &json!({})).await.expect(202);
    let last = deaths.all_of(&running).await;
    until_none("the Dockerfile's command to end", LONG, async || dockerfile_commands(&mark)).await;
    let took = last.duration_since(asked).unwrap_or_default();
    tell(&format!("build {number}: its containers ended within {} ms", took.as_millis()));
    assert!(took < STOP_GRACE, "somebody was given time to end");

    let build = house.build_in(number, "cancelled").await;
    let steps = build["attempts"][0]["steps"].as_array().unwrap();
    let ended = |state: &str| steps.iter().filter(|step| step["state"] == state).count();
    assert_eq!((ended("succeeded"), ended("cancelled")), (1, steps.len() - 1), "all but the checkout: {build:#}");
    house.is_tidy(0).await;
    took
}

/// The full ids of the containers that run.
fn containers(house: &House) -> Vec<String> {
    let runner = format!("label=slipway.runner={}", house.runner());
    docker(&["ps", "--no-trunc", "--format", "{{.ID}}", "--filter", &runner])
}

fn tell(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}
