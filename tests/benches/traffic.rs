//! One figure of docs/BENCHMARKS.md: how many requests fail while an app is changed a hundred times, by rolling releases,
//! canaries, rollbacks and blue-green switches in turn, and a thousand requests a second come for it.
//!
//! `cargo bench -p slipway-tests --bench traffic -- 100 1000`; the numbers say how many changes, and how many requests a second.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first surprise and prints"
)]

use std::{path::Path, process::Command, time::Instant};

use slipway_tests::{
    changes::{Change, ChangingHouse, DOMAIN},
    engine::docker,
    house::House,
    open_load::OpenLoad,
};

/// The image that every version begins with.
const BASE: &str = "slipway-bench-tiny:latest";
/// How much of the wanted rate has to be reached for the figure to mean anything.
const ENOUGH: f64 = 0.99;

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs every benchmark once to see that it works; this one is not for that.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u32>().ok());
    let (changes, rate) = (numbers.next().unwrap_or(100), numbers.next().unwrap_or(1_000));
    make_base();
    let mut place = ChangingHouse::with(House::open().await, 2, tiny).await;
    let load = OpenLoad::start(&place.house.caddy.url(), DOMAIN, rate);
    let began = Instant::now();
    for (number, change) in (1..=changes).zip(Change::ALL.into_iter().cycle()) {
        let since = Instant::now();
        place.change(change).await;
        println!("{number:>4} {change:?} in {:.1?}", since.elapsed());
    }
    let took = began.elapsed();
    let tally = load.finish().await;
    println!(
        "{changes} changes in {took:.0?} under {:.0} requests a second: {} of {} requests failed; all but one in a hundred \
         were answered within {:.0?}, all but one in a thousand within {:.0?}",
        tally.rate(),
        tally.failed,
        tally.asked,
        tally.all_but_one_of(100),
        tally.all_but_one_of(1_000),
    );
    drop(place);
    docker(&["rmi", "-f", BASE]);
    assert_eq!(tally.failed, 0, "{:?}", tally.failures);
    assert!(tally.rate() >= f64::from(rate) * ENOUGH, "the rate was not reached: this machine has too much else to do");
}

/// Compiles the app and makes an image of it.
fn make_base() {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/tiny.rs");
    let program = folder.path().join("tiny");
    let compiled = Command::new("rustc")
        .args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-o"])
        .args([&program, &source])
        .status();
    assert!(compiled.unwrap().success(), "the app compiles");
    std::fs::write(folder.path().join("Dockerfile"), "FROM busybox:latest\nCOPY tiny /tiny\n").unwrap();
    docker(&["build", "-q", "-t", BASE, folder.path().to_str().unwrap()]);
}

/// A version of it.
fn tiny(version: &str) -> Vec<(&'static str, String)> {
    let start = "trap 'exit 0' TERM; /tiny & wait";
    let dockerfile = format!("FROM {BASE}\nENV VERSION={version}\nCMD [\"sh\", \"-c\", \"{start}\"]\n");
    vec![("Dockerfile", dockerfile)]
}
