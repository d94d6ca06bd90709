//! One figure of docs/BENCHMARKS.md: how long a plan of 200 apps with steps takes.
//!
//! `cargo bench -p slipway-pipelines --bench plan -- 200`; the number says how often it is planned (100).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark ends at the first surprise and prints")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use slipway_pipelines::{
    config::Event,
    detect::RepositoryFacts,
    parse,
    plan::{Reference, Refs, Scope, Situation, Tree, Trigger, dockerfiles, plan},
};

const APPS: usize = 200;

fn main() {
    let turns = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(100);
    let text = file();
    let facts = RepositoryFacts { repository: "shop/house" };
    let config = parse::parse("captain.yml", &text, &facts).unwrap().config;
    let situation = situation(&config);
    let steps = plan(&config, &situation).unwrap().steps.len();
    println!("{APPS} apps, {steps} steps, {} bytes of captain.yml", text.len());
    report("reading", turns, || drop(parse::parse("captain.yml", &text, &facts).unwrap()));
    report("planning", turns, || drop(plan(&config, &situation).unwrap()));
}

/// Prints the median by the clock, and the mean of the processor's time, which what else the machine does leaves alone.
/// One turn goes first, uncounted.
fn report(what: &str, turns: u32, work: impl Fn()) {
    work();
    let before = used();
    let mut times: Vec<Duration> = (0..turns)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        })
        .collect();
    let processor = used().saturating_sub(before) / turns.max(1);
    times.sort_unstable();
    println!("{what}: median {:?}, {processor:?} of the processor", times[times.len() / 2]);
}

/// The time that this thread has had the processor, as Linux counts it.
fn used() -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(counted.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

/// Every app has two commands before its image and one test; every tenth is a base of the nine after it.
fn file() -> String {
    let mut text = String::new();
    for app in 0..APPS {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "app{app}:
  build: app{app}/Dockerfile
  image: registry.example.com/house/app{app}
  build_arg: {{COMMIT: '${{SLIPWAY_COMMIT}}'}}
  pre:
    - make -C app{app}
    - {{run: make -C app{app} assets, env: {{LEVEL: info}}, when: {{paths: ['app{app}/*.js', '!**/*.md']}}}}
  test:
    - docker run registry.example.com/house/app{app} check
"
        );
    }
    text
}

fn situation(config: &slipway_pipelines::config::Config) -> Situation {
    let trigger = Trigger {
        repository: "shop/house".to_owned(),
        number: 7,
        event: Event::Push,
        reference: Reference::Branch("feature/x".to_owned()),
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        default_branch: "main".to_owned(),
        changed: Some((0..100).map(|file| format!("app{file}/index.js")).collect()),
        author: "Ada <ada@example.com>".to_owned(),
        message: "Add a shop".to_owned(),
        pull_request: None,
    };
    let base = |app: usize| app - app % 10;
    let dockerfile = |path: String| {
        let app: usize = path.trim_start_matches("app").split('/').next().and_then(|app| app.parse().ok()).unwrap_or(0);
        let from = if app.is_multiple_of(10) {
            "debian:bookworm-slim".to_owned()
        } else {
            format!("registry.example.com/house/app{}", base(app))
        };
        (path, format!("FROM {from} AS build\nRUN make\nFROM build\nCOPY --from=build /out /out\n"))
    };
    let texts: BTreeMap<_, _> = dockerfiles(config, &trigger).into_iter().map(dockerfile).collect();
    let files = (0..APPS).flat_map(|app| [format!("app{app}/Dockerfile"), format!("app{app}/index.js")]).collect();
    Situation {
        refs: Refs {
            branches: (0..500).map(|branch| format!("feature/{branch}")).collect(),
            tags: (0..500).map(|tag| format!("v1.{tag}.0")).collect(),
        },
        tree: Tree { files: Some(files), dockerfiles: texts, ..Tree::default() },
        scope: Scope::default(),
        trigger,
    }
}
