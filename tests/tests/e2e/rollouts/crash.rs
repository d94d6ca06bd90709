//! Rollouts that are cut off where a crash could cut them off, and are run again.
//!
//! The points are those before and behind every change at the engine, every change at the proxy and every report. The
//! whole row takes minutes; what runs by default takes every fifth of them, the ignored tests take all.

use std::sync::Arc;

use slipway_pipelines::config::{Latency, Limits, Strategy};
use slipway_runner::{
    coordinator::{JobResult, ReleasedApp, RolloutWork},
    engine::Engine,
    proxy::Proxy,
    rollouts,
};
use slipway_tests::{
    crashes::{EngineTap, FusedProxy},
    fuse::Fuse,
    load::Load,
    recorder::Recorder,
};

use super::{
    secrets,
    stage::{DOMAIN, Means, Stage},
};

/// Runs the work until it ends or the fuse blows; none when it was cut off.
pub(super) async fn run_with(stage: &Stage, work: &RolloutWork, fuse: &Fuse) -> Option<JobResult> {
    let tap = EngineTap::open(stage.engine.address(), fuse);
    let inner: Arc<dyn Proxy> = Arc::new(stage.caddy.client());
    let means = Means {
        engine: Engine::connect(Some(&tap.address())).await.unwrap(),
        proxy: Arc::new(FusedProxy::new(inner, fuse.clone())),
        recorder: Recorder::with_fuse(fuse.clone()),
        ..stage.means()
    };
    fuse.burn(rollouts::execute(work, &stage.context(&means))).await
}

/// Releases `apps` again and again, each time cut off at a later point and then run again, until one run is through
/// before its point comes. Every second run must end as `expected`, with the environment settled and no request lost.
async fn cut_off(stage: &mut Stage, apps: &[ReleasedApp], stride: usize, expected: fn(&JobResult) -> bool) {
    let load = Load::gentle(&stage.caddy.url(), DOMAIN);
    cut_off_unvisited(stage, apps, stride, expected).await;
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{} of {} failed: {:?}", answers.failed.len(), answers.total(), answers.failed);
}

/// The same where nobody visits meanwhile.
async fn cut_off_unvisited(stage: &mut Stage, apps: &[ReleasedApp], stride: usize, expected: fn(&JobResult) -> bool) {
    let mut last = None;
    for point in (0..).step_by(stride) {
        let work = stage.work(apps.to_vec());
        let through = run_with(stage, &work, &Fuse::after(point)).await;
        last = through.is_some().then_some(point);
        let means = stage.means();
        let result = match through {
            Some(result) => result,
            None => rollouts::execute(&work, &stage.context(&means)).await,
        };
        assert!(expected(&result), "cut off at point {point}: {result:?}\n{}", means.recorder.transcript());
        if result == JobResult::Live {
            stage.live = Some(work.release);
        }
        stage.assert_settled(&format!("cut off at point {point}")).await;
        if last.is_some() {
            break;
        }
    }
    assert!(last > Some(25), "only {last:?} points were there to cut off at");
}

async fn go_live_cut_off(stride: usize) {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let mut web = stage.web("v1");
    secrets::give(&mut stage, &mut web);
    stage.go_live(vec![web.clone()]).await;
    cut_off(&mut stage, &[web], stride, |result| *result == JobResult::Live).await;
}

/// One app changes, the next one does not become healthy: both return.
async fn return_cut_off(stride: usize) {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    stage.publish("v2", true).await;
    stage.publish("sick", false).await;
    let before = vec![stage.app("api", "v1", Some(DOMAIN), 1), stage.app("web", "v1", None, 1)];
    let mut sick = stage.app("web", "sick", None, 1);
    sick.run.health.start_ms = 300;
    let after = [stage.app("api", "v2", Some(DOMAIN), 1), sick];
    stage.go_live(before).await;
    cut_off(&mut stage, &after, stride, |result| matches!(result, JobResult::Failed { .. })).await;
}

#[tokio::test]
async fn a_rollout_that_was_cut_off_goes_live_when_it_is_run_again() {
    go_live_cut_off(5).await;
}

#[tokio::test]
async fn a_failing_rollout_that_was_cut_off_returns_when_it_is_run_again() {
    return_cut_off(5).await;
}

#[tokio::test]
async fn a_canary_that_was_cut_off_goes_live_when_it_is_run_again() {
    canary_cut_off(12).await;
}

#[tokio::test]
#[ignore = "takes minutes: every point instead of every twelfth"]
async fn a_canary_that_was_cut_off_anywhere_goes_live_when_it_is_run_again() {
    canary_cut_off(1).await;
}

async fn canary_cut_off(stride: usize) {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let v1 = stage.web("v1");
    stage.go_live(vec![v1.clone()]).await;
    stage.strategy = Strategy::Canary {
        steps: vec![25],
        bake_ms: 100,
        limits: Limits { max_latency: Some(Latency::Any), ..Limits::default() },
    };
    cut_off(&mut stage, &[v1], stride, |result| *result == JobResult::Live).await;
    assert_eq!(stage.caddy.servers().await, ["slipway"]);
}

#[tokio::test]
async fn a_blue_green_release_that_was_cut_off_goes_live_when_it_is_run_again() {
    blue_green_cut_off(8).await;
}

#[tokio::test]
#[ignore = "takes minutes: every point instead of every eighth"]
async fn a_blue_green_release_that_was_cut_off_anywhere_goes_live_when_it_is_run_again() {
    blue_green_cut_off(1).await;
}

async fn blue_green_cut_off(stride: usize) {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let apps = [stage.app("web", "v1", Some(DOMAIN), 1), stage.app("api", "v1", Some("api.test"), 1)];
    stage.go_live(apps.to_vec()).await;
    stage.strategy = Strategy::BlueGreen { bake_ms: 0 };
    cut_off(&mut stage, &apps, stride, |result| *result == JobResult::Live).await;
}

#[tokio::test]
async fn a_recreated_release_that_was_cut_off_goes_live_when_it_is_run_again() {
    recreate_cut_off(8).await;
}

#[tokio::test]
#[ignore = "takes minutes: every point instead of every eighth"]
async fn a_recreated_release_that_was_cut_off_anywhere_goes_live_when_it_is_run_again() {
    recreate_cut_off(1).await;
}

/// Between the old and the new nobody serves, by intention: visitors would only see that.
async fn recreate_cut_off(stride: usize) {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let web = stage.web("v1");
    stage.go_live(vec![web.clone()]).await;
    stage.strategy = Strategy::Recreate;
    cut_off_unvisited(&mut stage, &[web], stride, |result| *result == JobResult::Live).await;
}

#[tokio::test]
#[ignore = "takes minutes: every point instead of every fifth"]
async fn a_rollout_that_was_cut_off_anywhere_goes_live_when_it_is_run_again() {
    go_live_cut_off(1).await;
}

#[tokio::test]
#[ignore = "takes minutes: every point instead of every fifth"]
async fn a_failing_rollout_that_was_cut_off_anywhere_returns_when_it_is_run_again() {
    return_cut_off(1).await;
}
