//! An environment on a Swarm of two engines: released by every strategy, returned from, and served while a node is lost and
//! comes back, while other hands change its services, and while server and runner are killed.

mod hands;
mod kills;
mod registries;
mod strategies;

use serde_json::Value;
use slipway_tests::{
    databases::TestDatabase,
    house::{House, LONG},
    images::web_app,
    load::Load,
    registry::RegistryFixture,
    slipway::Setup,
    swarm::OwnSwarm,
    wait::until,
};

const DOMAIN: &str = "swarm.localhost";
const REPLICAS: usize = 4;

struct Place {
    // Before the Swarm, which the house's runner works with.
    house: House,
    swarm: OwnSwarm,
}

impl Place {
    /// The registry asks for a login: the nodes can only have it from Slipway.
    async fn open() -> Self {
        let mut swarm = OwnSwarm::start().await;
        let registry = RegistryFixture::protected().await;
        swarm.reach(registry.port());
        let engine =
            [("SLIPWAY_RUNNER_DOCKER_HOST", swarm.manager.host()), ("SLIPWAY_RUNNER_MEASURE_SECONDS", "2".to_owned())];
        let engine = engine.each_ref().map(|(name, value)| (*name, value.as_str()));
        let (database, address) = (TestDatabase::sqlite(), async |url: &str| url.to_owned());
        let house = House::remote_furnished(database, registry, Setup::new(), &engine, address).await;
        for login in house.registry.credentials() {
            let arguments = ["registry", "login", &login.host, "--username", &login.username, "--all-repositories"];
            let said = house.slipway.command(&arguments, &login.password).await;
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        }
        Place { house, swarm }
    }

    /// Pushes a version, with more settings of the environment.
    async fn push(&self, files: Vec<(&'static str, String)>, environment: &str) {
        self.push_with(files, environment, "1m").await;
    }

    /// The same for one that has this time to become healthy.
    async fn push_with(&self, files: Vec<(&'static str, String)>, environment: &str, start: &str) {
        let image = self.house.image();
        let captain = format!(
            "web:\n  build: Dockerfile\n  image: {image}\n  release:\n    port: 8080\n    replicas: {REPLICAS}\n    \
             domain: {DOMAIN}\n    drain: 5s\n    resources: {{memory: 64M, reserve: {{memory: 8M}}}}\n    \
             placement: {{constraints: [node.platform.os==linux], preferences: [spread=node.labels.zone]}}\n    \
             health: {{http: /health, interval: 500ms, timeout: 2s, retries: 3, start: {start}}}\n\
             environments: {{dev: {{from: {{branch: main}}, target: swarm{environment}}}}}\n"
        );
        let mut files = files;
        for (path, text) in &mut files {
            if *path == "Dockerfile" {
                // An app that finishes what it was asked before it ends.
                *text = text.replace("trap 'exit 0' TERM", "trap 'sleep 1; exit 0' TERM");
            }
        }
        files.push(("captain.yml", captain));
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let number = self.house.push("main", &files).await;
        self.house.build_in(number, "succeeded").await;
    }

    /// Waits until a release has failed, and tells why.
    async fn failed(&self, number: i64) -> String {
        let release = until(&format!("release {number} to fail"), LONG, async || {
            let found = self.house.release("dev", number).await?;
            assert_ne!(found["state"], "live", "{found:#}\n{}", self.house.slipway.output());
            (found["state"] == "failed").then_some(found)
        })
        .await;
        release["reason"].as_str().unwrap().to_owned()
    }

    /// The addresses, without the ports, of the replicas that are told to be healthy.
    async fn addresses(&self) -> Vec<String> {
        let environment: Value = self.house.ask("environments/dev").await.expect(200).json();
        let replicas = environment["replicas"].as_array().cloned().unwrap_or_default();
        let well = replicas.iter().filter(|it| it["condition"] == "healthy");
        let address = |it: &Value| Some(it["address"].as_str()?.split_once(':')?.0.to_owned());
        let mut nodes: Vec<String> = well.filter_map(address).collect();
        nodes.sort();
        nodes
    }

    /// Waits until every replica is told to be healthy, and returns their addresses without the ports.
    async fn settled(&self) -> Vec<String> {
        until("every replica to be healthy", LONG, async || {
            let nodes = self.addresses().await;
            (nodes.len() == REPLICAS).then_some(nodes)
        })
        .await
    }

    fn both(&self) -> Vec<String> {
        [self.swarm.of_manager(), self.swarm.of_worker()].into_iter().flat_map(|node| [node.clone(), node]).collect()
    }
}

fn expect_none_lost(what: &str, answers: &slipway_tests::load::Answers) {
    assert!(answers.failed.is_empty(), "{what}: {} of {}: {:?}", answers.failed.len(), answers.total(), answers.failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_on_a_swarm() {
    let mut place = Place::open().await;
    place.push(web_app("one", true), "").await;
    place.house.live("dev", 1).await;
    assert_eq!(place.settled().await, place.both(), "spread over the zones, and fetched by both nodes");
    assert!(place.house.visit(DOMAIN).await.contains("one"));
    place.is_found_by_its_name().await;
    place.can_be_read().await;

    let mut load = Load::gentle(&place.house.caddy.url(), DOMAIN);
    load.answers(10).await;
    place.push(web_app("two", true), "").await;
    place.house.live("dev", 2).await;
    load.sees("two").await;
    assert_eq!(place.swarm.services().len(), 1, "{:?}", place.swarm.services());

    place.push_with(web_app("sick", false), "", "4s").await;
    let reason = place.failed(3).await;
    assert!(reason.contains("did not become healthy within 4 s: GET /health answered 404"), "{reason}");
    place.push(ends_at_once(), "").await;
    let reason = place.failed(4).await;
    assert!(reason.contains("ended with exit code 7 before it was healthy"), "{reason}");
    expect_none_lost("an update and two that returned", &load.finish().await);
    assert!(place.house.visit(DOMAIN).await.contains("two"));
    assert_eq!(place.settled().await, place.both());
    assert_eq!(place.swarm.services().len(), 1, "{:?}", place.swarm.services());

    place.loses_a_node_and_has_it_back().await;
    place.is_tried_as_a_canary().await;
    place.is_replaced_at_once().await;
    place.is_ended_before_it_is_replaced().await;
    place.is_swept().await;
    place.counts_what_ends().await;
    place.is_measured_where_it_can_be().await;
    place.is_put_right().await;
    place.is_restored().await;
    place.goes_on_after_kills().await;
    place.returns_after_a_kill().await;
    place.runs_commands_and_is_described_by_a_stack_file().await;
    place.is_caught_by_what_it_uses().await;
    place.moves_with_the_newest_login().await;
    place.returns_without_the_registry().await;
}

/// A version that writes a line and ends.
fn ends_at_once() -> Vec<(&'static str, String)> {
    let mut files = web_app("ends", true);
    for (path, text) in &mut files {
        if *path == "Dockerfile" {
            *text = text.replace("echo serving;", "echo cannot; exit 7;");
        }
    }
    files
}

impl Place {
    /// Within the environment's network, every task is behind the app's name, whichever node it runs on.
    async fn is_found_by_its_name(&self) {
        let container = self.swarm.manager.docker(&["ps", "--quiet", "--filter", "label=slipway.app=web"]).remove(0);
        until("every task behind the app's name", LONG, async || {
            let told = self.swarm.manager.docker(&["exec", &container, "sh", "-c", "nslookup web; true"]);
            let found = told.iter().filter(|line| line.starts_with("Address") && line.contains(" 10.")).count();
            (found == REPLICAS).then_some(())
        })
        .await;
    }

    async fn loses_a_node_and_has_it_back(&mut self) {
        let mut load = Load::gentle(&self.house.caddy.url(), DOMAIN);
        load.answers(10).await;
        self.swarm.worker.kill();
        let manager = self.swarm.of_manager();
        until("Swarm to move the tasks, and requests to follow them", LONG, async || {
            (self.settled().await == vec![manager.clone(); REPLICAS]).then_some(())
        })
        .await;
        load.answers(20).await;
        // What the node was answering when it was lost has no other end.
        let answers = load.finish().await;
        assert!(answers.failed.len() as u64 * 10 < answers.total(), "{answers:?}");
        let mut load = Load::gentle(&self.house.caddy.url(), DOMAIN);
        self.swarm.worker.resume().await;
        until("the node to be back", LONG, async || (self.swarm.ready() == 2).then_some(())).await;
        load.answers(20).await;
        expect_none_lost("a node that came back", &load.finish().await);
        let drifts = self.house.ask("environments/dev/drifts").await.expect(200).json();
        let told = drifts["items"].as_array().unwrap();
        let is_left = |drift: &Value| drift["done"] == "left to Swarm, and no request is led to it";
        let is_told = |kind: &str| told.iter().any(|drift| drift["kind"] == kind && is_left(drift));
        assert!(is_told("environment.drifted") && is_told("environment.healed"), "{told:#?}");
    }

    /// What no release has any more goes by itself; another runner's does not.
    async fn is_swept(&self) {
        let service = self.swarm.services().remove(0);
        let label = |key: &str| format!("{{{{index .Spec.Labels \"{key}\"}}}}");
        let told =
            |key| self.swarm.manager.docker(&["service", "inspect", &service, "--format", &label(key)]).remove(0);
        let environment = format!("slipway.environment={}", told("slipway.environment"));
        let make = |name: &str, runner: &str| {
            let labels =
                ["slipway=release", &environment, "slipway.release=gone", "slipway.app=web", "slipway.replicas=1"];
            let mut ask =
                vec!["service", "create", "--detach", "--no-resolve-image", "--name", name, "--label", runner];
            ask.extend(labels.iter().flat_map(|label| ["--label", label]));
            ask.extend(["busybox:latest", "sleep", "600"]);
            drop(self.swarm.manager.docker(&ask));
        };
        make("others", "slipway.runner=another");
        make("left-over", &format!("slipway.runner={}", told("slipway.runner")));
        let left = || self.swarm.services().contains(&"left-over".to_owned());
        until("the service that no release has to go", LONG, async || (!left()).then_some(())).await;
        let mut services = self.swarm.services();
        services.sort();
        assert_eq!(services, ["others".to_owned(), service]);
        drop(self.swarm.manager.docker(&["service", "rm", "others"]));
    }

    /// A task that ends by itself is told of, although Swarm has the next one run at once.
    async fn counts_what_ends(&self) {
        let container = self.swarm.worker.docker(&["ps", "--quiet", "--filter", "label=slipway.app=web"]).remove(0);
        drop(self.swarm.worker.docker(&["kill", &container]));
        until("the end of a task to be told", LONG, async || {
            let drifts = self.house.ask("environments/dev/drifts").await.expect(200).json();
            let told = drifts["items"].as_array()?;
            let found = told.iter().any(|drift| drift["found"] == "its container ended with exit code 137");
            found.then_some(())
        })
        .await;
        assert_eq!(self.settled().await, self.both());
    }

    /// What replicas write is read by their manager, on whichever node they are.
    async fn can_be_read(&self) {
        let environment: Value = self.house.ask("environments/dev").await.expect(200).json();
        for replica in environment["replicas"].as_array().unwrap() {
            let log = format!("environments/dev/containers/{}/log", replica["container"].as_str().unwrap());
            until("a replica's first line", LONG, async || {
                let log = self.house.ask(&log).await.expect(200).json();
                (log["items"][0]["text"] == "serving").then_some(())
            })
            .await;
        }
    }

    /// What runs on the manager's node is measured; that the rest is not is said.
    async fn is_measured_where_it_can_be(&self) {
        until("what runs on the manager to be measured", LONG, async || {
            let measured = self.house.ask("environments/dev/measurements").await.expect(200).json();
            assert!(measured["note"].as_str().is_some_and(|note| note.contains("other nodes cannot be asked")));
            let points = measured["apps"][0]["points"].as_array()?.clone();
            points.iter().any(|point| point["memory"].as_u64() > Some(0) && point["healthy"] == REPLICAS).then_some(())
        })
        .await;
    }

    /// A command on the manager's engine finds the app of before by its name; a stack file says where the tasks run.
    async fn runs_commands_and_is_described_by_a_stack_file(&self) {
        let mut files = web_app("five", true);
        let image = self.house.image();
        let stack = format!(
            "services:\n  web:\n    image: {image}\n    deploy:\n      replicas: 2\n      placement:\n        \
             constraints: [node.role == worker]\n      resources: {{reservations: {{memory: 16M}}}}\n"
        );
        files.push(("stack.yml", stack));
        let command = "before: ['sh -c \"nslookup web | grep Address\"']";
        self.push(files, &format!(", compose: stack.yml, apps: {{web: {{{command}}}}}")).await;
        self.house.live("dev", 12).await;
        let said = self.house.log("environments/dev/releases/12", 1, 1).await;
        assert!(said.iter().any(|line| line.contains(" 10.")), "{said:?}");
        let worker = self.swarm.of_worker();
        until("two tasks on the worker", LONG, async || {
            (self.addresses().await == [worker.clone(), worker.clone()]).then_some(())
        })
        .await;
        let service = self.swarm.services().remove(0);
        let reserved = "{{.Spec.TaskTemplate.Resources.Reservations.MemoryBytes}}";
        let told = self.swarm.manager.docker(&["service", "inspect", &service, "--format", reserved]);
        assert_eq!(told, [(16 << 20).to_string()]);
    }

    async fn is_restored(&self) {
        for service in self.swarm.services() {
            drop(self.swarm.manager.docker(&["service", "rm", &service]));
        }
        let repository = self.house.webhook.repository.clone();
        let restored = self.house.slipway.command(&["environment", "restore", &repository, "dev", "--wait"], "").await;
        assert!(restored.status.success(), "{restored:?}");
        assert_eq!(self.settled().await, self.both());
        assert!(self.house.visit(DOMAIN).await.contains("anew"));
        assert_eq!(self.swarm.tasks().len(), REPLICAS);
    }
}
