//! A flood from one container step, stored whole by Slipway, against `docker logs -f` to a file (docs/BENCHMARKS.md).
//!
//! `cargo bench -p slipway-tests --bench flood -- 1000`; the number says how many megabytes (1,000).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first surprise and prints"
)]

use std::{
    collections::BTreeMap,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use slipway_runner::{
    AtShutdown, RunnerConfig, RunnerLimits,
    coordinator::{
        ClaimReply, ClaimRequest, Coordinator, CoordinatorError, Heartbeat, Hello, JobResult, KeptImages, LeaseKey,
        LogChunk, LogStream, Resumption, StepDeclaration, StepResult, Verdict, Work,
    },
};
use slipway_server::{builds::NewBuild, queue::ServerCoordinator};
use slipway_tests::{
    databases::TestDatabase,
    engine::{Sweep, docker},
    git_server::GitServer,
    pipeline::Pipeline,
};
use tokio::{process::Command, sync::watch};
use tokio_util::sync::CancellationToken;

const LINE: &str =
    "a line of about a hundred bytes, as builds write them by the thousand, with nothing in it to tell....";
/// How many of these lines a megabyte holds, about.
const BLOCK: u64 = 10_000;

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs every benchmark once to see that it works; this one is not for that.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let megabytes: u64 = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1000);
    // The container is to be fast: it makes a block of about a megabyte once, and writes that again and again.
    let lines = megabytes * BLOCK;
    let flood = format!("yes '{LINE}' | head -n {BLOCK} > /block; for i in $(seq {megabytes}); do cat /block; done");
    let folder = tempfile::tempdir().unwrap();
    let slipway = by_slipway(&flood, lines, folder.path()).await;
    let docker = by_docker(&flood, lines, folder.path()).await;
    println!("{megabytes} MB from one container, stored whole:");
    println!("  slipway         {:>7} ms", slipway.as_millis());
    println!("  docker logs -f  {:>7} ms", docker.as_millis());
    println!("  ratio           {:.2}", slipway.as_secs_f64() / docker.as_secs_f64());
    println!("  resident        {} MB at most, the server's store and the runner together", resident_megabytes());
}

/// The server's own coordinator over SQLite; it counts what was acknowledged.
struct Counting {
    server: ServerCoordinator,
    clone_url: String,
    lines: AtomicU64,
    /// When the flooding step began and ended.
    times: watch::Sender<(Option<Instant>, Option<Instant>)>,
}

const FLOODING: u32 = 1;

#[async_trait]
impl Coordinator for Counting {
    async fn register(&self, hello: Hello) -> Result<(), CoordinatorError> {
        self.server.register(hello).await
    }

    async fn resume(&self, lease: &LeaseKey) -> Result<Resumption, CoordinatorError> {
        self.server.resume(lease).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<ClaimReply, CoordinatorError> {
        let mut reply = self.server.claim(request).await?;
        if let ClaimReply::Work { lease } = &mut reply
            && let Work::Build(work) = &mut lease.work
        {
            work.clone_url.clone_from(&self.clone_url);
        }
        Ok(reply)
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<Vec<(LeaseKey, Verdict)>, CoordinatorError> {
        self.server.heartbeat(beat).await
    }

    async fn declare_steps(&self, lease: &LeaseKey, steps: Vec<StepDeclaration>) -> Result<(), CoordinatorError> {
        self.server.declare_steps(lease, steps).await
    }

    async fn start_step(&self, lease: &LeaseKey, index: u32) -> Result<(), CoordinatorError> {
        if index == FLOODING {
            self.times.send_modify(|times| times.0 = Some(Instant::now()));
        }
        self.server.start_step(lease, index).await
    }

    async fn append_log(&self, lease: &LeaseKey, index: u32, chunk: LogChunk) -> Result<(), CoordinatorError> {
        let lines = chunk.lines.iter().filter(|line| line.stream == LogStream::Out && line.text == LINE).count();
        self.server.append_log(lease, index, chunk).await?;
        self.lines.fetch_add(lines as u64, Ordering::Relaxed);
        Ok(())
    }

    async fn finish_step(&self, lease: &LeaseKey, index: u32, result: StepResult) -> Result<(), CoordinatorError> {
        self.server.finish_step(lease, index, result).await?;
        if index == FLOODING {
            self.times.send_modify(|times| times.1 = Some(Instant::now()));
        }
        Ok(())
    }

    async fn finish_job(&self, lease: &LeaseKey, result: JobResult) -> Result<(), CoordinatorError> {
        self.server.finish_job(lease, result).await
    }

    async fn kept_images(&self, question: KeptImages) -> Result<Vec<String>, CoordinatorError> {
        Ok(question.digests)
    }
}

async fn by_slipway(flood: &str, lines: u64, folder: &Path) -> Duration {
    let id = ulid::Ulid::generate().to_string();
    let _sweep = Sweep { runner: id.clone(), repository: "acme/shop".to_owned() };
    let git = GitServer::start().await;
    let repository = git.repository("flood");
    let captain = "web:\n  build: Dockerfile\n  image: flood.localhost/flood\n  push: false\n  \
                   pre: ['docker run --rm -v \"$PWD\":/app busybox:latest sh /app/flood.sh']\n";
    let files = [("captain.yml", captain), ("Dockerfile", "FROM busybox:latest\n"), ("flood.sh", flood)];
    let commit = repository.commit("main", &files);
    let pipeline = Pipeline::without_runner(TestDatabase::sqlite()).await;
    let counting = Arc::new(Counting {
        server: pipeline.coordinator.clone(),
        clone_url: repository.url().to_owned(),
        lines: AtomicU64::new(0),
        times: watch::Sender::new((None, None)),
    });
    pipeline.queue(&NewBuild { commit_sha: commit, ..pipeline.push("main", "a") }).await;
    let config = RunnerConfig {
        id,
        name: "flood".to_owned(),
        data_dir: folder.join("runner"),
        capacity: 1,
        labels: BTreeMap::new(),
        builds_only: true,
        internal_hosts: Vec::new(),
        step_hosts: Vec::new(),
        docker_host: None,
        proxy: None,
        at_shutdown: AtShutdown::HandBack,
        limits: RunnerLimits::default(),
    };
    let shutdown = CancellationToken::new();
    let runner = tokio::spawn(slipway_runner::run(config, counting.clone(), shutdown.clone()));
    let times = *counting.times.subscribe().wait_for(|times| times.1.is_some()).await.unwrap();
    shutdown.cancel();
    runner.await.unwrap().unwrap();
    assert_eq!(counting.lines.load(Ordering::Relaxed), lines, "every line is stored");
    let (Some(began), Some(ended)) = times else { panic!("it began and ended") };
    ended - began
}

async fn by_docker(flood: &str, lines: u64, folder: &Path) -> Duration {
    let path = folder.join("flood");
    let name = format!("slipway-bench-flood-{}", std::process::id());
    let began = Instant::now();
    let _ = docker(&["run", "-d", "--name", &name, "busybox:latest", "sh", "-c", flood]);
    let file = std::fs::File::create(&path).unwrap();
    let followed = Command::new("docker").args(["logs", "-f", &name]).stdout(file).stderr(Stdio::null()).status().await;
    let took = began.elapsed();
    let _ = docker(&["rm", "-f", &name]);
    assert!(followed.unwrap().success());
    assert_eq!(std::fs::metadata(&path).unwrap().len(), lines * (LINE.len() as u64 + 1));
    took
}

/// The most memory that this process has had.
fn resident_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    kilobytes / 1024
}
