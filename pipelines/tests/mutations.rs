//! The trials of the fuzz targets on inputs made by chance: a few thousand of them with every run of the tests, the same
//! each time. More, without a pause, in a release build, where each must also end within 50 ms:
//!
//! `SLIPWAY_MUTATIONS=10000000 cargo test --release -p slipway-pipelines --test mutations -- --nocapture`
//!
//! `SLIPWAY_CORPUS` may name a folder with further samples, such as what a fuzzer found.
#![allow(clippy::disallowed_methods, reason = "how long a run is belongs to whoever starts it")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that panics has failed, and a long run tells its figures"
)]

#[path = "../../fuzz/src/mutations.rs"]
#[allow(unreachable_pub, reason = "the fuzz crate uses it too")]
mod mutations;
#[path = "../../fuzz/src/trials.rs"]
#[allow(unreachable_pub, reason = "the fuzz crate uses it too")]
mod trials;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use mutations::Mutator;

/// What is tried with an input; it panics where something does not hold.
type Trial = fn(&str);

/// How many inputs an ordinary run tries.
const FEW: u64 = 2_000;
/// The longest that one input may take in a release build.
const LIMIT: Duration = Duration::from_millis(50);
/// From which time on an input is tried again, with the processor's time in place of the clock's: another process may have
/// had the processor meanwhile.
const SUSPICIOUS: Duration = Duration::from_millis(5);

#[test]
fn no_input_panics_or_takes_long() {
    let count = std::env::var("SLIPWAY_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(FEW);
    let begun = Instant::now();
    let kinds: [(&str, Trial, u64); 3] =
        [("configuration", trials::configuration, 6), ("docker_run", trials::docker_run, 2), ("tags", trials::tags, 2)];
    for (kind, trial, share) in kinds {
        let samples = samples(kind);
        let workers = if count > FEW { 2 } else { 1 };
        let slowest = std::thread::scope(|scope| {
            let run = |worker| run(&samples, trial, count * share / 10 / workers, worker);
            let running: Vec<_> = (0..workers).map(|worker| scope.spawn(move || run(worker))).collect();
            running.into_iter().map(|worker| worker.join().unwrap()).max().unwrap_or_default()
        });
        if count > FEW {
            println!("{kind}: {} inputs, the slowest {slowest:?}, {:?} in all", count * share / 10, begun.elapsed());
        }
    }
}

/// Tries inputs; the longest that one of them took.
fn run(samples: &[String], trial: Trial, count: u64, worker: u64) -> Duration {
    let mut mutator = Mutator::new(samples, include_str!("../../fuzz/language.dict"), worker + 1);
    let mut slowest = Duration::ZERO;
    for _ in 0..count {
        let input = mutator.input();
        let mut took = time(trial, &input, Instant::now, |begun| begun.elapsed());
        if took > SUSPICIOUS {
            took = took.min(time(trial, &input, used, |before| used().saturating_sub(before)));
        }
        assert!(took <= LIMIT || cfg!(debug_assertions), "the input took {took:?}: {input:?}");
        slowest = slowest.max(took);
    }
    slowest
}

/// How long a trial takes by a clock.
fn time<T>(trial: Trial, input: &str, begin: fn() -> T, end: fn(T) -> Duration) -> Duration {
    let begun = begin();
    if std::panic::catch_unwind(|| trial(input)).is_err() {
        panic!("the trial panicked with the input {input:?}");
    }
    end(begun)
}

/// The time that this thread has had the processor, as Linux counts it.
fn used() -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(counted.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

/// The named samples of the repository, and all of those in a folder that the environment names.
fn samples(kind: &str) -> Vec<String> {
    let files = |folder: &Path| -> Vec<_> {
        std::fs::read_dir(folder.join(kind)).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let mut paths = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus"));
    // What a fuzzer found on this machine stands beside them, and must not change what an ordinary run tries.
    paths.retain(|path| path.extension().is_some());
    if let Some(folder) = std::env::var_os("SLIPWAY_CORPUS") {
        paths.extend(files(Path::new(&folder)));
    }
    paths.sort_unstable();
    paths.iter().map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
}
