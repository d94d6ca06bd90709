//! Files that are read, and what they are read as.

use super::parsed;
use crate::{
    config::{Command, Environment, ReadyProbe, Source, Step},
    release::{HealthSettings, Probe, ReleaseSettings, Reservation, Resources, Volume},
};

#[test]
fn captains_own_example_is_read_as_captain_reads_it() {
    let config = parsed(
        r#"
hello-world:
  build: Dockerfile
  image: harbur/hello-world
  pre:
    - echo "Preparing hello-world"
  post:
    - echo "Finished hello-world"
hello-world-test:
  build: ./docker/test/Dockerfile.test
  image: harbur/hello-world-test
  test:
    - docker run -e NODE_ENV=TEST harbur/hello-world-test node mochaTest
project-with-build-args:
  image: harbur/buildargs
  build_arg:
    keyname: keyvalue
    version: 1.10
    empty:
"#,
    );
    let names: Vec<&str> = config.apps.iter().map(|app| app.name.as_str()).collect();
    assert_eq!(names, ["hello-world", "hello-world-test", "project-with-build-args"]);
    let [first, second, third] = config.apps.as_slice() else { unreachable!("three apps") };
    assert_eq!(
        first.pre,
        [Step::of(Command::Shell { line: "echo \"Preparing hello-world\"".to_owned(), image: None, strict: false })]
    );
    assert_eq!((second.dockerfile.as_str(), second.context.as_str()), ("docker/test/Dockerfile.test", "docker/test"));
    assert!(matches!(&second.test[0].command, Command::Container { run, .. } if run.args == ["node", "mochaTest"]));
    assert_eq!((third.dockerfile.as_str(), third.context.as_str()), ("Dockerfile", "."));
    let arguments = [("keyname", "keyvalue"), ("version", "1.10"), ("empty", "")];
    assert_eq!(third.build_args, arguments.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn anchors_merges_and_single_commands_are_read() {
    let config = parsed(
        "a: &base\n  image: x/a\n  test: make test\n  build_arg: &args {A: '1', B: '2'}\nb:\n  <<: *base\n  image: x/b\n  build_arg: {<<: *args, B: '3'}\n",
    );
    assert_eq!(
        config.apps[1].test,
        [Step::of(Command::Shell { line: "make test".to_owned(), image: None, strict: false })]
    );
    assert_eq!(config.apps[1].image, "x/b");
    let arguments = [("B", "3"), ("A", "1")];
    assert_eq!(config.apps[1].build_args, arguments.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn release_settings_and_environments() {
    let config = parsed(
        r#"
defaults:
  step_image: busybox
web:
  image: registry.example.com:5000/shop/web
  release:
    port: 8080
    replicas: 2
    env: {LOG_LEVEL: info, EMPTY: }
    command: serve --name "two words" $PORT
    health: {http: /health, interval: 500ms, retries: 5}
    resources: {cpus: 0.5, memory: 256M, pids: 10000}
    domain: Shop.example.com
    volumes: [uploads:/data]
    drain: 0s
environments:
  dev: {from: {branch: main}}
  production:
    from: dev
    apps:
      web:
        replicas: 10
        health: {timeout: 3s}
        resources: {memory: 1G}
"#,
    );
    assert_eq!(config.defaults.step_image.as_deref(), Some("busybox"));
    let health = HealthSettings {
        probe: Some(Probe::Http { path: "/health".to_owned() }),
        interval_ms: Some(500),
        retries: Some(5),
        ..HealthSettings::default()
    };
    let words = ["serve", "--name", "two words", "$PORT"];
    let expected = ReleaseSettings {
        port: Some(8080),
        replicas: Some(2),
        env: [("LOG_LEVEL", "info"), ("EMPTY", "")].map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        command: Some(words.map(str::to_owned).to_vec()),
        health: Some(health),
        resources: Some(Resources {
            cpus: Some(0.5),
            memory: Some(256 << 20),
            pids: Some(10_000),
            reserve: Reservation::default(),
        }),
        placement: None,
        domain: Some("shop.example.com".to_owned()),
        preview: None,
        volumes: Some(vec![Volume { name: "uploads".to_owned(), path: "/data".to_owned() }]),
        drain_ms: Some(0),
        before: None,
        after: None,
        secrets: Vec::new(),
    };
    assert_eq!(config.apps[0].release, Some(expected));
    let over = ReleaseSettings {
        replicas: Some(10),
        health: Some(HealthSettings { timeout_ms: Some(3_000), ..HealthSettings::default() }),
        resources: Some(Resources { memory: Some(1 << 30), ..Resources::default() }),
        ..ReleaseSettings::default()
    };
    assert_eq!(
        config.environments,
        [
            Environment::new("dev", Source::Branch { branch: "main".to_owned() }),
            Environment {
                apps: vec![("web".to_owned(), over)],
                ..Environment::new("production", Source::Environment { environment: "dev".to_owned() })
            },
        ]
    );
}

#[test]
fn an_app_that_nobody_asks_has_a_health_check_of_its_own_state() {
    let config =
        parsed("worker:\n  image: x/worker\n  release: {health: {start: 1m}}\nidle:\n  image: x/idle\n  release:\n");
    let health = config.apps[0].release.as_ref().and_then(|release| release.health.clone());
    assert_eq!(health, Some(HealthSettings { start_ms: Some(60_000), ..HealthSettings::default() }));
    assert_eq!(config.apps[1].release, Some(ReleaseSettings::default()));
}

#[test]
fn a_health_command_is_a_line_or_words_and_needs_no_port() {
    let written = "web:\n  image: x/web\n  release: {health: {command: \"pg_isready -q\", start: 1m}}\n  services:\n    \
                   db: {image: postgres, health: {command: [sh, -c, \"test -e /ready\"]}}\n  test: [\"true\"]\n";
    let app = &parsed(written).apps[0];
    let health = app.release.as_ref().and_then(|release| release.health.clone());
    let command = vec!["pg_isready".to_owned(), "-q".to_owned()];
    let probe = Some(Probe::Command { command });
    let expected = HealthSettings { probe, start_ms: Some(60_000), ..HealthSettings::default() };
    assert_eq!(health, Some(expected));
    let ready = app.services[0].ready.as_ref().map(|ready| &ready.probe);
    let command = ["sh", "-c", "test -e /ready"].map(str::to_owned).to_vec();
    assert_eq!(ready, Some(&ReadyProbe::Command { command }));
}
