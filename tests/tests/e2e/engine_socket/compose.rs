//! docker-compose as repositories use it, through the engine of a step.

use std::time::Duration;

use slipway_tests::{
    build_house::{Build, BuildHouse},
    docker_cli::DockerCli,
    engine::docker,
    server_model::JobRecord,
};

use super::{captain, remains};

/// How long compose may take to begin a dozen times on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(300);

/// Everything that compose hands to the engine in the usual file.
const FILE: &str = r#"
version: "3.7"
services:
  web:
    build:
      context: web
      args: {WORD: "from build ${SLIPWAY_BUILD_NUMBER}"}
      labels: {kind: web}
    command: sh -c 'echo serving; exec httpd -f -p 80 -h /site'
    depends_on: [store]
    environment: {GREETING: hello}
    expose: ["80"]
    healthcheck: {test: "test -e /said", interval: 1s, timeout: 10s, retries: 30}
    init: true
    networks: [lan]
    ports: ["8080:80"]
    restart: unless-stopped
    ulimits: {nofile: {soft: 1024, hard: 2048}}
    volumes: ["data:/data", "./site:/site:ro"]
  store:
    image: busybox
    command: sh -c 'echo stored > /data/file; exec sleep 600'
    cap_drop: [ALL]
    labels: {slipway.job: "another"}
    logging: {driver: json-file, options: {max-size: 1m}}
    networks: {lan: {aliases: [pantry]}}
    stop_grace_period: 1s
    tmpfs: /run
    volumes: ["data:/data"]
  check:
    build: web
    command: sh -c 'echo checked by $$GREETING; exit 3'
    environment: [GREETING=whom]
networks:
  lan: {driver: bridge}
volumes:
  data: {}
"#;

/// A repository's own test script, which meets itself in another build at `it is up`.
const SCRIPT: &str = r#"#!/bin/sh
set -eu
docker-compose config -q
docker-compose build web
docker-compose up -d web
docker-compose up -d web >again 2>&1
if grep 'has changed' again; then exit 1; fi
echo it is up
while ! test -e /go; do usleep 50000; done
test "$(docker-compose ps -q | wc -l)" = 2
test "$(docker ps --format '{{.Names}}' | sort | tr '\n' ' ')" = 'workspace_store_1 workspace_web_1 '
docker ps -a --filter label=com.docker.compose.project=workspace --format '{{.Image}}' | grep '^workspace_web:latest$'
docker-compose exec -T web cat /said | grep "^from build $SLIPWAY_BUILD_NUMBER$"
docker-compose exec -T web cat /data/file | grep stored
docker-compose exec -T -e MORE=told web sh -c 'echo "$GREETING $MORE"' | grep 'hello told'
docker-compose run --rm -T web wget -q -O - http://web/ | grep 'a site'
docker-compose run --rm -T --no-deps -v "$PWD/site:/other" store cat /other/index.html | grep 'a site'
docker-compose logs --no-color web | grep 'web_1.*serving'
docker-compose restart -t 1 store
COMPOSE_DOCKER_CLI_BUILD=0 docker-compose up --build --no-color --exit-code-from check check >said 2>&1 || test $? = 3
grep 'checked by whom' said
docker network ls --format '{{.Name}}' | grep workspace_lan
docker volume ls -q | grep '^workspace_data$'
docker-compose down -v --rmi local -t 1
test -z "$(docker ps -aq)$(docker volume ls -q)$(docker network ls -q)"
echo compose works
"#;

/// What the other build does meanwhile.
const NEIGHBOUR: &str = r#"#!/bin/sh
set -eu
docker-compose up --build -d web
echo it is up
while ! test -e /go; do usleep 50000; done
docker-compose exec -T web cat /said | grep "^from build $SLIPWAY_BUILD_NUMBER$"
test "$(docker-compose ps -q | wc -l)" = 2
echo compose works
"#;

#[tokio::test(flavor = "multi_thread")]
async fn docker_compose_works_and_sees_its_own_build_alone() {
    let (mut house, cli) = (BuildHouse::new().await, DockerCli::with_compose());
    let steps = "  push: false\n  pre:\n    - {run: \"sh compose.sh\", name: composed, engine: true}\n";
    let files = [
        ("compose.sh", SCRIPT),
        ("docker-compose.yml", FILE),
        ("site/index.html", "a site\n"),
        ("web/Dockerfile", "FROM busybox\nARG WORD=nothing\nRUN echo $WORD > /said\n"),
    ];
    let first = house.commit(&captain(&cli, steps), &files);
    let second = house.commit(&captain(&cli, steps), &[("compose.sh", NEIGHBOUR)]);
    let jobs = [house.queue(&first), house.queue(&second)];
    for job in &jobs {
        let is_up = |record: &JobRecord| record.steps.values().any(|step| step.text().contains("it is up"));
        house.server.wait_for(job, PATIENCE, is_up).await;
    }
    // 1. Two projects of one name are up at once. What they are made of carries the labels of its build, whatever it says.
    assert_eq!(remains::containers(&house, ".workspace_web_1").len(), 2);
    for job in &jobs {
        let label = format!("label=slipway.job={job}");
        let found = docker(&[
            "ps",
            "--format",
            "{{.Names}} {{.Ports}}",
            "--filter",
            &label,
            "--filter",
            "label=slipway.socket",
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|container| !container.contains(":8080")), "nothing is published: {found:?}");
        for (kind, count) in [("network", 2), ("volume", 1)] {
            let found =
                docker(&[kind, "ls", "--format", "{{.Name}}", "--filter", &label, "--filter", "label=slipway.socket"]);
            assert_eq!(found.len(), count, "{kind}: {found:?}");
        }
    }
    // 2. Each goes through the rest. One removes what it made, the other leaves it to its build's end.
    for container in remains::containers(&house, "") {
        let _ = std::process::Command::new("docker").args(["exec", &container, "touch", "/go"]).output();
    }
    for job in &jobs {
        let build = Build(house.server.wait_for(job, PATIENCE, |record| record.result.is_some()).await);
        let text = build.step("composed").text();
        assert!(text.ends_with("compose works\n"), "{text}");
        assert_eq!(build.artifacts().len(), 0, "it succeeded, and pushed nothing");
    }
    house.leaves_nothing().await;
    assert_eq!(remains::of(&house), [] as [String; 0]);
}
