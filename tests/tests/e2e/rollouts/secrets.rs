//! Secrets of releases: apps find them, and no description of a container holds them.

use std::time::Duration;

use slipway_pipelines::release::Probe;
use slipway_runner::{
    coordinator::{JobResult, ReleasedApp, SecretValue},
    engine::Engine,
    rollouts,
    targets::docker::{ENVIRONMENT, Replica},
};
use slipway_tests::{crashes::EngineTap, engine::docker, fuse::Fuse, wait::until};

use super::{
    commands::shell,
    reason,
    stage::{DOMAIN, Means, Stage},
};

const CANARY: &str = "canary-77b2e940-sings";

/// An image with an entrypoint, a user of its own by name, and a health check that needs the secret. It serves how long that is.
const IMAGE: &str = "FROM busybox:latest
RUN echo 'keeper:x:4321:4321::/:/bin/sh' >> /etc/passwd && mkdir /www && chown keeper /www
USER keeper
HEALTHCHECK --interval=500ms --retries=3 CMD test ${#CANARY} = 21 && wget -qO /dev/null http://127.0.0.1:8080/
ENTRYPOINT [\"env\"]
CMD [\"sh\", \"-c\", \"echo ${#CANARY}${#OTHERS} > /www/index.html; trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait\"]
";

/// Has an app name a secret that is set.
pub(super) fn give(stage: &mut Stage, app: &mut ReleasedApp) {
    let secret = |name: &str| SecretValue { name: name.to_owned(), version: None, value: CANARY.to_owned() };
    stage.secrets = ["CANARY", "OTHERS"].map(secret).to_vec();
    app.run.secrets = vec!["CANARY".to_owned()];
}

/// The app of that image, with a command before it.
async fn published(stage: &mut Stage) -> ReleasedApp {
    stage.publish_files("v1", &[("Dockerfile", IMAGE)]).await;
    let mut web = stage.app("web", "v1", Some(DOMAIN), 1);
    web.run.health.probe = Probe::Container;
    web.run.health.start_ms = 60_000;
    web.run.before = shell("echo ${#CANARY}; id -u");
    give(stage, &mut web);
    web
}

/// The environment's containers, its commands' among them.
fn containers(stage: &Stage) -> Vec<String> {
    let own = format!("label={ENVIRONMENT}={}", stage.guard.id());
    docker(&["ps", "--all", "--quiet", "--filter", &own])
}

async fn until_healthy(name: &str) {
    let healthy = async || (docker(&["inspect", "-f", "{{.State.Health.Status}}", name]) == ["healthy"]).then_some(());
    until("the app to be healthy", Duration::from_secs(60), healthy).await;
}

#[tokio::test]
async fn an_app_finds_its_secrets_at_every_start_and_no_description_of_it_holds_them() {
    let mut stage = Stage::open().await;
    let mut web = published(&mut stage).await;
    let recorder = stage.go_live(vec![web.clone()]).await;
    assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("210"), "what it names, and nothing else");
    assert_eq!(recorder.step("before").text(), "21\n4321\n");
    let name = stage.instances().await[0].name.clone();
    let found = containers(&stage);
    assert_eq!(found.len(), 2, "the app and its command");
    let image = stage.reference("v1");
    let mut looks = vec![vec!["history", "--no-trunc", &image], vec!["inspect", &image], vec!["top", &name]];
    let filters: Vec<String> = found.iter().map(|id| format!("container={id}")).collect();
    for (at, container) in found.iter().enumerate() {
        looks.push(vec!["inspect", container]);
        looks.push(vec!["events", "--since", "10m", "--until", "0s", "--filter", &filters[at]]);
    }
    for look in looks {
        let seen = docker(&look).concat();
        assert!(!seen.contains(CANARY), "docker {look:?}: {seen}");
    }

    // The engine starts it again without us; and whoever asks for the variables in it, gets them.
    docker(&["restart", &name]);
    until_healthy(&name).await;
    let told = |words: &[&str]| docker(&[&["exec", &name], words, &["sh", "-c", "echo ${#CANARY}"]].concat());
    assert_eq!(told(&[]), ["0"]);
    assert_eq!(told(&["/.slipway/inside", "from", "/.slipway/told"]), ["21"]);
    let others = ["exec", "--user", "1234", &name, "sh", "-c", "cat /.slipway/told 2>&1 || true"];
    assert!(docker(&others).concat().contains("Permission denied"), "it is the app's alone");

    // What lost the file is told again when it is started.
    docker(&["exec", "--user", "0", &name, "rm", "-r", "/.slipway"]);
    docker(&["stop", "--time", "1", &name]);
    let live = stage.live.clone().unwrap();
    stage.target().ensure_running(Replica { release: &live, app: &web, number: 1 }).await.unwrap();
    until_healthy(&name).await;

    web.run.secrets.extend(["SMTP_PASSWORD".to_owned(), "API_KEY".to_owned()]);
    let work = stage.work(vec![web]);
    let means = stage.means();
    let refused = reason(rollouts::execute(&work, &stage.context(&means)).await);
    assert_eq!(
        refused,
        "the secret API_KEY is not set for acme/shop; set it with: slipway secret set acme/shop API_KEY; \
         the secret SMTP_PASSWORD is not set for acme/shop; set it with: slipway secret set acme/shop SMTP_PASSWORD"
    );
    let standing: Vec<String> = stage.instances().await.into_iter().map(|instance| instance.name).collect();
    assert_eq!(standing, [name], "nothing was touched");
}

/// The calls by which containers are told are that of the command and that of the app, with a point before and behind each.
#[tokio::test]
async fn a_container_that_was_made_and_not_told_is_told_before_it_is_started() {
    let mut stage = Stage::open().await;
    let web = published(&mut stage).await;
    for point in [0, 2] {
        let work = stage.work(vec![web.clone()]);
        let fuse = Fuse::after(point);
        let tap = EngineTap::open_for(stage.engine.address(), &fuse, "/archive");
        let engine = Engine::connect(Some(&tap.address())).await.unwrap();
        let means = Means { engine, ..stage.means() };
        let cut_off = fuse.burn(rollouts::execute(&work, &stage.context(&means))).await;
        assert_eq!(cut_off, None, "{}", means.recorder.transcript());
        let made = docker(&["ps", "--all", "--quiet", "--filter", "status=created"]);
        let own = containers(&stage).iter().filter(|id| made.contains(id)).count();
        assert_eq!(own, 1, "cut off at {point}");
        let means = stage.means();
        let result = rollouts::execute(&work, &stage.context(&means)).await;
        assert_eq!(result, JobResult::Live, "cut off at {point}: {}", means.recorder.transcript());
        assert_eq!(stage.ask(DOMAIN).await.as_deref(), Ok("210"));
        stage.live = Some(work.release);
        stage.assert_settled(&format!("cut off at point {point}")).await;
    }
}
