//! The runner's own life, apart from what it builds: heartbeats and its end.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use slipway_runner::{
    AtShutdown, RunnerConfig, RunnerError, RunnerLimits,
    coordinator::{BuildSource, BuildTask, BuildWork, JobResult, Work},
};
use slipway_tests::{databases::TestDatabase, pipeline::Pipeline, server_model::ServerModel};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// How long a job of a runner without an engine lasts: so long it waits for one.
const JOB: Duration = Duration::from_secs(5);
/// Shorter than the job, and long enough for a heartbeat to come late on a busy machine.
const LEASE_MS: u64 = 3_000;

fn without_engine(data: &TempDir, name: &str) -> RunnerConfig {
    RunnerConfig {
        id: ulid::Ulid::generate().to_string(),
        name: name.to_owned(),
        data_dir: data.path().to_owned(),
        capacity: 1_000,
        labels: BTreeMap::new(),
        builds_only: false,
        internal_hosts: Vec::new(),
        step_hosts: Vec::new(),
        docker_host: Some(format!("unix://{}", data.path().join("nowhere.sock").display())),
        proxy: None,
        at_shutdown: AtShutdown::HandBack,
        limits: RunnerLimits { engine_return: JOB, ..RunnerLimits::default() },
    }
}

pub(super) fn some_build() -> Work {
    Work::Build(BuildWork {
        build: "build".to_owned(),
        number: 1,
        repository: "repository".to_owned(),
        repository_name: "shop/web".to_owned(),
        clone_url: "https://forge.example/shop/web.git".to_owned(),
        default_branch: "main".to_owned(),
        git_ref: "refs/heads/main".to_owned(),
        commit: "a".repeat(40),
        event: "push".to_owned(),
        before: None,
        author: "Ada <ada@example.com>".to_owned(),
        message: "A change".to_owned(),
        source: BuildSource::Own,
        task: BuildTask::Build,
        known: Vec::new(),
        time_limit: None,
        pull_request: None,
        earlier: None,
        witness: None,
        signing_key: None,
        has_login: false,
    })
}

#[tokio::test]
async fn a_lease_is_kept_while_other_jobs_come_one_after_the_other() {
    let data = tempfile::tempdir().unwrap();
    let server = ServerModel::new();
    let shutdown = CancellationToken::new();
    let runner = tokio::spawn(slipway_runner::run(without_engine(&data, "busy"), server.clone(), shutdown.clone()));
    // The lease is shorter than the job: only heartbeats can keep it.
    server.queue("long", LEASE_MS, some_build(), vec![]);
    let others = tokio::spawn({
        let server = server.clone();
        async move {
            for number in 0.. {
                server.queue(&format!("other {number}"), LEASE_MS, some_build(), vec![]);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    let limit = Duration::from_secs(30);
    let long = server.wait_for("long", limit, |record| record.result.is_some()).await;
    assert!(matches!(long.result, Some(JobResult::Failed { .. })), "{long:?}");
    others.abort();
    shutdown.cancel();
    runner.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_runner_that_is_refused_ends_alone() {
    let data = tempfile::tempdir().unwrap();
    let server = Pipeline::without_runner(TestDatabase::sqlite()).await;
    let host = CancellationToken::new();
    let config = without_engine(&data, &"endless ".repeat(100));
    let ended = slipway_runner::run(config, Arc::new(server.coordinator.clone()), host.clone()).await;
    assert!(matches!(ended, Err(RunnerError::Refused { .. })), "{ended:?}");
    assert!(!host.is_cancelled(), "it took the server that it lives in along");
}
