//! Two figures of docs/BENCHMARKS.md, measured on real parts in one run:
//!
//! 1. a whole pipeline (checkout, two pre steps, build, test, push, release) by Slipway against a shell script of `git`,
//!    `docker run`, `docker build` and `docker push` that does the same, turn by turn, as a ratio;
//! 2. the time from a delivery's acceptance to the start of its build's first step;
//! 3. where a pipeline's time goes: each step, and what lies before it.
//!
//! `cargo bench -p slipway-tests --bench pipeline -- 20`; the number says how many turns (10). Each turn is printed as it
//! ends: a turn takes seconds, on a busy machine tens of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first surprise and prints"
)]

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;
use slipway_tests::{
    api::http_client,
    caddy::CaddyFixture,
    engine::{Sweep, docker},
    forge::{Push, Webhook},
    git_server::{GitRepository, GitServer},
    registry::RegistryFixture,
    slipway::{Setup, Slipway},
};
use tokio::process::Command;

/// The sample's files; `VERSION` changes with every push, so that every build has something to do.
const SERVE: &str = include_str!("../../examples/shop/serve");
const RENDER: &str = include_str!("../../examples/shop/render.sh");
const DOCKERFILE: &str = include_str!("../../examples/shop/Dockerfile");
const BARE_TOOLS: &str = include_str!("bare_tools.sh");
const REPOSITORY: &str = "bench/shop";
/// How long a turn may take before something is wrong.
const TURN: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs every benchmark once to see that it works; this one is not for that.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let rounds: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(10);
    let bench = Bench::set().await;
    let (mut slipway, mut script, mut pickups) = (Vec::new(), Vec::new(), Vec::new());
    let mut phases = Phases::default();
    // The first turn of each warms mirrors, caches and images, and is not counted.
    for round in 0..=rounds {
        let (whole, pickup, passed) = bench.by_slipway(round).await;
        let bare = bench.by_script(round).await;
        println!("turn {round:>2}: slipway {:>6} ms, script {:>6} ms", whole.as_millis(), bare.as_millis());
        if round > 0 {
            slipway.push(whole);
            script.push(bare);
            pickups.push(pickup);
            phases.add(passed);
        }
    }
    let (by_slipway, by_script) = (median(&mut slipway), median(&mut script));
    println!("pipeline, {rounds} turns each, medians:");
    println!("  slipway  {:>6} ms", by_slipway.as_millis());
    println!("  script   {:>6} ms", by_script.as_millis());
    println!("  ratio    {:.2}", by_slipway.as_secs_f64() / by_script.as_secs_f64());
    println!("delivery stored to first step started, {rounds} deliveries:");
    println!("  median   {:>6} ms", median(&mut pickups).as_millis());
    println!("  slowest  {:>6} ms", pickups.last().unwrap().as_millis());
    phases.print();
    bench.strike().await;
}

/// Where the time goes: by phase, in their order, the milliseconds of each turn.
#[derive(Default)]
struct Phases(BTreeMap<usize, (String, Vec<Duration>)>);

impl Phases {
    fn add(&mut self, passed: Vec<(String, Duration)>) {
        for (at, (name, took)) in passed.into_iter().enumerate() {
            self.0.entry(at).or_insert_with(|| (name, Vec::new())).1.push(took);
        }
    }

    fn print(self) {
        println!("where a pipeline's time goes, medians:");
        for (_, (name, mut times)) in self.0 {
            println!("  {:>6} ms  {name}", median(&mut times).as_millis());
        }
    }
}

/// The steps of a job in the order of their beginnings, each behind the pause before it.
fn steps(job: &Value, mut last: i64) -> (Vec<(String, Duration)>, i64) {
    let mut steps: Vec<&Value> = job["attempts"][0]["steps"].as_array().unwrap().iter().collect();
    steps.sort_by_key(|step| time(&step["started_at"]));
    let mut passed = Vec::new();
    for step in steps {
        let (kind, from, to) = (step["kind"].as_str().unwrap(), time(&step["started_at"]), time(&step["finished_at"]));
        passed.push((format!("before {kind}"), ms(from - last)));
        passed.push((kind.to_owned(), ms(to - from)));
        last = to;
    }
    (passed, last)
}

struct Bench {
    slipway: Slipway,
    hook: Webhook,
    git: GitRepository,
    registry: RegistryFixture,
    _caddy: CaddyFixture,
    _server: GitServer,
    _sweep: Sweep,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn set() -> Self {
        let (server, registry, caddy) =
            tokio::join!(GitServer::start(), RegistryFixture::open(), CaddyFixture::launch());
        let git = server.repository(REPOSITORY);
        let slipway = Setup::new()
            .with_runner()
            .with("SLIPWAY_PROXY_CADDY_ADMIN", &caddy.admin_url())
            .with("SLIPWAY_PROXY_LISTEN", &caddy.config().listen.join(","))
            .start()
            .await;
        let hook = slipway.connect(REPOSITORY, git.url()).await;
        let runner = fs::read_to_string(slipway.data_dir().join("runner/id")).unwrap();
        let sweep = Sweep { runner, repository: REPOSITORY.to_owned() };
        let folder = tempfile::tempdir().unwrap();
        Bench { slipway, hook, git, registry, _caddy: caddy, _server: server, _sweep: sweep, folder }
    }

    fn commit(&self, version: &str) -> String {
        let image = self.registry.image("bench/shop");
        let config = format!(
            "defaults: {{step_image: 'busybox:latest'}}\n\
             web:\n  build: Dockerfile\n  image: {image}\n  pre:\n    - sh render.sh\n    \
             - docker run --rm -v \"$PWD\":/app -w /app busybox:latest sh -c 'grep -c version www/index.html'\n  \
             test:\n    - docker run --rm -e STAGE=test {image} /serve check\n  \
             release: {{port: 8080, domain: bench.localhost, health: {{http: /health, interval: 100ms}}}}\n\
             environments:\n  dev: {{from: {{branch: main}}}}\n"
        );
        self.git.commit(
            "main",
            &[
                ("captain.yml", &config),
                ("Dockerfile", DOCKERFILE),
                ("serve", SERVE),
                ("render.sh", RENDER),
                ("VERSION", version),
                ("www/health", "ok\n"),
            ],
        )
    }

    /// From the delivery being sent to the release being live; from its being stored to the first step; and all phases.
    async fn by_slipway(&self, round: usize) -> (Duration, Duration, Vec<(String, Duration)>) {
        let commit = self.commit(&format!("slipway-{round}\n"));
        let mut events = self.events().await;
        let started = Instant::now();
        let answer = Push::to_branch(REPOSITORY, "main", &commit).delivery().send(&self.hook).await.expect(202).json();
        let mut heard = String::new();
        while !heard.contains("event: release.live") {
            let left = TURN.saturating_sub(started.elapsed());
            let Ok(chunk) = tokio::time::timeout(left, events.chunk()).await else {
                panic!("nothing is live after {TURN:?}: {heard}\n{}", self.slipway.output());
            };
            heard.push_str(&String::from_utf8_lossy(&chunk.unwrap().expect("the stream goes on")));
            assert!(!heard.contains(".failed"), "{heard}");
        }
        let whole = started.elapsed();
        let delivery = self.get(&format!("/api/v1/deliveries/{}", answer["delivery"].as_str().unwrap())).await;
        let build = self.get(&format!("/api/v1/repositories/{REPOSITORY}/builds/{}", round + 1)).await;
        let stored = time(&delivery["received_at"]);
        let first = time(&build["attempts"][0]["steps"][0]["started_at"]);
        let release =
            self.get(&format!("/api/v1/repositories/{REPOSITORY}/environments/dev/releases/{}", round + 1)).await;
        let (mut passed, built) = steps(&build, stored);
        let (rolled, last) = steps(&release, built);
        passed.extend(rolled);
        passed.push(("before live".to_owned(), ms(time(&release["finished_at"]) - last)));
        (whole, ms(first - stored), passed)
    }

    async fn by_script(&self, round: usize) -> Duration {
        let commit = self.commit(&format!("script-{round}\n"));
        let workspace = self.folder.path().join(format!("script-{round}"));
        let started = Instant::now();
        let output = Command::new("sh")
            .args(["-eu", "-c", BARE_TOOLS])
            .env("CLONE_URL", self.git.url())
            .env("IMAGE", self.registry.image("bench/script"))
            .env("COMMIT", commit)
            .env("WORKSPACE", &workspace)
            .env("NAME", container())
            .output()
            .await
            .unwrap();
        let took = started.elapsed();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        took
    }

    /// Every event from now on, as text.
    async fn events(&self) -> reqwest::Response {
        http_client()
            .get(format!("{}/api/v1/events", self.slipway.url()))
            .bearer_auth(self.slipway.token())
            .header("accept", "text/event-stream")
            .send()
            .await
            .unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.slipway.api().get(path).await.expect(200).json()
    }

    /// Takes the script's container and images off the engine; Slipway's are swept.
    async fn strike(mut self) {
        self.slipway.terminate().await;
        let _ = docker(&["rm", "-f", &container()]);
        for image in docker(&["images", "-q", &self.registry.image("bench/script")]) {
            let _ = docker(&["rmi", "-f", &image]);
        }
    }
}

/// The name of the script's container.
fn container() -> String {
    format!("slipway-bench-{}", std::process::id())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A span of milliseconds; what overlaps has none.
fn ms(span: i64) -> Duration {
    Duration::from_millis(u64::try_from(span).unwrap_or(0))
}

fn time(value: &Value) -> i64 {
    chrono::DateTime::parse_from_rfc3339(value.as_str().expect("a time")).expect("RFC 3339").timestamp_millis()
}
