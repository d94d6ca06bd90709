//! A proxy that starts empty while a rollout has its routes.

use std::time::Duration;

use slipway_pipelines::config::Strategy;
use slipway_runner::coordinator::{JobResult, Steering};
use slipway_tests::wait::until;
use tokio::time::Instant;

use super::{
    stage::{DOMAIN, Stage},
    steering::{Rollout, canary, paused, with_v1_live},
};

const PATIENCE: Duration = Duration::from_secs(60);

async fn serves_again(stage: &Stage) {
    until("visitors to be served again", PATIENCE, async || stage.ask(DOMAIN).await.ok().map(drop)).await;
}

/// Starts the switch, or both, with nothing in them.
async fn empties(stage: &mut Stage, both: bool) {
    if both {
        stage.caddy.stop();
    } else {
        stage.caddy.stop_switch();
    }
    stage.caddy.start().await;
}

#[tokio::test]
async fn a_proxy_that_starts_empty_in_a_canary_has_its_divided_route_again_also_while_it_is_paused() {
    let mut stage = with_v1_live(canary(600_000)).await;
    stage.publish("v2", true).await;
    let v2 = stage.web("v2");
    let rollout = Rollout::begin(&mut stage, vec![v2], Steering::default()).await;
    rollout.says("with 20 %", "watching for 600 s").await;
    let divided = stage.route("web").await;
    for steering in [Steering::default(), paused()] {
        rollout.recorder.steer(steering);
        for both in [false, true] {
            empties(&mut stage, both).await;
            serves_again(&stage).await;
            assert_eq!(stage.route("web").await, divided, "the share stays where it is");
        }
    }
    assert!(rollout.recorder.step("with 20 %").result.is_none(), "{}", rollout.recorder.transcript());
    rollout.recorder.steer(Steering { paused: None, passed: Some(1) });
    let recorder = rollout.recorder.clone();
    assert_eq!(rollout.end().await, JobResult::Live, "{}", recorder.transcript());
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v2"));
}

#[tokio::test]
async fn a_proxy_that_is_away_for_a_while_is_waited_for_and_is_no_verdict_on_a_canary() {
    let mut stage = with_v1_live(canary(600_000)).await;
    stage.publish("v2", true).await;
    let v2 = stage.web("v2");
    let rollout = Rollout::begin(&mut stage, vec![v2], Steering::default()).await;
    rollout.says("with 20 %", "watching for 600 s").await;
    stage.caddy.stop();
    // Longer than any call to it is repeated by itself.
    let since = Instant::now();
    let waits = async || rollout.lease.hindrance().filter(|_| since.elapsed() > Duration::from_secs(3));
    let told = until("the rollout to wait for the proxy", PATIENCE, waits).await;
    assert!(told.starts_with("waiting for the proxy: the proxy cannot be reached"), "{told}");
    stage.caddy.start().await;
    until("it to go on", PATIENCE, async || rollout.lease.hindrance().is_none().then_some(())).await;
    serves_again(&stage).await;
    assert!(rollout.recorder.step("with 20 %").result.is_none(), "{}", rollout.recorder.transcript());
    rollout.recorder.steer(Steering { paused: None, passed: Some(1) });
    let recorder = rollout.recorder.clone();
    assert_eq!(rollout.end().await, JobResult::Live, "{}", recorder.transcript());
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v2"));
}

#[tokio::test]
async fn an_app_whose_turn_it_is_not_has_its_route_again_too() {
    let mut stage = with_v1_live(Strategy::BlueGreen { bake_ms: 600_000 }).await;
    stage.publish("v2", true).await;
    let mut v2 = stage.web("v2");
    v2.run.preview = Some("next.shop.test".to_owned());
    let rollout = Rollout::begin(&mut stage, vec![v2], Steering::default()).await;
    rollout.says("Look at release 2", "watching for 600 s").await;
    empties(&mut stage, false).await;
    serves_again(&stage).await;
    until("the preview to be served again", PATIENCE, async || stage.ask("next.shop.test").await.ok()).await;
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v1"), "nobody else meets it yet");
    rollout.recorder.steer(Steering { paused: None, passed: Some(2) });
    let recorder = rollout.recorder.clone();
    assert_eq!(rollout.end().await, JobResult::Live, "{}", recorder.transcript());
    assert!(stage.ask("next.shop.test").await.unwrap_err().starts_with("404"), "what was closed stays so");
}
