//! What a build leaves out, and what that means for the rest.

use slipway_runner::coordinator::StepOutcome;
use slipway_tests::build_house::BuildHouse;

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_a_condition_leaves_out_is_told_with_its_reason_and_the_rest_goes_on() {
    let mut house = BuildHouse::new().await;
    let captain = r#"
defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE
  pre:
    - {run: echo never, when: {branch: release/*}}
    - echo after it
"#;
    let commit = house.commit(captain, &[]);
    let build = house.build(&commit).await;
    let left_out = build.step("echo never");
    assert!(!left_out.started);
    assert_eq!(left_out.declaration.skipped.as_deref(), Some("when.branch is release/*, this is main"));
    assert_eq!(build.step("echo after it").outcome(), Some(StepOutcome::Succeeded), "{build:#?}");
    assert_eq!(build.artifacts().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_changed_paths_are_those_between_the_last_good_build_and_this_commit() {
    let mut house = BuildHouse::new().await;
    let captain = r#"
defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE
  pre: [{run: echo web, when: {paths: ["web/**"]}}, {run: echo docs, when: {paths: ["docs/**"]}}]
"#;
    house.before = Some(house.commit(captain, &[("web/a", "1"), ("docs/a", "1")]));
    house.commit(captain, &[("web/a", "2"), ("docs/a", "1")]);
    let commit = house.commit(captain, &[("web/a", "2"), ("docs/a", "1"), ("README", "x")]);
    let build = house.build(&commit).await;
    assert!(build.step("echo web").started, "changed two commits ago: {build:#?}");
    assert!(!build.step("echo docs").started, "{build:#?}");

    // A force push: what differs between the two, wherever they parted.
    let forced = house.repository.force_push(
        "main",
        &[
            ("captain.yml", &captain.replace("IMAGE", &house.image("web"))),
            ("Dockerfile", "FROM busybox:latest\nCOPY . /app\n"),
            ("web/a", "1"),
            ("docs/a", "3"),
        ],
    );
    let build = house.build(&forced).await;
    assert!(!build.step("echo web").started && build.step("echo docs").started, "{build:#?}");

    // Nobody knows: everything runs, and the log says why.
    house.before = Some("1234567890123456789012345678901234567890".to_owned());
    let build = house.build(&forced).await;
    assert!(build.step("echo web").started && build.step("echo docs").started, "{build:#?}");
    assert!(build.step("checkout").text().contains("it is not known which files changed"), "{build:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_branch_is_measured_from_where_it_left_the_default_branch() {
    let mut house = BuildHouse::new().await;
    let captain = r#"
defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE
  pre: [{run: echo web, when: {paths: ["web/**"]}}, {run: echo docs, when: {paths: ["docs/**"]}}]
"#;
    house.commit(captain, &[("web/a", "1"), ("docs/a", "1")]);
    let captain = captain.replace("IMAGE", &house.image("web"));
    let commit = house.repository.branch_off(
        "topic",
        "main",
        &[
            ("captain.yml", captain.as_str()),
            ("Dockerfile", "FROM busybox:latest\nCOPY . /app\n"),
            ("web/a", "1"),
            ("docs/a", "2"),
        ],
    );
    house.before = Some("0000000000000000000000000000000000000000".to_owned());
    let job = house.queue_ref("refs/heads/topic", &commit);
    let build = house.ended(&job).await;
    assert!(!build.step("echo web").started && build.step("echo docs").started, "{build:#?}");
}
