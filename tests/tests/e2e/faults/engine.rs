//! An engine that ends in the middle of a step, in order or not, and starts again.

use slipway_tests::{
    databases::TestDatabase,
    house::{House, LONG},
    own_engine::OwnEngine,
    registry::RegistryFixture,
    slipway::Setup,
    wait::{until, until_none},
};

use crate::crash::gates::{Gate, attempts, expect_whole_logs, opened, push, waits_at};

/// Of a branch that no environment is from: what is released is reached by nobody in the engine's own network.
const BRANCH: &str = "feature";

/// How the engine ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// As a service manager asks it to: it stops its containers.
    Asked,
    /// By `kill -9`: it stops them when it starts again.
    Killed,
}

/// The parts, with the runner on an engine of its own.
struct Place {
    engine: OwnEngine,
    house: House,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_ends_in_a_command_has_it_run_again() {
    let mut place = Place::new().await;
    for (version, gate, end) in [("one", Gate::Plain, End::Asked), ("two", Gate::Container, End::Killed)] {
        let number = push(&place.house, BRANCH, version, true).await;
        waits_at(&place.house, number, gate).await;
        place.restart(end).await;
        place.ends_well(number, &["pre"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_ends_in_an_image_build_has_it_built_again() {
    let mut place = Place::new().await;
    let number = push(&place.house, BRANCH, "one", true).await;
    waits_at(&place.house, number, Gate::Image).await;
    place.restart(End::Asked).await;
    place.ends_well(number, &["build"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_ends_in_a_push_has_it_pushed_again() {
    let mut place = Place::new().await;
    for (version, end) in [("one", End::Asked), ("two", End::Killed)] {
        let number = push(&place.house, BRANCH, version, true).await;
        waits_at(&place.house, number, Gate::Test).await;
        place.house.registry.hold();
        opened(&place.house, None, place.house.step_runs(number, "push", "")).await;
        place.restart(end).await;
        place.house.registry.go_on();
        place.ends_well(number, &["push"]).await;
    }
}

/// As after a reboot: the product is there before the engine is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_waits_for_an_engine_that_starts_after_the_runner() {
    let mut place = Place::new().await;
    let number = push(&place.house, BRANCH, "one", true).await;
    waits_at(&place.house, number, Gate::Plain).await;
    place.house.slipway.kill().await;
    place.engine.stop();
    place.house.slipway.restart().await;
    place.house.slipway.wait_for_output("a job waits for the Docker engine").await;
    let waits = until("the build to say what it waits for", LONG, async || {
        place.house.build(number).await["waits_for"].as_str().map(str::to_owned)
    })
    .await;
    assert!(waits.starts_with("waiting for its runner's Docker engine, which is away"), "{waits}");
    let page = place.house.reason_on_page(number).await;
    assert!(page.contains("Waiting for its runner&#39;s Docker engine"), "{page}");
    place.engine.resume().await;
    until("the build to wait no more", LONG, async || {
        place.house.build(number).await["waits_for"].is_null().then_some(())
    })
    .await;
    place.ends_well(number, &["pre"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_ends_in_a_rollout_has_it_go_on() {
    let mut place = Place::new().await;
    let captain = format!(
        "web:\n  build: Dockerfile\n  image: {}\n  release: {{health: {{start: 5m}}}}\n\
         environments: {{dev: {{from: {{branch: main}}}}}}\n",
        place.house.image()
    );
    // Its health is asked for within it: from here nothing on that engine can be reached.
    let dockerfile = "FROM busybox:latest\nHEALTHCHECK --interval=1s CMD test -e /cured\n\
                      CMD [\"sh\", \"-c\", \"trap 'exit 0' TERM; sleep 3600 & wait\"]\n";
    place.house.push("main", &[("captain.yml", &captain), ("Dockerfile", dockerfile)]).await;
    let running = |engine: &OwnEngine| engine.docker(&["ps", "-q", "--filter", "label=slipway=release"]);
    until("the new container", LONG, async || running(&place.engine).pop()).await;
    place.engine.stop();
    let waits = until("the release to say what it waits for", LONG, async || {
        place.house.release("dev", 1).await?["waits_for"].as_str().map(str::to_owned)
    })
    .await;
    assert!(waits.starts_with("waiting for its runner's Docker engine, which is away"), "{waits}");
    place.engine.resume().await;
    let container = until("the new container to run again", LONG, async || running(&place.engine).pop()).await;
    let _ = place.engine.docker(&["exec", &container, "touch", "/cured"]);
    let release = place.house.live("dev", 1).await;
    let steps = release["attempts"].as_array().unwrap();
    assert_eq!(steps.len(), 1, "the same attempt went on: {release:#}");
}

impl Place {
    async fn new() -> Self {
        let mut engine = OwnEngine::start().await;
        let setup = Setup::new().with("SLIPWAY_RUNNER_DOCKER_HOST", &engine.host());
        let registry = RegistryFixture::open().await;
        engine.reach(registry.port());
        let house = House::furnished(TestDatabase::sqlite(), registry, setup).await;
        Place { engine, house }
    }

    async fn restart(&mut self, end: End) {
        match end {
            End::Asked => self.engine.stop(),
            End::Killed => self.engine.kill(),
        }
        self.engine.resume().await;
    }

    /// The build succeeds in its first attempt, in which steps of these kinds were run again; nothing is left behind.
    async fn ends_well(&self, number: i64, again: &[&str]) {
        let house = &self.house;
        let build = opened(house, None, house.build_in(number, "succeeded")).await;
        assert_eq!(attempts(house, number).await, 1, "{build:#}");
        let steps = build["attempts"][0]["steps"].as_array().unwrap();
        let steps = steps.iter().filter(|step| step["output"]["runs"].is_string());
        let kinds: Vec<_> = steps.map(|step| step["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, again, "{build:#}");
        assert_eq!(house.pushed(BRANCH, &[]).await.as_deref(), build["artifacts"][0]["digest"].as_str());
        expect_whole_logs(house, number).await;
        house.is_tidy(0).await;
        until_none("a clean engine", LONG, async || {
            let mut left = self.engine.docker(&["ps", "-a", "--format", "container {{.Names}} {{.Status}}"]);
            left.extend(self.engine.docker(&["network", "ls", "--format", "network {{.Name}}", "-f", "type=custom"]));
            left.extend(self.engine.docker(&["images", "--format", "{{.Repository}}", "-f", "reference=slipway-*"]));
            // The program of the runner stays.
            left.retain(|name| name != "slipway-inside");
            left
        })
        .await;
    }
}
