//! What a step's container is given.

use slipway_runner::coordinator::{LogStream, StepOutcome};
use slipway_tests::build_house::BuildHouse;

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_of_a_plain_step_outlives_the_build_and_is_the_repositorys() {
    let mut house = BuildHouse::new().await;
    let captain = r#"
web:
  build: Dockerfile
  image: IMAGE
  pre:
    - {image: "busybox:latest", run: ["cat node_modules/x /root/.npm/x || true", "echo kept | tee node_modules/x /root/.npm/x"], cache: [node_modules, /root/.npm]}
    - {image: "busybox:latest", run: "ls node_modules", name: without}
"#;
    let commit = house.commit(captain, &[]);
    let first = house.build(&commit).await;
    assert_eq!(first.step("without").text(), "", "a step that does not ask for it does not see it");
    let second = house.build(&commit).await;
    assert_eq!(second.step("cat ").text(), "kept\nkept\nkept\n", "{second:#?}");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_has_its_own_time_and_the_message_says_whose_limit_it_was() {
    let mut house = BuildHouse::new().await;
    house.config.limits.steps.time = std::time::Duration::from_millis(1_500);
    let captain = r#"
defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE
  pre: [{run: sleep 600, timeout: 700ms}]
api:
  build: Dockerfile
  image: IMAGE-api
  pre: [{run: docker run --rm busybox:latest sleep 600, timeout: 1h}]
"#;
    let commit = house.commit(captain, &[]);
    let build = house.build(&commit).await;
    let reason = |part: &str| build.step(part).result.clone().unwrap().reason.unwrap();
    let of_plain = build.0.steps.values().find(|step| step.declaration.name == "sleep 600").unwrap();
    assert_eq!(
        of_plain.result.as_ref().unwrap().reason.as_deref(),
        Some("stopped after 0.7 s: its timeout in captain.yml")
    );
    assert_eq!(reason("docker run"), "stopped after 1.5 s: this runner lets no step take longer");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_lines_the_first_that_fails_is_the_end() {
    let mut house = BuildHouse::new().await;
    let captain = "defaults: {step_image: \"busybox:latest\"}\n\
                   web: {build: Dockerfile, image: IMAGE, pre: [{run: [\"echo one\", \"false\", \"echo two\"]}]}\n";
    let commit = house.commit(captain, &[]);
    let build = house.build(&commit).await;
    assert!(build.step("echo one").text().starts_with("one\nthe command ended"), "{build:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_docker_run_line_bounds_its_container_within_the_runners_limits() {
    let mut house = BuildHouse::new().await;
    let captain = r#"
web:
  build: Dockerfile
  image: IMAGE
  pre:
    - docker run --rm -h box --add-host peer:10.1.2.3 --tmpfs /scratch:size=1m --shm-size 8m --memory 64m --read-only busybox:latest sh -c 'hostname; grep -c "10.1.2.3.*peer" /etc/hosts; df -k /scratch /dev/shm | grep -c -E " (1024|8192) "; touch /x || echo read-only'
    - docker run --rm --memory 900g busybox:latest sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true'
"#;
    let commit = house.commit(captain, &[]);
    let build = house.build(&commit).await;
    assert_eq!(build.step("-h box").said_on(LogStream::Out), ["box", "1", "2", "read-only"]);
    assert_eq!(build.step("900g").text(), format!("{}\n", 4_u64 << 30), "never more than the runner gives");
    assert_eq!(build.step("900g").outcome(), Some(StepOutcome::Succeeded));
    house.leaves_nothing().await;
}
