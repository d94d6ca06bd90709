//! Ten plain commands of one app by Slipway against ten `docker run`s, turn by turn, as a ratio (docs/BENCHMARKS.md).
//!
//! `cargo bench -p slipway-tests --bench steps -- 10`; the number says how many turns (10).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first surprise and prints"
)]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use slipway_runner::coordinator::LogStream;
use slipway_tests::build_house::BuildHouse;
use tokio::process::Command;

const COMMANDS: usize = 10;

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs every benchmark once to see that it works; this one is not for that.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let rounds: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(10);
    let mut house = BuildHouse::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (mut slipway, mut bare) = (Vec::new(), Vec::new());
    // The first turn of each is not counted.
    for round in 0..=rounds {
        let by_slipway = by_slipway(&mut house, round).await;
        let by_docker = by_docker(folder.path()).await;
        if round > 0 {
            slipway.push(by_slipway);
            bare.push(by_docker);
        }
    }
    let (slipway, bare) = (median(&mut slipway), median(&mut bare));
    println!("{COMMANDS} plain commands, {rounds} turns each, medians:");
    println!("  slipway     {:>6} ms", slipway.as_millis());
    println!("  docker run  {:>6} ms", bare.as_millis());
    println!("  ratio       {:.2}", slipway.as_secs_f64() / bare.as_secs_f64());
    house.stop_runner().await;
}

/// From the moment that the checkout has ended until the last command has: the container that they share included.
async fn by_slipway(house: &mut BuildHouse, round: usize) -> Duration {
    let commands: String = (1..=COMMANDS).map(|at| format!("    - echo {at} >> made; cat made\n")).collect();
    let captain = format!(
        "defaults: {{step_image: 'busybox:latest'}}\nweb:\n  build: Dockerfile\n  image: IMAGE\n  pre:\n{commands}"
    );
    let commit = house.commit(&captain, &[("round", &round.to_string())]);
    let job = house.queue(&commit);
    let last = u32::try_from(COMMANDS).unwrap();
    house
        .server
        .wait_for(&job, Duration::from_secs(120), |record| {
            record.steps.get(&0).is_some_and(|step| step.result.is_some())
        })
        .await;
    let started = Instant::now();
    let record = house
        .server
        .wait_for(&job, Duration::from_secs(120), |record| {
            record.steps.get(&last).is_some_and(|step| step.result.is_some())
        })
        .await;
    let took = started.elapsed();
    assert_eq!(record.steps[&last].said_on(LogStream::Out).len(), COMMANDS);
    house.ended(&job).await;
    took
}

async fn by_docker(folder: &Path) -> Duration {
    let started = Instant::now();
    for at in 1..=COMMANDS {
        let command = format!("echo {at} >> made; cat made");
        let mount = format!("{}:/workspace", folder.display());
        let run = ["run", "--rm", "-v", &mount, "-w", "/workspace", "busybox:latest", "sh", "-c", &command];
        let ran = Command::new("docker").args(run).output().await.unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    started.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
