//! Rollouts that people pause, let go on and hurry, on a real engine behind a real proxy.

use std::{sync::Arc, time::Duration};

use slipway_pipelines::config::{Latency, Limits, Strategy};
use slipway_runner::{
    coordinator::{JobResult, ReleasedApp, Steering},
    lease::HeldLease,
    rollouts,
};
use slipway_tests::{load::Load, recorder::Recorder, wait::until};
use tokio::{task::JoinHandle, time::Instant};

use super::{
    reason,
    stage::{DOMAIN, Stage},
};

const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn canary(bake_ms: u64) -> Strategy {
    let limits = Limits { max_latency: Some(Latency::Any), ..Limits::default() };
    Strategy::Canary { steps: vec![20], bake_ms, limits }
}

pub(super) fn paused() -> Steering {
    Steering { paused: Some("paused by ada: looking".to_owned()), passed: None }
}

/// A rollout on its way.
pub(super) struct Rollout {
    running: JoinHandle<JobResult>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) lease: HeldLease,
}

impl Rollout {
    pub(super) async fn begin(stage: &mut Stage, apps: Vec<ReleasedApp>, steering: Steering) -> Self {
        let work = stage.work(apps);
        let means = stage.means();
        means.recorder.steer(steering);
        let (context, recorder) = (stage.context(&means), means.recorder.clone());
        let lease = context.reporter.lease().clone();
        Rollout { running: tokio::spawn(async move { rollouts::execute(&work, &context).await }), recorder, lease }
    }

    /// Waits until the step whose name contains `step` has said `text`.
    pub(super) async fn says(&self, step: &str, text: &str) {
        until(&format!("{step} to say {text}"), PATIENCE, async || {
            let steps = self.recorder.steps();
            let named = steps.iter().find(|recorded| recorded.declaration.name.contains(step))?;
            named.text().contains(text).then_some(())
        })
        .await;
    }

    pub(super) async fn end(self) -> JobResult {
        self.running.await.unwrap()
    }
}

pub(super) async fn with_v1_live(strategy: Strategy) -> Stage {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let v1 = stage.web("v1");
    stage.go_live(vec![v1]).await;
    stage.strategy = strategy;
    stage
}

/// A canary that has its 20 % and is paused there.
async fn with_v2_paused_at_its_share() -> (Stage, Rollout) {
    let mut stage = with_v1_live(canary(600_000)).await;
    stage.publish("v2", true).await;
    let v2 = stage.web("v2");
    let rollout = Rollout::begin(&mut stage, vec![v2], Steering::default()).await;
    rollout.says("with 20 %", "watching for").await;
    rollout.recorder.steer(paused());
    rollout.says("with 20 %", "paused by ada").await;
    (stage, rollout)
}

#[tokio::test]
async fn the_bake_of_a_paused_canary_stands_still_and_can_be_passed_over() {
    let bake = Duration::from_secs(8);
    let mut stage = with_v1_live(canary(8_000)).await;
    stage.publish("v2", true).await;
    let v2 = stage.web("v2");
    let load = Load::gentle(&stage.caddy.url(), DOMAIN);
    let rollout = Rollout::begin(&mut stage, vec![v2], Steering::default()).await;
    rollout.says("with 20 %", "watching for 8 s").await;
    let since = Instant::now();
    rollout.recorder.steer(paused());
    rollout.says("with 20 %", "paused by ada: looking; everything stays as it is").await;
    let share = || async { stage.route("web").await.unwrap().canary.map(|canary| canary.share) };
    until("the bake to be over if it went on", PATIENCE, async || (since.elapsed() > bake).then_some(())).await;
    assert_eq!(share().await, Some(20), "the share stays where it is");
    assert!(rollout.recorder.step("with 20 %").result.is_none(), "{}", rollout.recorder.transcript());

    // What is left of it is not waited for.
    rollout.recorder.steer(Steering { paused: None, passed: Some(1) });
    let recorder = rollout.recorder.clone();
    assert_eq!(rollout.end().await, JobResult::Live, "{}", recorder.transcript());
    let log = recorder.step("with 20 %").text();
    assert!(log.contains("resumed; ") && log.contains(" of the time are left"), "{log}");
    assert!(log.contains("the rest of the time is passed over on request"), "{log}");
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{:?}", answers.failed);
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v2"));
    assert_eq!(stage.caddy.servers().await, ["slipway"]);
}

#[tokio::test]
async fn a_paused_canary_that_breaks_returns_all_the_same() {
    let (stage, rollout) = with_v2_paused_at_its_share().await;
    let instances = stage.instances().await;
    let new = instances.iter().find(|it| Some(&it.release) != stage.live.as_ref().map(|live| &live.release)).unwrap();
    stage.engine.kill_container(&new.name, None).await.unwrap();
    let reason = reason(rollout.end().await);
    assert!(reason.starts_with("at 20 % of the traffic, web: replica 1 "), "{reason}");
    stage.assert_settled("after the return").await;
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v1"));
}

#[tokio::test]
async fn what_is_live_is_kept_well_while_a_rollout_is_paused() {
    let (stage, rollout) = with_v2_paused_at_its_share().await;
    let live = stage.live.as_ref().unwrap().release.clone();
    let old: Vec<_> = stage.instances().await.into_iter().filter(|it| it.release == live).collect();
    stage.engine.kill_container(&old[0].name, None).await.unwrap();
    rollout.says("with 20 %", "had ended, and was started again").await;
    until("the route to lead to both again", PATIENCE, async || {
        let now = stage.instances().await;
        let serving: Vec<_> = now.iter().filter(|it| it.release == live).filter_map(|it| it.upstream.clone()).collect();
        let route = stage.route("web").await?;
        (serving.len() == 2 && serving.iter().all(|up| route.upstreams.contains(up))).then_some(())
    })
    .await;
    rollout.recorder.steer(Steering { paused: None, passed: Some(1) });
    let recorder = rollout.recorder.clone();
    assert_eq!(rollout.end().await, JobResult::Live, "{}", recorder.transcript());
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v2"));
}

#[tokio::test]
async fn a_rolling_release_stands_still_between_its_steps_and_can_be_ended_there() {
    let mut stage = with_v1_live(Strategy::default()).await;
    stage.publish("v2", true).await;
    let v2 = stage.web("v2");
    let rollout = Rollout::begin(&mut stage, vec![v2.clone()], paused()).await;
    rollout.says("Check", "paused by ada").await;
    assert_eq!(stage.instances().await.len(), 2, "nothing of it has begun");
    rollout.recorder.steer(Steering::default());
    let recorder = rollout.recorder.clone();
    assert_eq!(rollout.end().await, JobResult::Live, "{}", recorder.transcript());
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v2"));
}

#[tokio::test]
async fn a_blue_green_release_is_looked_at_under_its_preview_before_everybody_meets_it() {
    let mut stage = with_v1_live(Strategy::BlueGreen { bake_ms: 600_000 }).await;
    stage.publish("v2", true).await;
    let mut v2 = stage.web("v2");
    v2.run.preview = Some("next.shop.test".to_owned());
    let rollout = Rollout::begin(&mut stage, vec![v2], Steering::default()).await;
    rollout.says("Look at release 2", "watching for 600 s").await;
    assert_eq!(stage.ask("next.shop.test").await.as_deref(), Ok("v2"));
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v1"), "nobody else meets it yet");
    rollout.recorder.steer(paused());
    rollout.says("Look at release 2", "paused by ada").await;
    rollout.recorder.steer(Steering { paused: None, passed: Some(2) });
    let recorder = rollout.recorder.clone();
    assert_eq!(rollout.end().await, JobResult::Live, "{}", recorder.transcript());
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v2"));
    assert!(stage.ask("next.shop.test").await.unwrap_err().starts_with("404"), "the preview is over");
}
