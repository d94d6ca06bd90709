#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use insta::assert_snapshot;

use super::Composed;
use crate::{
    config::{App, TargetKind},
    detect::RepositoryFacts,
    diagnostics::Diagnostics,
    parse,
    release::{Placement, Probe, ReleaseSettings, Reservation, Resources, Volume},
};

fn read(file_name: &str, text: &str, apps: &[App]) -> Result<Composed, Diagnostics> {
    super::read(file_name, text, apps, TargetKind::Docker)
}

const CAPTAIN: &str = "\
web: {image: registry.example.com/shop/web, release: {port: 8080}}
api: {image: registry.example.com/shop/api, release: {resources: {cpus: 2}}}
base: {image: registry.example.com/shop/base}
";

fn apps() -> Vec<App> {
    parse::parse("captain.yml", CAPTAIN, &RepositoryFacts { repository: "shop/web" }).unwrap().config.apps
}

fn composed(text: &str) -> Composed {
    read("docker-compose.yml", text, &apps()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(services: &str) -> String {
    let all = "services:\n  web: {image: registry.example.com/shop/web}\n";
    read("compose.yml", &format!("{all}{services}"), &apps()[..1]).unwrap_err().to_string()
}

#[test]
fn a_file_as_people_have_it_gives_the_settings_of_each_app() {
    let text = r#"
version: "3.8"
x-env: &env
  LOG_LEVEL: ${LOG_LEVEL:-info}
services:
  frontend:
    image: registry.example.com/shop/web:${TAG}
    restart: always
    environment:
      <<: *env
      PRICE: 5$$
    deploy:
      replicas: 3
      resources: {limits: {cpus: "0.5", memory: 256M}}
    healthcheck:
      test: [CMD, wget, -q, http://localhost:8080/health]
      interval: 5s
      start_period: 1m
    volumes: [uploads:/data]
    networks: [front]
  api:
    image: registry.example.com/shop/api@sha256:0000
    build: ./api
    command: serve --port 9000
    environment: [MODE=fast, "EMPTY="]
    expose: ["9000"]
    healthcheck: {test: curl -f http://localhost:9000}
    mem_limit: 64m
    volumes:
      - {type: volume, source: cache, target: /cache}
volumes:
  uploads:
  cache: {}
"#;
    let found = composed(text);
    let pairs =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let [(web, front), (api, back)] = &found.apps[..] else { panic!("{found:?}") };
    assert_eq!((web.as_str(), api.as_str()), ("web", "api"));
    let health = front.health.clone().unwrap();
    assert_eq!(
        health.probe.clone().unwrap(),
        Probe::Command { command: words(&["wget", "-q", "http://localhost:8080/health"]) }
    );
    assert_eq!((health.interval_ms, health.timeout_ms, health.start_ms), (Some(5_000), Some(30_000), Some(75_000)));
    let expected = ReleaseSettings {
        replicas: Some(3),
        env: pairs(&[("LOG_LEVEL", "info"), ("PRICE", "5$")]),
        resources: Some(Resources { cpus: Some(0.5), memory: Some(256 << 20), pids: None, ..Resources::default() }),
        volumes: Some(vec![Volume { name: "uploads".to_owned(), path: "/data".to_owned() }]),
        health: Some(health),
        ..ReleaseSettings::default()
    };
    assert_eq!(*front, expected, "the port stays that of captain.yml");
    let health = back.health.clone().unwrap();
    assert_eq!(
        health.probe.clone().unwrap(),
        Probe::Command { command: words(&["sh", "-c", "curl -f http://localhost:9000"]) }
    );
    let expected = ReleaseSettings {
        port: Some(9_000),
        command: Some(words(&["serve", "--port", "9000"])),
        env: pairs(&[("MODE", "fast"), ("EMPTY", "")]),
        resources: Some(Resources { memory: Some(64 << 20), ..Resources::default() }),
        volumes: Some(vec![Volume { name: "cache".to_owned(), path: "/cache".to_owned() }]),
        health: Some(health),
        ..ReleaseSettings::default()
    };
    assert_eq!(*back, expected, "what it does not say is as captain.yml has it");
    assert_eq!(found.warnings.0, []);
}

#[test]
fn what_changes_nothing_that_an_app_could_tell_is_said() {
    let text = "\
services:
  web:
    image: registry.example.com/shop/web
    ports: [\"80:8080\"]
    container_name: shop
    depends_on: [api]
    deploy: {update_config: {parallelism: 2}}
  api: {image: registry.example.com/shop/api}
networks: {front: }
";
    assert_snapshot!(composed(text).warnings, @r#"
    docker-compose.yml:4:13: warning: no port of the host is opened; expected "domain" of the app in captain.yml, which the proxy leads to this port
      4 |     ports: ["80:8080"]
        |             ^
      see docs/captain-yml.md#compose-files
    docker-compose.yml:5:5: warning: "container_name" changes nothing: Slipway sees to it
      5 |     container_name: shop
        |     ^
      see docs/captain-yml.md#compose-files
    docker-compose.yml:6:5: warning: "depends_on" changes nothing: apps start side by side, and wait by themselves for what they need
      6 |     depends_on: [api]
        |     ^
      see docs/captain-yml.md#compose-files
    docker-compose.yml:7:14: warning: "update_config" changes nothing: "strategy" of the environment in captain.yml says how a release comes
      7 |     deploy: {update_config: {parallelism: 2}}
        |              ^
      see docs/captain-yml.md#compose-files
    docker-compose.yml:9:1: warning: "networks" changes nothing: the apps of an environment share a network of their own, by their names
      9 | networks: {front: }
        | ^
      see docs/captain-yml.md#compose-files
    "#);
}

#[test]
fn what_is_not_supported_is_named_with_its_place_and_the_remedy() {
    assert_snapshot!(problems("  db: {image: \"postgres:16\"}\n"), @r#"
    compose.yml:3:3: the service "db" runs no image of captain.yml's apps; expected the image of an app; what others make, such as a database, runs beside the environment, and apps are told its address by "environment" or a secret
      3 |   db: {image: "postgres:16"}
        |   ^
      see docs/captain-yml.md#compose-files
    "#);
    assert_snapshot!(
        problems("  other: {image: registry.example.com/shop/web}\nsecrets: {token: {file: ./token}}\n"),
        @r#"
    compose.yml:3:3: a second service runs the app "web"; expected one service for each app
      3 |   other: {image: registry.example.com/shop/web}
        |   ^
      see docs/captain-yml.md#compose-files
    compose.yml:4:1: "secrets" of a compose file is not supported; expected services, volumes, networks, version, name or x-…
      4 | secrets: {token: {file: ./token}}
        | ^
      see docs/captain-yml.md#compose-files
    "#
    );
    let service = |fields: &str| {
        let text = format!("services:\n  web:\n    image: registry.example.com/shop/web\n{fields}");
        read("compose.yml", &text, &apps()[..1]).unwrap_err().to_string()
    };
    assert_snapshot!(
        service(
            "    privileged: true\n    environment: [HOME, \"URL=${DATABASE_URL}\"]\n    volumes: [./data:/data, /data]\n    \
             deploy: {mode: global, placement: {constraints: [node.role == worker]}}\n    healthcheck: {test: [RUN, x]}\n"
        ),
        @r#"
    compose.yml:4:5: "privileged" of a service is not supported; expected image, build, command, environment, expose, ports, volumes, networks, healthcheck, deploy, restart, scale, cpus, mem_limit, pids_limit or stop_grace_period
      4 |     privileged: true
        |     ^
      see docs/captain-yml.md#compose-files
    compose.yml:5:19: the variable "HOME" has no value; expected a value, or a secret by "apps" of the environment in captain.yml: no shell stands behind this
      5 |     environment: [HOME, "URL=${DATABASE_URL}"]
        |                   ^
      see docs/captain-yml.md#compose-files
    compose.yml:5:25: nobody here knows the variable "DATABASE_URL"; expected a value, a default as in ${DATABASE_URL:-…}, or a dollar written as $$
      5 |     environment: [HOME, "URL=${DATABASE_URL}"]
        |                         ^
      see docs/captain-yml.md#compose-files
    compose.yml:6:15: "./data:/data" is not a volume: paths of the host are not mounted into releases; expected NAME:/PATH, such as uploads:/data
      6 |     volumes: [./data:/data, /data]
        |               ^
      see docs/captain-yml.md#compose-files
    compose.yml:6:29: "/data" is not a volume: it has no ":"; expected NAME:/PATH, such as uploads:/data
      6 |     volumes: [./data:/data, /data]
        |                             ^
      see docs/captain-yml.md#compose-files
    compose.yml:7:14: "mode" of deploy is not supported; expected replicas, resources, placement, or mode: replicated
      7 |     deploy: {mode: global, placement: {constraints: [node.role == worker]}}
        |              ^
      see docs/captain-yml.md#compose-files
    compose.yml:7:28: "placement" of deploy: with "target: docker" there is one node alone; expected "target: swarm" at the environment in captain.yml
      7 |     deploy: {mode: global, placement: {constraints: [node.role == worker]}}
        |                            ^
      see docs/captain-yml.md#compose-files
    compose.yml:8:25: the test is none that Docker knows; expected [CMD, PROGRAM, …], [CMD-SHELL, LINE], [NONE], or a line
      8 |     healthcheck: {test: [RUN, x]}
        |                         ^
      see docs/captain-yml.md#compose-files
    "#
    );
    let none = read("compose.yml", "services: {}\n", &apps()).unwrap_err().to_string();
    assert_snapshot!(none, @r#"
    compose.yml: no service runs the app "web", which is released; expected a service with image: registry.example.com/shop/web
      see docs/captain-yml.md#compose-files
    compose.yml: no service runs the app "api", which is released; expected a service with image: registry.example.com/shop/api
      see docs/captain-yml.md#compose-files
    "#);
}

#[test]
fn a_variable_without_its_end_or_within_another_is_refused_and_costs_no_more_than_its_length() {
    let value = |text: &str| {
        let file = format!("services:\n  web: {{image: x, environment: {{A: \"{text}\"}}}}\n");
        read("compose.yml", &file, &apps()[..1]).unwrap_err().to_string()
    };
    assert!(value("${LEVEL").contains("nobody here knows the variable \"LEVEL\""));
    assert!(value("${A:-${B:-x}}").contains("nobody here knows the variable \"A\""));
    assert!(value(&"${".repeat(100_000)).contains("nobody here knows"));
}

#[test]
fn what_would_fail_later_is_refused_here() {
    let service = |fields: &str| {
        let text = format!("services:\n  web: {{image: registry.example.com/shop/web, {fields}}}\n");
        read("compose.yml", &text, &apps()[..1]).unwrap_err().to_string()
    };
    assert!(service("volumes: [\"a:/data\", \"b:/data\"]").contains("two volumes at"));
    assert!(service("expose: [{target: 53, protocol: udp}]").contains("TCP"));
    assert!(service("environment: [\"A B=1\"]").contains("cannot be a variable's name"));
}

#[test]
fn a_second_port_is_the_release_s_to_choose() {
    let text = "services:\n  api: {image: registry.example.com/shop/api, expose: [80, 81]}\n";
    assert!(read("compose.yml", text, &apps()[1..2]).unwrap_err().to_string().contains("a second port"));
    let chosen = "services:\n  web: {image: registry.example.com/shop/web, expose: [80, 81]}\n";
    assert_eq!(read("compose.yml", chosen, &apps()[..1]).unwrap().apps[0].1, ReleaseSettings::default());
}

#[test]
fn a_swarm_is_told_of_reservations_and_of_nodes() {
    let deploy = |deploy: &str| {
        let text = format!("services:\n  web: {{image: registry.example.com/shop/web, deploy: {{{deploy}}}}}\n");
        super::read("compose.yml", &text, &apps()[..1], TargetKind::Swarm)
    };
    let composed = deploy(
        "resources: {limits: {cpus: \"2\"}, reservations: {cpus: \"0.25\", memory: 64M}}, \
         placement: {constraints: [node.role == worker], preferences: [{spread: node.labels.zone}]}",
    );
    let Composed { apps, warnings } = composed.unwrap();
    let settings = &apps[0].1;
    let reserve = Reservation { cpus: Some(0.25), memory: Some(64 << 20) };
    assert_eq!(settings.resources.map(|resources| (resources.cpus, resources.reserve)), Some((Some(2.0), reserve)));
    let placement = Placement {
        constraints: vec!["node.role==worker".to_owned()],
        preferences: vec!["node.labels.zone".to_owned()],
    };
    assert_eq!(settings.placement, Some(placement));
    assert!(warnings.0.is_empty(), "{warnings}");
    let refused = |fields: &str| deploy(fields).unwrap_err().to_string();
    assert!(refused("placement: {constraints: [somewhere]}").contains("\"somewhere\" cannot stand here"));
    assert!(refused("placement: {preferences: [{pack: x}]}").contains("this preference cannot stand here"));
    assert!(refused("placement: {max_replicas_per_node: 1}").contains("\"max_replicas_per_node\" of placement"));
    assert!(refused("resources: {reservations: {devices: []}}").contains("the reservation \"devices\""));
}
