//! Releases on a real engine behind a real proxy: they take over without losing a request, and return by themselves.

mod commands;
mod crash;
mod emptied;
mod health;
mod https;
mod pace;
mod paths;
mod proxy;
mod recreated;
mod secrets;
mod stage;
mod steering;
mod strategies;

use std::time::Duration;

use slipway_pipelines::release::{Probe, Volume};
use slipway_runner::{
    coordinator::{JobResult, StepKind, StepOutcome},
    proxy::Proxy,
    rollouts,
};
use slipway_tests::{
    images,
    load::{Load, ask, client},
    registry::RegistryFixture,
};
use stage::{DOMAIN, Stage};

fn reason(result: JobResult) -> String {
    match result {
        JobResult::Failed { reason } => reason,
        other => panic!("the rollout did not fail: {other:?}"),
    }
}

#[tokio::test]
async fn a_first_release_is_fetched_with_the_registrys_login_and_serves_under_its_domain() {
    let mut stage = Stage::with(RegistryFixture::protected().await).await;
    stage.publish("v1", true).await;
    let reference = stage.reference("v1");
    images::forget(&stage.engine, &format!("{}:v1", stage.registry.image("shop/web"))).await;
    images::forget(&stage.engine, &reference).await;
    assert!(stage.engine.inspect_image(&reference).await.is_err(), "the engine has to fetch the image");

    let mut web = stage.web("v1");
    web.run.env.insert("GREETING".to_owned(), "hello".to_owned());
    web.run.resources.memory = Some(64 * 1024 * 1024);
    web.run.volumes = vec![Volume { name: "uploads".to_owned(), path: "/data".to_owned() }];
    let recorder = stage.go_live(vec![web]).await;
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v1"));
    let unknown = stage.ask("nobody.test").await.unwrap_err();
    assert_eq!(unknown, "404 Not Found No app is released under this host name.\n");
    stage.assert_settled("the first release").await;

    let kinds: Vec<StepKind> = recorder.steps().iter().map(|step| step.declaration.kind).collect();
    assert_eq!(kinds, [StepKind::Preflight, StepKind::Roll, StepKind::Cleanup]);
    for step in recorder.steps() {
        assert_eq!(step.result.map(|result| result.outcome), Some(StepOutcome::Succeeded), "{}", recorder.transcript());
    }
    assert!(recorder.step("web").text().contains("replica 2 is healthy"), "{}", recorder.transcript());

    let name = &stage.instances().await[0].name;
    let found = stage.engine.inspect_container(name, None).await.unwrap();
    let host = found.host_config.unwrap();
    assert_eq!(host.restart_policy.unwrap().name.unwrap().to_string(), "unless-stopped");
    assert_eq!(host.security_opt.unwrap(), ["no-new-privileges"]);
    assert_eq!(host.memory, Some(64 * 1024 * 1024));
    assert!(found.config.unwrap().env.unwrap().contains(&"GREETING=hello".to_owned()));
    let mounted: Vec<_> = found.mounts.unwrap().into_iter().map(|mount| (mount.name, mount.destination)).collect();
    assert_eq!(mounted, [(Some(stage.names().volume("uploads")), Some("/data".to_owned()))]);
    let networks = found.network_settings.unwrap().networks.unwrap();
    let aliases = networks[&stage.names().network()].aliases.clone().unwrap();
    assert!(aliases.contains(&"web".to_owned()), "an app is reached by its name: {aliases:?}");
}

#[tokio::test]
async fn a_second_release_takes_over_under_load_without_losing_a_request() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    stage.publish("v2", true).await;
    let (v1, v2) = (stage.web("v1"), stage.web("v2"));
    stage.go_live(vec![v1]).await;

    let mut load = Load::start(&stage.caddy.url(), DOMAIN);
    let slow = Load::start(&format!("{}/cgi-bin/slow", stage.caddy.url()), DOMAIN);
    load.answers(50).await;
    stage.go_live(vec![v2]).await;
    load.answers(50).await;

    let (answers, slow) = (load.finish().await, slow.finish().await);
    assert!(answers.failed.is_empty(), "{} of {} failed: {:?}", answers.failed.len(), answers.total(), answers.failed);
    assert!(slow.failed.is_empty(), "{} slow ones of {} failed: {:?}", slow.failed.len(), slow.total(), slow.failed);
    assert!(answers.good["v1"] > 0 && answers.good["v2"] > 0, "{:?}", answers.good);
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v2"));
    stage.assert_settled("the second release").await;
}

#[tokio::test]
async fn a_sick_version_returns_by_itself_and_the_old_one_serves_throughout() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    stage.publish("sick", false).await;
    let (v1, sick) = (stage.web("v1"), stage.web("sick"));
    stage.go_live(vec![v1]).await;

    let mut load = Load::start(&stage.caddy.url(), DOMAIN);
    let (result, recorder) = stage.release(vec![sick]).await;
    assert_eq!(reason(result), "web: replica 1 did not become healthy within 3 s: GET /health answered 404");
    load.answers(50).await;
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{:?}", answers.failed);
    assert_eq!(answers.good.keys().collect::<Vec<_>>(), ["v1"], "a sick version never gets a request");
    stage.assert_settled("after the return").await;

    let outcomes: Vec<_> =
        recorder.steps().into_iter().map(|step| (step.declaration.kind, step.result.unwrap().outcome)).collect();
    assert_eq!(
        outcomes,
        [
            (StepKind::Preflight, StepOutcome::Succeeded),
            (StepKind::Roll, StepOutcome::Failed),
            (StepKind::Cleanup, StepOutcome::Skipped),
            (StepKind::Return, StepOutcome::Succeeded),
        ]
    );
    assert!(recorder.step("web").text().contains("serving"), "its last lines: {}", recorder.transcript());
}

#[tokio::test]
async fn an_app_that_was_changed_already_returns_with_the_one_that_failed() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    stage.publish("v2", true).await;
    stage.publish("sick", false).await;
    let before = vec![stage.app("api", "v1", Some("api.test"), 2), stage.app("web", "v1", Some(DOMAIN), 1)];
    let after = vec![stage.app("api", "v2", Some("api.test"), 1), stage.app("web", "sick", Some(DOMAIN), 1)];
    stage.go_live(before).await;

    let load = Load::start(&stage.caddy.url(), "api.test");
    let (result, recorder) = stage.release(after).await;
    assert!(reason(result).starts_with("web: replica 1 "), "{}", recorder.transcript());
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{:?}", answers.failed);
    assert!(answers.good.contains_key("v2"), "the api had changed before: {:?}", answers.good);
    assert_eq!(stage.ask("api.test").await.as_deref(), Ok("v1"));
    stage.assert_settled("after the return").await;
}

#[tokio::test]
async fn a_container_that_ends_fails_at_once_with_its_code_and_its_last_lines() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let mut broken = stage.app("web", "v1", Some(DOMAIN), 1);
    broken.run.command = Some(["sh", "-c", "echo no database >&2; exit 7"].map(str::to_owned).to_vec());
    broken.run.health.start_ms = 60_000;
    let (result, recorder) = stage.release(vec![broken]).await;
    assert_eq!(
        reason(result),
        "web: replica 1 ended with exit code 7 before it was healthy; its last lines are in the step's log"
    );
    assert!(recorder.step("web").text().contains("no database"), "{}", recorder.transcript());
    assert!(stage.instances().await.is_empty(), "a first release that fails leaves nothing");
    assert_eq!(stage.route("web").await, None);
}

#[tokio::test]
async fn an_app_is_asked_by_a_command_of_its_own_and_what_it_said_is_told() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let by = |command: &str| Probe::Command { command: ["sh", "-c", command].map(str::to_owned).to_vec() };
    let mut well = stage.web("v1");
    well.run.health.probe = by("wget -qO /dev/null http://127.0.0.1:8080/health");
    stage.go_live(vec![well]).await;
    let mut sick = stage.web("v1");
    sick.run.health.probe = by("echo the queue is full; exit 1");
    let (result, _) = stage.release(vec![sick]).await;
    let reason = reason(result);
    let told = "did not become healthy within 3 s: its health command says";
    assert!(reason.contains(told) && reason.contains("the queue is full"), "{reason}");
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v1"));
}

#[tokio::test]
async fn replicas_go_up_and_down_and_apps_that_are_no_longer_released_go() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let mut worker = stage.app("worker", "v1", None, 1);
    worker.run.port = None;
    worker.run.health.probe = Probe::Container;
    let web = |stage: &Stage, replicas| stage.app("web", "v1", Some(DOMAIN), replicas);
    let one = vec![web(&stage, 1), worker];
    stage.go_live(one).await;
    stage.assert_settled("one replica and a worker").await;

    let load = Load::start(&stage.caddy.url(), DOMAIN);
    let three = vec![web(&stage, 3), stage.app("extra", "v1", Some("extra.test"), 1)];
    stage.go_live(three).await;
    stage.assert_settled("three replicas, without the worker").await;
    assert_eq!(stage.ask("extra.test").await.as_deref(), Ok("v1"));

    let two = vec![web(&stage, 2)];
    stage.go_live(two).await;
    stage.assert_settled("two replicas").await;
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{:?}", answers.failed);
    assert!(stage.ask("extra.test").await.unwrap_err().starts_with("404"), "its route went with it");
    assert_eq!(stage.route("extra").await, None);
}

#[tokio::test]
async fn a_digest_that_is_not_in_the_registry_is_refused_before_anything_is_touched() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let v1 = stage.web("v1");
    stage.go_live(vec![v1.clone()]).await;
    let before = stage.instances().await;

    let mut missing = v1;
    missing.digest = format!("sha256:{}", "0".repeat(64));
    let (result, recorder) = stage.release(vec![missing]).await;
    let reason = reason(result);
    assert!(reason.contains("is not in its registry any more"), "{reason}");
    assert_eq!(stage.instances().await, before);
    assert!(recorder.steps().iter().all(|step| step.declaration.kind != StepKind::Return), "{}", recorder.transcript());
    stage.assert_settled("nothing was touched").await;
}

#[tokio::test]
async fn while_the_registry_is_down_what_the_engine_holds_is_released() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let v1 = stage.app("web", "v1", Some(DOMAIN), 1);
    stage.registry.stop();
    let recorder = stage.go_live(vec![v1.clone()]).await;
    assert!(recorder.step("Check").text().contains("cannot be reached"), "{}", recorder.transcript());

    let mut missing = v1;
    missing.digest = format!("sha256:{}", "0".repeat(64));
    let (result, _) = stage.release(vec![missing]).await;
    let reason = reason(result);
    assert!(reason.contains("cannot be reached") && reason.contains(&stage.registry.host()), "{reason}");
    stage.assert_settled("the release of before").await;
}

#[tokio::test]
async fn without_its_proxy_a_release_is_refused_before_anything_is_touched() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    stage.caddy.stop();
    let v1 = stage.web("v1");
    let (result, _) = stage.release(vec![v1]).await;
    let reason = reason(result);
    assert!(reason.contains("the proxy cannot be reached at http://127.0.0.1:"), "{reason}");
    assert!(stage.instances().await.is_empty());
}

#[tokio::test]
async fn a_cancelled_rollout_returns() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    stage.publish("sick", false).await;
    let (v1, mut sick) = (stage.web("v1"), stage.web("sick"));
    sick.run.health.start_ms = 600_000;
    stage.go_live(vec![v1]).await;

    let work = stage.work(vec![sick]);
    let means = stage.means();
    let context = stage.context(&means);
    let running = tokio::spawn(async move { rollouts::execute(&work, &context).await });
    // It waits for a health that never comes.
    let waits = async {
        while stage.instances().await.len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waits).await.unwrap();
    means.cancel.cancel();
    assert_eq!(reason(running.await.unwrap()), "the rollout was cancelled on request");
    stage.assert_settled("after the return").await;
}

#[tokio::test]
async fn what_others_configured_in_the_same_caddy_stays() {
    let mut stage = Stage::open().await;
    stage.publish("v1", true).await;
    let port = slipway_tests::ports::free();
    let theirs = serde_json::json!({
        "listen": [format!("127.0.0.1:{port}")],
        "routes": [{"handle": [{"handler": "static_response", "body": "theirs"}]}],
    });
    let servers = format!("{}/config/apps/http/servers/theirs", stage.caddy.admin_url());
    assert!(client(false).put(servers).json(&theirs).send().await.unwrap().status().is_success());

    let v1 = stage.app("web", "v1", Some(DOMAIN), 1);
    stage.go_live(vec![v1]).await;
    assert_eq!(ask(&client(false), &format!("http://127.0.0.1:{port}"), "any.test").await.as_deref(), Ok("theirs"));
    stage.caddy.client().prepare().await.unwrap();
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("v1"));
}
