//! Containers beside steps.

use slipway_runner::coordinator::{LogStream, StepOutcome};
use slipway_tests::build_house::BuildHouse;

#[tokio::test(flavor = "multi_thread")]
async fn two_apps_reach_each_its_own_service_under_the_same_name() {
    let mut house = BuildHouse::new().await;
    let captain = r#"
defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE
  services:
    db: {image: "busybox:latest", command: ["sh", "-c", "mkdir /www; echo data of $OF > /www/index.html; httpd -f -p 80 -h /www"], env: {OF: web}, health: {port: 80, http: /}}
  pre: ['echo "before: $(wget -qO- http://db/ || echo nobody)"']
  test:
    - docker run --rm busybox:latest wget -qO- http://db/
api:
  build: Dockerfile
  image: IMAGE-api
  services:
    db: {image: "busybox:latest", command: ["sh", "-c", "mkdir /www; echo data of api > /www/index.html; httpd -f -p 80 -h /www"], health: {port: 80}}
  test: [wget -qO- http://db/]
alone:
  build: Dockerfile
  image: IMAGE-alone
  pre: ['wget -qO- http://db/ || echo unknown']
"#;
    let commit = house.commit(captain, &[]);
    let build = house.build(&commit).await;
    assert_eq!(build.artifacts().len(), 3, "{build:#?}");
    let of_web = build.step("before").text();
    assert!(of_web.starts_with("starting the service db\nthe service db is ready after "), "{of_web}");
    assert!(of_web.ends_with("before: data of web\n"), "{of_web}");
    assert_eq!(build.step("docker run").text(), "data of web\n", "it goes on until the build ends");
    let of_api = build
        .0
        .steps
        .values()
        .find(|step| step.declaration.app.as_deref() == Some("api") && step.declaration.name.starts_with("wget"));
    assert!(of_api.unwrap().text().ends_with("data of api\n"), "{build:#?}");
    assert_eq!(build.step("unknown").said_on(LogStream::Out), ["unknown"], "an app without it does not know it");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_port_is_ready_when_its_command_says_so() {
    let mut house = BuildHouse::new().await;
    let captain = r#"
defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE
  services:
    db:
      image: "busybox:latest"
      command: ["sh", "-c", "mkdir /www; httpd -p 80 -h /www; sleep 2; echo late > /www/index.html; sleep 600"]
      health: {command: "test -e /www/index.html"}
  pre: [wget -qO- http://db/]
"#;
    let commit = house.commit(captain, &[]);
    let build = house.build(&commit).await;
    assert_eq!(build.step("wget").said_on(LogStream::Out), ["late"], "{build:#?}");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ends_early_fails_the_step_that_needs_it_with_its_last_lines() {
    let mut house = BuildHouse::new().await;
    let captain = r#"
defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE
  services:
    db: {image: "busybox:latest", command: ["sh", "-c", "echo starting; while [ ! -e /stop ]; do nc -l -p 99 > /stop; done; echo disk full >&2; exit 4"], health: {port: 99, start: 5s}}
  pre: ["sleep 600"]
"#;
    let commit = house.commit(captain, &[]);
    let build = house.build(&commit).await;
    let reason = "the service db ended with exit code 4 while it was needed";
    assert_eq!(build.failure(), format!("step 1 (sleep 600) failed: {reason}"));
    let log = build.step("sleep 600").text();
    assert!(log.contains("db | starting\n") && log.contains("db | disk full\n"), "{log}");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_become_ready_in_time_says_what_the_last_probe_met() {
    let mut house = BuildHouse::new().await;
    let captain = r#"
defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE
  services:
    db: {image: "busybox:latest", command: ["sh", "-c", "echo waiting for nothing; sleep 600"], health: {port: 5432, start: 300ms}}
  pre: [echo never]
"#;
    let commit = house.commit(captain, &[]);
    let build = house.build(&commit).await;
    let reason =
        "the service db was not ready within 0.3 s: port 5432 takes no connection: Connection refused (os error 111)";
    assert_eq!(build.failure(), format!("step 1 (echo never) failed: {reason}"));
    let log = build.step("echo never").text();
    assert!(log.contains("db | waiting for nothing\n"), "{log}");
    assert!(!log.contains("\nnever\n"), "{log}");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_starts_the_just_built_image_as_it_is_released() {
    let mut house = BuildHouse::new().await;
    let captain = r#"
defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE
  test:
    - {run: "wget -qO- http://web:8080/", start: [web]}
  release: {port: 8080, env: {GREETING: hello}, health: {http: /}, command: ["sh", "-c", "mkdir /www; cat /made > /www/index.html; echo $GREETING >> /www/index.html; httpd -f -p 8080 -h /www"]}
environments:
  dev: {from: {branch: main}}
"#;
    for made in ["once", "twice"] {
        let dockerfile = format!("FROM busybox:latest\nRUN echo {made} > /made\n");
        let commit = house.commit(captain, &[("Dockerfile", &dockerfile)]);
        let build = house.build(&commit).await;
        assert_eq!(build.step("wget").outcome(), Some(StepOutcome::Succeeded), "{build:#?}");
        assert!(build.step("wget").text().ends_with(&format!("{made}\nhello\n")), "{build:#?}");
    }
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_images_own_healthcheck_is_waited_for() {
    let mut house = BuildHouse::new().await;
    let captain = r#"
defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE
  test:
    - {run: "wget -qO- http://web/", start: [web]}
  release: {health: {start: 20s}, command: ["sh", "-c", "sleep 0.3; mkdir /www; echo up > /www/index.html; httpd -f -p 80 -h /www"]}
environments:
  dev: {from: {branch: main}}
"#;
    let dockerfile = "FROM busybox:latest\nHEALTHCHECK --interval=200ms CMD wget -qO- http://127.0.0.1/\n";
    let commit = house.commit(captain, &[("Dockerfile", dockerfile)]);
    let build = house.build(&commit).await;
    assert!(build.step("wget").text().ends_with("up\n"), "{build:#?}");
    house.leaves_nothing().await;
}
