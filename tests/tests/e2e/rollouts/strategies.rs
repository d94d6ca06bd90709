//! The strategies other than rolling, on a real engine behind a real proxy under load.

use slipway_pipelines::config::{Latency, Limits, Strategy, Usage};
use slipway_pipelines::release::Probe;
use slipway_runner::coordinator::{StepKind, StepOutcome};
use slipway_tests::{engine_events::Census, house::LONG, load::Load, recorder::Recorder};

use super::{
    reason,
    stage::{DOMAIN, Stage},
};

fn canary(steps: &[u8], bake_ms: u64) -> Strategy {
    // On a busy machine, times say nothing of the version.
    let limits = Limits { max_latency: Some(Latency::Any), ..Limits::default() };
    Strategy::Canary { steps: steps.to_vec(), bake_ms, limits }
}

fn kinds(recorder: &Recorder) -> Vec<(StepKind, StepOutcome)> {
    recorder.steps().into_iter().map(|step| (step.declaration.kind, step.result.unwrap().outcome)).collect()
}

/// A place where v1 is live, and the next releases take this strategy.
async fn with_v1_live(strategy: Strategy) -> Stage {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let v1 = stage.web("v1");
    stage.strategy = strategy;
    stage.go_live(vec![v1]).await;
    stage
}

#[tokio::test]
async fn recreate_ends_the_old_before_the_new_starts() {
    let mut stage = with_v1_live(Strategy::Recreate).await;
    stage.publish("v2", true).await;
    stage.publish("sick", false).await;
    let (v2, sick) = (stage.web("v2"), stage.web("sick"));
    let recorder = stage.go_live(vec![v2]).await;
    let log = recorder.step("web").text();
    let place = |text: &str| log.rfind(text).unwrap_or_else(|| panic!("no {text:?} in\n{log}"));
    assert!(place("stopping the old") < place("starting replica 1"), "{log}");
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v2"));
    stage.assert_settled("recreated").await;

    let mut census = Census::of(stage.guard.id(), 2);
    let (result, _) = stage.release(vec![sick]).await;
    assert!(reason(result).contains("did not become healthy"));
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v2"), "the release before runs again");
    stage.assert_settled("after the return").await;
    let (_, most) = census.replaced(3).await;
    assert_eq!(most, 2, "on the way back, too, the one version ends before the other starts");
}

#[tokio::test]
async fn blue_green_switches_all_apps_at_once_without_losing_a_request() {
    let mut stage = with_v1_live(Strategy::BlueGreen { bake_ms: 0 }).await;
    stage.publish("v2", true).await;
    stage.publish("sick", false).await;
    let mut load = Load::start(&stage.caddy.url(), DOMAIN);
    let slow = Load::start(&format!("{}/cgi-bin/slow", stage.caddy.url()), DOMAIN);
    load.answers(50).await;
    let v2 = vec![stage.web("v2"), stage.app("api", "v2", Some("api.test"), 1)];
    let recorder = stage.go_live(v2).await;
    load.answers(50).await;
    stage.assert_settled("switched").await;
    let roll = (StepKind::Roll, StepOutcome::Succeeded);
    assert_eq!(
        kinds(&recorder),
        [
            (StepKind::Preflight, StepOutcome::Succeeded),
            roll,
            roll,
            (StepKind::Switch, StepOutcome::Succeeded),
            (StepKind::Cleanup, StepOutcome::Succeeded)
        ]
    );
    assert_eq!(stage.ask("api.test").await.as_deref(), Ok("v2"));

    let half_sick = vec![stage.web("v2"), stage.app("api", "sick", Some("api.test"), 1)];
    let (result, _) = stage.release(half_sick).await;
    assert!(reason(result).starts_with("api: replica 1 did not become healthy"));
    stage.assert_settled("nothing was switched").await;
    let (answers, slow) = (load.finish().await, slow.finish().await);
    assert!(answers.failed.is_empty(), "{:?}", answers.failed);
    assert!(slow.failed.is_empty(), "{:?}", slow.failed);
    assert!(answers.good["v1"] > 0 && answers.good["v2"] > 0, "{:?}", answers.good);
}

#[tokio::test]
async fn a_good_canary_gets_more_and_more_and_then_all_without_losing_a_request() {
    let mut stage = with_v1_live(canary(&[10, 50], 1_500)).await;
    stage.publish("v2", true).await;
    let mut load = Load::start(&stage.caddy.url(), DOMAIN);
    load.answers(50).await;
    let v2 = stage.web("v2");
    let recorder = stage.go_live(vec![v2]).await;
    load.answers(50).await;
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{} of {} failed: {:?}", answers.failed.len(), answers.total(), answers.failed);
    stage.assert_settled("all of it").await;
    assert_eq!(stage.caddy.servers().await, ["slipway"], "nothing of the canary is left at the proxy");
    let steps: Vec<StepKind> = kinds(&recorder).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(steps, [StepKind::Preflight, StepKind::Canary, StepKind::Canary, StepKind::Roll, StepKind::Cleanup]);
    let log = recorder.step("with 10 %").text();
    assert!(log.contains("10 % of shop.test now leads to"), "{log}");
    assert!(log.contains("web: the new version: ") && log.contains("0.0 % of them 5xx"), "{log}");
}

#[tokio::test]
async fn a_canary_that_answers_with_errors_loses_its_traffic_and_is_rolled_back() {
    let mut stage = with_v1_live(canary(&[20], 600_000)).await;
    stage.publish_failing("broken").await;
    let mut load = Load::start(&stage.caddy.url(), DOMAIN);
    load.answers(50).await;
    let broken = stage.web("broken");
    let (result, recorder) = stage.release(vec![broken]).await;
    let reason = reason(result);
    assert!(
        reason.starts_with("at 20 % of the traffic, web: ") && reason.contains(" answers were 5xx (100.0 %;"),
        "{reason}"
    );
    stage.assert_settled("after the return").await;
    let failed = load.so_far().failed.len();
    load.answers(200).await;
    let answers = load.finish().await;
    assert_eq!(answers.failed.len(), failed, "nobody meets the broken version any more: {:?}", answers.failed);
    assert!(answers.failed.iter().all(|failed| failed.contains("500")), "{:?}", answers.failed);
    assert!(recorder.step("with 20 %").text().contains("the traffic is taken away"), "{}", recorder.transcript());
    assert_eq!(stage.caddy.servers().await, ["slipway"]);
}

#[tokio::test]
async fn canaries_that_do_not_answer_their_health_checks_keep_nobody_from_their_errors() {
    let mut stage = with_v1_live(canary(&[50], 600_000)).await;
    stage.publish_silent("silent").await;
    let mut silent = stage.app("web", "silent", Some(DOMAIN), 4);
    silent.run.health.probe = Probe::Http { path: "/cgi-bin/health".to_owned() };
    // To wait for one of them is to wait for longer than this test does.
    silent.run.health.timeout_ms = 3_600_000;
    let load = Load::gentle(&stage.caddy.url(), DOMAIN);
    let (result, _) = tokio::time::timeout(LONG, stage.release(vec![silent])).await.expect("nobody looks any more");
    let reason = reason(result);
    assert!(reason.contains(" answers were 5xx (100.0 %;"), "{reason}");
    stage.assert_settled("after the return").await;
    drop(load.finish().await);
}

#[tokio::test]
async fn a_canary_that_is_slower_than_the_stable_version_is_rolled_back_without_a_limit_of_its_own() {
    let strategy = Strategy::Canary { steps: vec![50], bake_ms: 600_000, limits: Limits::default() };
    let mut stage = with_v1_live(strategy).await;
    stage.publish_slow("slow").await;
    let load = Load::start(&stage.caddy.url(), DOMAIN);
    let slow = stage.web("slow");
    let (result, _) = stage.release(vec![slow]).await;
    let reason = reason(result);
    assert!(
        reason.starts_with("at 50 % of the traffic, web: the slowest twentieth of its answers took ")
            && reason.contains(", the stable version "),
        "{reason}"
    );
    stage.assert_settled("after the return").await;
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{:?}", answers.failed);
}

#[tokio::test]
async fn a_canary_that_eats_the_cpu_after_a_while_is_caught_and_nobody_else_notices() {
    let strategy = Strategy::Canary {
        steps: vec![50],
        bake_ms: 600_000,
        limits: Limits { max_cpu: Some(Usage::Percent(50.0)), max_latency: Some(Latency::Any), ..Limits::default() },
    };
    let reason = reason_against_a_hungry_one(strategy).await;
    assert!(reason.ends_with("% of its CPU (allowed 50 %)"), "{reason}");
}

/// The talk's disaster, by a captain.yml that says nothing of CPU.
#[tokio::test]
async fn a_canary_that_eats_the_cpu_is_caught_beside_the_stable_version_without_a_limit_of_its_own() {
    // On a busy machine, times say nothing of the version.
    let strategy = "{canary: [50%], bake: 1m, max_latency: off}".parse().unwrap();
    let reason = reason_against_a_hungry_one(strategy).await;
    assert!(reason.contains("% of its CPU (allowed 50 %, the stable version used "), "{reason}");
}

/// Why a version is not taken that eats all of its CPU once it serves; nobody else notices.
async fn reason_against_a_hungry_one(strategy: Strategy) -> String {
    let mut stage = with_v1_live(strategy).await;
    let load = Load::gentle(&stage.caddy.url(), DOMAIN);
    let mut hungry = stage.app("web", "v1", Some(DOMAIN), 1);
    let eats = "httpd -p 8080 -h /www; sleep 2; while :; do :; done";
    hungry.run.command = Some(["sh", "-c", eats].map(str::to_owned).to_vec());
    hungry.run.resources.cpus = Some(0.1);
    // It has no processor left to answer its health check with in time.
    hungry.run.health.timeout_ms = 60_000;
    let (result, _) = stage.release(vec![hungry]).await;
    let reason = reason(result);
    assert!(reason.starts_with("at 50 % of the traffic, web: replica 1 used "), "{reason}");
    stage.assert_settled("after the return").await;
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{:?}", answers.failed);
    reason
}

#[tokio::test]
async fn a_canary_that_ends_is_named_with_its_exit_code() {
    let mut stage = with_v1_live(canary(&[50], 600_000)).await;
    let mut mortal = stage.app("web", "v1", Some(DOMAIN), 1);
    mortal.run.command = Some(["sh", "-c", "httpd -p 8080 -h /www; sleep 3; exit 3"].map(str::to_owned).to_vec());
    let (result, _) = stage.release(vec![mortal]).await;
    let reason = reason(result);
    assert!(reason.starts_with("at 50 % of the traffic, web: replica 1 "), "{reason}");
    stage.assert_settled("after the return").await;
}

#[tokio::test]
async fn the_first_release_of_an_environment_needs_no_canary() {
    let mut stage = Stage::open().await;
    stage.strategy = canary(&[10], 600_000);
    stage.publish("v1", true).await;
    let v1 = stage.web("v1");
    let recorder = stage.go_live(vec![v1]).await;
    assert!(kinds(&recorder).iter().all(|(kind, _)| *kind != StepKind::Canary));
}
