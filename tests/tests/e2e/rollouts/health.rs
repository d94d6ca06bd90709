//! The ways in which an app can be asked whether it is ready, besides HTTP and a command; and one that has too little memory.

use std::time::Duration;

use slipway_pipelines::release::Probe;
use slipway_runner::coordinator::ReleasedApp;
use slipway_tests::{
    engine::{Sweep, docker},
    images::web_app,
    wait::until,
};

use super::{
    reason,
    stage::{DOMAIN, Stage},
};

/// The app with the image's own HEALTHCHECK, which looks for `/health`.
async fn publish_checked(stage: &mut Stage, version: &str, healthy: bool) {
    let mut files = web_app(version, healthy);
    for (_, text) in files.iter_mut().filter(|(path, _)| *path == "Dockerfile") {
        text.push_str("HEALTHCHECK --interval=500ms --retries=3 CMD wget -qO /dev/null http://127.0.0.1:8080/health\n");
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    stage.publish_files(version, &files).await;
}

fn asked_by(stage: &Stage, version: &str, probe: Probe, start_ms: u64) -> ReleasedApp {
    let mut app = stage.app("web", version, Some(DOMAIN), 1);
    app.run.health.probe = probe;
    app.run.health.start_ms = start_ms;
    app
}

#[tokio::test]
async fn the_images_own_healthcheck_says_whether_it_is_ready() {
    let mut stage = Stage::open().await;
    publish_checked(&mut stage, "v1", true).await;
    publish_checked(&mut stage, "sick", false).await;
    let well = asked_by(&stage, "v1", Probe::Container, 60_000);
    stage.go_live(vec![well]).await;
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v1"));
    let sick = asked_by(&stage, "sick", Probe::Container, 6_000);
    let (result, _) = stage.release(vec![sick]).await;
    let reason = reason(result);
    assert!(reason.starts_with("web: replica 1 did not become healthy"), "{reason}");
    stage.assert_settled("after the return").await;
}

/// The engine answers a stop when the container has ended, and nobody holds the line for longer than two minutes.
#[tokio::test]
async fn a_container_that_may_take_hours_to_end_is_asked_by_its_own_signal() {
    let stage = Stage::open().await;
    let name = stage.names().container("worker", 1, 1);
    let _sweep = Sweep { runner: name.clone(), repository: name.clone() };
    let work = "trap 'exit 7' USR1; echo ready; while :; do sleep 0.1; done";
    let label = format!("slipway.runner={name}");
    let run = ["run", "-d", "--name", &name, "--label", &label, "--restart", "unless-stopped", "--stop-signal", "USR1"];
    docker(&[&run[..], &["busybox:latest", "sh", "-c", work]].concat());
    let is_ready = async || (docker(&["logs", &name]) == ["ready"]).then_some(());
    until("the trap to be set", Duration::from_secs(60), is_ready).await;
    stage.target().stop(&name, Duration::from_secs(3 * 3_600)).await.unwrap();
    let state = docker(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}", &name]);
    assert_eq!(state, ["exited 7 0"], "it ended by itself, and stays so");
    stage.target().stop(&name, Duration::from_secs(3 * 3_600)).await.unwrap();
}

#[tokio::test]
async fn a_port_that_takes_connections_says_that_it_is_ready() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let well = asked_by(&stage, "v1", Probe::Tcp, 60_000);
    stage.go_live(vec![well]).await;
    let mut deaf = asked_by(&stage, "v1", Probe::Tcp, 3_000);
    deaf.run.command = Some(["sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"].map(str::to_owned).to_vec());
    let (result, _) = stage.release(vec![deaf]).await;
    let reason = reason(result);
    assert!(reason.starts_with("web: replica 1 did not become healthy within 3 s"), "{reason}");
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v1"));
}

#[tokio::test]
async fn a_canary_that_runs_out_of_memory_is_rolled_back() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let v1 = stage.app("web", "v1", Some(DOMAIN), 1);
    stage.go_live(vec![v1.clone()]).await;
    let canary = serde_json::json!({"strategy": "canary", "steps": [50], "bake_ms": 600_000});
    stage.strategy = serde_json::from_value(canary).unwrap();
    let mut greedy = v1;
    // It reads a line that never ends.
    let eats = "httpd -p 8080 -h /www; sleep 3; exec tail -n 1 /dev/zero";
    greedy.run.command = Some(["sh", "-c", eats].map(str::to_owned).to_vec());
    greedy.run.resources.memory = Some(16 * 1024 * 1024);
    let (result, _) = stage.release(vec![greedy]).await;
    let reason = reason(result);
    assert!(reason.starts_with("at 50 % of the traffic, web: replica 1 "), "{reason}");
    assert!(reason.contains("ran out of memory") || reason.contains("ended with exit code 137"), "{reason}");
    stage.assert_settled("after the return").await;
}
