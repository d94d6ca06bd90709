//! What a claim costs while ten thousand builds wait, on both databases: docs/BENCHMARKS.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::panic, reason = "a benchmark")]

use std::time::{Duration, Instant};

use slipway_runner::coordinator::{Coordinator, JobResult};
use slipway_server::{
    builds::{NewBuild, create},
    ids::RepositoryId,
    queue::limit_builds,
    store::repositories::{self, NewRepository},
};
use slipway_tests::{databases::TestDatabase, pipeline::Pipeline};

const WAITING: usize = 10_000;
const CLAIMS: usize = 500;

#[tokio::main]
async fn main() {
    for repositories in [1, 100, 1_000] {
        measure("SQLite", TestDatabase::sqlite(), repositories).await;
        measure("PostgreSQL", TestDatabase::postgres().await, repositories).await;
    }
}

async fn measure(engine: &str, database: TestDatabase, repositories: usize) {
    let pipeline = Pipeline::new(database).await;
    limit_builds(&pipeline.store, 8).await.unwrap();
    for number in 0..repositories {
        fill(&pipeline, number, WAITING / repositories).await;
    }
    let mut times = Vec::with_capacity(CLAIMS);
    for _ in 0..CLAIMS {
        let start = Instant::now();
        let lease = pipeline.claim().await.key;
        times.push(start.elapsed());
        let ended = JobResult::Failed { reason: "the benchmark says so".to_owned() };
        pipeline.coordinator.finish_job(&lease, ended).await.unwrap();
    }
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let (median, p99) = (ms(times[CLAIMS / 2]), ms(times[CLAIMS * 99 / 100]));
    println!("{engine}: {WAITING} builds of {repositories} repositories: median {median:.2} ms, p99 {p99:.2} ms");
}

/// Connects a repository and queues builds of it, all in one transaction.
async fn fill(pipeline: &Pipeline, number: usize, builds: usize) {
    let mut tx = pipeline.store.write().await.unwrap();
    let new = NewRepository {
        id: RepositoryId::new(),
        name: format!("acme/{number}"),
        clone_url: "https://forge.example/acme/one.git".to_owned(),
        default_branch: "main".to_owned(),
        hook_id: format!("hook {number}"),
        hook_secret: vec![1],
    };
    let repository = repositories::connect(&mut tx, &new).await.unwrap().id;
    for build in 0..builds {
        let new = NewBuild { repository: repository.clone(), ..pipeline.push(&format!("topic-{build}"), "a") };
        create(&mut tx, &new).await.unwrap();
    }
    tx.commit().await.unwrap();
}
