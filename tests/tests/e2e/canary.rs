//! A secret's value is looked for wherever somebody could look who should not see it.

use std::{fs, path::Path, time::Duration};

use serde_json::json;
use slipway_runner::AtShutdown;
use slipway_runner::coordinator::SecretValue;
use slipway_tests::{
    build_house::BuildHouse,
    crashes::EngineTap,
    databases::TestDatabase,
    engine::{docker, running},
    fuse::Fuse,
    house::{House, LONG},
    wait::until,
};

const CANARY: &str = "canary-3f9ac01d-sings";

/// An image, a service, a plain command and a `docker run` line, all of which are given the secret; the two commands wait
/// until they may end.
const CAPTAIN: &str = "defaults: {step_image: \"busybox:latest\"}
web:
  build: Dockerfile
  image: IMAGE
  build_secret: [CANARY]
  services:
    db:
      image: busybox:latest
      secrets: [CANARY]
      command: [sh, -c, 'echo \"db: $CANARY\"; mkdir /www; echo ${#CANARY} > /www/index.html; httpd -f -h /www']
      health: {command: [sh, -c, 'test -e /www/index.html && test -n \"$CANARY\"']}
  pre:
    - {run: sh plain.sh, secrets: [CANARY, SHARED]}
    - {run: 'docker run --rm -v .:/w busybox:latest sh /w/container.sh', secrets: [CANARY]}
";
const PLAIN: &str =
    "echo ${#CANARY} ${#SHARED}; echo \"said: $CANARY\"; until test -e open-plain; do sleep 0.05; done\n";
const CONTAINER: &str = "wget -qO- http://db/; readlink /proc/self/fd/0; cat; echo \"said: $CANARY\"
until test -e /w/open-container; do sleep 0.05; done\n";
const DOCKERFILE: &str =
    "FROM busybox:latest\nRUN --mount=type=secret,id=CANARY wc -c < /run/secrets/CANARY\nCOPY Dockerfile /\n";

/// One whose step fails, saying what it must not.
const FAILS: &str = "web:
  build: Dockerfile
  image: IMAGE
  test:
    - {run: 'docker run --rm busybox:latest sh -c \"echo refused: \\$CANARY >&2; exit 3\"', secrets: [CANARY]}
";

/// The command lines of all processes of this machine.
fn command_lines() -> String {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect::<Vec<_>>().join("\n")
}

/// The files below a folder that hold the canary.
fn holding(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(holding(&path));
        } else if fs::read(&path).is_ok_and(|bytes| holds(&bytes)) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
}

/// What the engine tells of the containers of a runner that run.
fn nothing_is_told(runner: &str, containers: usize) {
    let found = running(runner);
    assert!(found.len() >= containers, "{found:?}");
    for container in found {
        for look in [&["inspect", &container][..], &["top", &container, "-o", "pid,args"]] {
            let seen = docker(look).concat();
            assert!(!holds(seen.as_bytes()), "docker {look:?}: {seen}");
        }
    }
    assert!(!command_lines().contains(CANARY), "a process was given it as an argument");
}

async fn said(house: &House, number: i64, step: i64, lines: &[&str]) {
    until(&format!("step {step} to say what it was given"), LONG, async || {
        let log = house.log(&format!("builds/{number}"), 1, step).await;
        let said: Vec<_> = log.iter().filter(|line| !line.contains("service")).map(String::as_str).collect();
        (said.len() >= lines.len()).then(|| assert_eq!(said[..lines.len()], *lines))
    })
    .await;
}

fn open(house: &House, gate: &str) {
    for checkout in house.checkouts() {
        fs::write(checkout.join(gate), "").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_of_a_secret_is_nowhere_in_the_clear_but_where_a_step_asked_for_it() {
    let database = tempfile::tempdir().unwrap();
    let mut house = House::on(TestDatabase::sqlite_in(database.path())).await;
    let api = house.slipway.api();
    let shared = json!({"value": CANARY, "all_repositories": true});
    api.put("/api/v1/secrets/SHARED", &shared).await.expect(200);
    let own = format!("/api/v1/repositories/{}/secrets/CANARY", house.webhook.repository);
    api.put(&own, &json!({"value": CANARY})).await.expect(200);
    let set = house.slipway.command(&["secret", "set", &house.webhook.repository, "TYPED"], CANARY).await;
    assert!(set.status.success(), "{set:?}");

    let image = house.image();
    let captain = CAPTAIN.replace("IMAGE", &image);
    let files =
        [("captain.yml", &*captain), ("Dockerfile", DOCKERFILE), ("plain.sh", PLAIN), ("container.sh", CONTAINER)];
    let number = house.push("main", &files).await;

    // While it runs: the service beside one command and the other.
    let length = CANARY.len().to_string();
    let plain = house.step_runs(number, "pre", "plain.sh").await;
    said(&house, number, plain, &[&format!("{length} {length}"), "said: ***"]).await;
    nothing_is_told(house.runner(), 2);
    open(&house, "open-plain");
    let container = house.step_runs(number, "pre", "container.sh").await;
    said(&house, number, container, &[&length, "/dev/null", "said: ***"]).await;
    nothing_is_told(house.runner(), 2);
    let limits = fs::read_to_string(format!("/proc/{}/limits", house.slipway.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "the server leaves no core");
    open(&house, "open-container");
    let mut told = house.build_in(number, "succeeded").await.to_string();

    // A step that fails.
    let captain = FAILS.replace("IMAGE", &image);
    let failed = house.push("broken", &[("captain.yml", &captain), ("Dockerfile", "FROM busybox:latest\n")]).await;
    told += &house.build_in(failed, "failed").await.to_string();
    let refused = house.build(failed).await["attempts"][0]["steps"].as_array().unwrap().len() as i64;
    for step in 0..refused {
        told += &house.log(&format!("builds/{failed}"), 1, step).await.join("\n");
    }
    assert!(told.contains("refused: ***"), "{told}");
    for path in ["/api/v1/secrets", "/api/v1/activity", "/api/v1/audit", "/settings/secrets", "/settings/audit"] {
        told += &api.get(path).await.expect(200).body;
    }
    assert!(!holds(told.as_bytes()), "the API told it: {told}");

    // And after it.
    let found = docker(&["images", "--no-trunc", "-q", &image]).concat();
    let id = found.lines().next().unwrap();
    for look in [&["history", "--no-trunc", id][..], &["inspect", id]] {
        let seen = docker(look).concat();
        assert!(!holds(seen.as_bytes()), "docker {look:?}: {seen}");
    }
    let written =
        docker(&["run", "--rm", id, "sh", "-c", "grep -rl canary- / --exclude-dir=proc --exclude-dir=sys; true"]);
    assert_eq!(written.concat(), "", "a layer holds it");
    for folder in [database.path(), &house.slipway.data_dir()] {
        let found = holding(folder);
        assert_eq!(found, Vec::<String>::new(), "the database, its write-ahead log, the key, mirrors, checkouts");
    }
    house.slipway.terminate().await;
    assert_eq!(holding(database.path()), Vec::<String>::new(), "a copy of the folder is a backup");
    let written = house.slipway.output();
    assert!(!holds(written.as_bytes()), "{written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_is_killed_before_it_hands_secrets_over_hands_them_over_in_its_next_life() {
    let mut house = BuildHouse::new().await;
    house.secrets = vec![SecretValue { name: "CANARY".to_owned(), version: None, value: CANARY.to_owned() }];
    house.config.at_shutdown = AtShutdown::Leave;
    house.config.limits.shutdown = Duration::from_millis(100);
    // The service is the first to ask for it; and then, with the service told, the command.
    let captain = "web:
  build: Dockerfile
  image: IMAGE
  services: {db: {image: 'busybox:latest', secrets: [CANARY], command: [sh, -c, 'mkdir /www; echo ${#CANARY} > /www/index.html; httpd -f -h /www'], health: {port: 80}}}
  pre:
    - {run: 'docker run --rm busybox:latest sh -c \"wget -qO- http://db/; echo \\${#CANARY}\"', secrets: [CANARY]}
";
    for handed in [0, 2] {
        let commit = house.commit(captain, &[]);
        let fuse = Fuse::after(handed);
        let tap = EngineTap::open_for("unix:///var/run/docker.sock", &fuse, "stdin=true");
        house.config.docker_host = Some(tap.address());
        let job = house.queue(&commit);
        let cut = tokio::time::timeout(LONG, fuse.burn(std::future::pending::<()>())).await;
        cut.unwrap_or_else(|_| panic!("nothing was handed over: {:#?}", house.server.record(&job)));
        house.stop_runner().await;
        house.config.docker_host = None;
        house.start_runner();
        let build = house.ended(&job).await;
        assert_eq!(build.artifacts().len(), 1);
        let said = build.step("wget").text();
        let length = CANARY.len();
        assert!(said.ends_with(&format!("{length}\n{length}\n")), "{said}");
        assert_eq!(said.matches("starting the service").count(), 1, "{said}");
        assert_eq!(said.contains("begins again"), handed == 0, "only what there was nothing of yet: {said}");
        house.leaves_nothing().await;
        house.stop_runner().await;
    }
}
