//! Step containers a second, sustained by Slipway through many small builds, against `docker run --rm` in as many loops, as
//! a ratio, and the memory of the process meanwhile (docs/BENCHMARKS.md).
//!
//! `cargo bench -p slipway-tests --bench containers -- 12`; the number says how many builds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first surprise and prints"
)]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use slipway_tests::build_house::BuildHouse;
use tokio::process::Command;

/// How many builds run at once, each with one container at a time; and how many loops.
const AT_ONCE: usize = 4;
/// The containers of one build.
const STEPS: usize = 20;
/// How often the memory is looked at.
const PAUSE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs every benchmark once to see that it works; this one is not for that.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let builds: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(12);
    let mut house = BuildHouse::new().await;
    house.config.capacity = u32::try_from(AT_ONCE).unwrap();
    // The mirror and the caches are there before it counts.
    by_slipway(&mut house, 1).await;
    let watched = tokio::spawn(watch_memory());
    let slipway = by_slipway(&mut house, builds).await;
    watched.abort();
    let bare = by_docker(builds * STEPS / AT_ONCE).await;
    let a_second = |took: Duration| (builds * STEPS) as f64 / took.as_secs_f64();
    println!("{} containers in {builds} builds, {AT_ONCE} at once:", builds * STEPS);
    println!("  slipway     {:>6.2} a second", a_second(slipway));
    println!("  docker run  {:>6.2} a second", a_second(bare));
    println!("  ratio       {:.2} of the time", slipway.as_secs_f64() / bare.as_secs_f64());
    house.stop_runner().await;
}

/// From the first build's being queued to the end of the last.
async fn by_slipway(house: &mut BuildHouse, builds: usize) -> Duration {
    let step = "docker run --rm -v \"$PWD\":/app -w /app busybox:latest true";
    let steps: String = (0..STEPS).map(|_| format!("    - {step}\n")).collect();
    let captain = format!("web:\n  build: Dockerfile\n  image: IMAGE\n  push: false\n  pre:\n{steps}");
    let commit = house.commit(&captain, &[]);
    let started = Instant::now();
    let jobs: Vec<_> = (0..builds).map(|_| house.queue(&commit)).collect();
    for job in jobs {
        let build = house.ended(&job).await;
        assert_eq!(build.artifacts(), []);
    }
    started.elapsed()
}

/// So many containers in each loop, one after the other.
async fn by_docker(each: usize) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let mount = format!("{}:/app", folder.path().display());
    let run = async || {
        for _ in 0..each {
            let run = ["run", "--rm", "-v", &mount, "-w", "/app", "busybox:latest", "true"];
            let ran = Command::new("docker").args(run).output().await.unwrap();
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        }
    };
    let started = Instant::now();
    join_all((0..AT_ONCE).map(|_| run())).await;
    started.elapsed()
}

/// Prints what the process holds in memory, runner and the model of a server together, again and again.
async fn watch_memory() {
    let started = Instant::now();
    let mut samples = tokio::time::interval(PAUSE);
    loop {
        samples.tick().await;
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux");
        let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
        println!("after {:>4} s: {} MB resident", started.elapsed().as_secs(), kilobytes / 1024);
    }
}
