//! One figure of docs/BENCHMARKS.md, measured on real parts in one run: a commit that changes nothing of what the images
//! of a repository with many apps are made of, built and pushed by Slipway, against `docker build` from the engine's cache
//! and `docker push` of each app, turn by turn, as a ratio.
//!
//! `cargo bench -p slipway-tests --bench unchanged -- 5 50`; the numbers say how many turns, and how many apps.

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

use slipway_tests::{engine::docker, house::House};
use tokio::process::Command;

/// How many files the context of each app has, and their size in bytes.
const FILES: usize = 40;
const SIZE: usize = 10_000;
const DOCKERFILE: &str = "FROM busybox:latest\nCOPY . /app\nRUN find /app -type f | wc -l > /count\n";

/// What a person would write: every app, one after the other.
const BARE_TOOLS: &str = r#"
docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0
git clone --quiet --depth 1 --branch main "$CLONE_URL" "$WORKSPACE"
cd "$WORKSPACE"
for app in app*; do
  docker build --quiet -t "$IMAGE-$app:main" "$app"
  docker push --quiet "$IMAGE-$app:main"
done
"#;

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs every benchmark once to see that it works; this one is not for that.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<usize>().ok());
    let (turns, apps) = (numbers.next().unwrap_or(5), numbers.next().unwrap_or(50));
    let house = House::open().await;
    let folder = tempfile::tempdir().unwrap();
    let image = house.registry.image("bench/script");
    let (mut slipway, mut script) = (Vec::new(), Vec::new());
    commit(&house, apps);
    // The first turn of each builds everything, and is not counted.
    for turn in 0..=turns {
        let commit = house.git.commit("main", &[("README", &format!("turn {turn}"))]);
        let started = Instant::now();
        let number = house.announce("main", &commit).await;
        let build = house.build_in(number, "succeeded").await;
        let whole = started.elapsed();
        let steps = build["attempts"][0]["steps"].as_array().unwrap().iter();
        let built = steps.filter(|step| step["kind"] == "build" && step["output"]["unchanged_since"].is_null()).count();
        assert_eq!(built, if turn == 0 { apps } else { 0 });
        let bare = by_script(&house, &image, &folder.path().join(format!("turn-{turn}"))).await;
        println!("turn {turn}: slipway {} ms, script {} ms", whole.as_millis(), bare.as_millis());
        if turn > 0 {
            slipway.push(whole);
            script.push(bare);
        }
    }
    let (by_slipway, by_script) = (median(&mut slipway), median(&mut script));
    println!("{apps} apps of which none has changed, {turns} turns each, medians:");
    println!("  slipway  {:>6} ms", by_slipway.as_millis());
    println!("  script   {:>6} ms", by_script.as_millis());
    println!("  ratio    {:.2}", by_slipway.as_secs_f64() / by_script.as_secs_f64());
    for name in docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &format!("reference={image}*")])
    {
        drop(docker(&["rmi", "-f", &name]));
    }
}

/// Apps beside each other, each with files of its own.
fn commit(house: &House, apps: usize) {
    let mut captain = String::new();
    let mut files = Vec::new();
    for app in 0..apps {
        captain.push_str(&format!("app{app}:\n  build: app{app}/Dockerfile\n  image: {}-{app}\n", house.image()));
        files.push((format!("app{app}/Dockerfile"), DOCKERFILE.to_owned()));
        for file in 0..FILES {
            files.push((format!("app{app}/file{file}"), format!("{app} {file} ").repeat(SIZE / 6)));
        }
    }
    files.push(("captain.yml".to_owned(), captain));
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    house.git.commit("main", &files);
}

async fn by_script(house: &House, image: &str, workspace: &Path) -> Duration {
    let started = Instant::now();
    let output = Command::new("sh")
        .args(["-eu", "-c", BARE_TOOLS])
        .env("CLONE_URL", house.git.url())
        .env("IMAGE", image)
        .env("WORKSPACE", workspace)
        .output()
        .await
        .unwrap();
    let took = started.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    took
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
