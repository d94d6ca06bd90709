//! Secrets reach who names them, and no log.

use slipway_runner::coordinator::{SecretValue, StepOutcome};
use slipway_tests::{
    build_house::{Build, BuildHouse},
    engine,
};

const KEY: &str = "first line of a key\nsecond-line/of&it";

fn secret(name: &str, value: &str) -> SecretValue {
    SecretValue { name: name.to_owned(), version: None, value: value.to_owned() }
}

/// Everything that a build said to its server.
fn everything(build: &Build) -> String {
    format!("{:?}", build.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_in_the_environment_of_the_steps_that_name_it_and_masked_in_every_log() {
    let mut house = BuildHouse::new().await;
    house.secrets = vec![secret("NPM_TOKEN", "hunter22-horse"), secret("KEY", KEY)];
    let captain = r#"
defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE
  pre:
    - run: 'printf "%s\n" "$NPM_TOKEN" | wc -c; echo "a token: $NPM_TOKEN"; printf hunter; sleep 0.05; printf 22-horse; echo; echo "$KEY" >&2; printf %s "user:$NPM_TOKEN" | base64'
      secrets: [NPM_TOKEN, KEY]
    - 'echo "without: [$NPM_TOKEN]"'
    - run: docker run --rm -e NPM_TOKEN busybox:latest sh -c 'echo "in a container ${#NPM_TOKEN} $NPM_TOKEN"; echo "$NPM_TOKEN" > leak; exit 3'
      secrets: [NPM_TOKEN]
"#;
    let commit = house.commit(captain, &[]);
    let build = house.build(&commit).await;
    let said = build.step("a token").text();
    assert!(said.contains("15\n"), "it had the whole secret: {said}");
    assert!(said.contains("a token: ***\n***\n"), "{said}");
    assert_eq!(build.step("without").text(), "without: []\n");
    assert!(build.step("docker run").text().starts_with("in a container 14 ***\n"), "{build:#?}");
    let everything = everything(&build);
    for part in
        ["hunter22", "first line of", "second-line", "VuZGVy", "aHVudGVyMjIt", "HVudGVyMjItaG9y", "h1bnRlcjIyLWhvcn"]
    {
        assert!(!everything.contains(part), "{part} in {everything}");
    }
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_a_plain_command_is_in_its_environment_and_nowhere_else() {
    let mut house = BuildHouse::new().await;
    house.secrets = vec![secret("NPM_TOKEN", "hunter22-horse")];
    let captain = "defaults: {step_image: \"busybox:latest\"}\n\
                   web: {build: Dockerfile, image: IMAGE, pre: [{run: 'echo $NPM_TOKEN | wc -c; sleep 600', secrets: [NPM_TOKEN]}]}\n";
    let commit = house.commit(captain, &[]);
    let job = house.queue(&commit);
    house.logged(&job, "15").await;
    let [container] = &engine::running(&house.config.id)[..] else { panic!("one container runs") };
    for look in
        [&["inspect", container][..], &["top", container, "-o", "pid,args"], &["logs", container], &["diff", container]]
    {
        let seen = engine::docker(look).concat();
        assert!(!seen.contains("hunter22"), "docker {look:?}: {seen}");
    }
    house.server.cancel(&job);
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_set_fails_its_step_before_it_runs() {
    let mut house = BuildHouse::new().await;
    let captain = "defaults: {step_image: \"busybox:latest\"}\n\
                   web: {build: Dockerfile, image: IMAGE, pre: [{run: echo ran, secrets: [NPM_TOKEN]}]}\n";
    let commit = house.commit(captain, &[]);
    let build = house.build(&commit).await;
    let name = house.name();
    let expected =
        format!("the secret NPM_TOKEN is not set for {name}; set it with: slipway secret set {name} NPM_TOKEN");
    assert!(build.failure().ends_with(&expected), "{}", build.failure());
    assert_eq!(build.step("echo ran").text(), format!("{expected}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dockerfile_reads_a_build_secret_that_stays_in_no_layer_and_no_log() {
    let mut house = BuildHouse::new().await;
    house.secrets = vec![secret("NPM_TOKEN", "hunter22-horse"), secret("OTHER", "not-named-here")];
    let captain = "web: {build: Dockerfile, image: IMAGE, build_secret: [NPM_TOKEN]}\n";
    let dockerfile = format!(
        "FROM busybox:latest\n\
         RUN --mount=type=secret,id=NPM_TOKEN,required=true echo {} && \
         test \"$(cat /run/secrets/NPM_TOKEN)\" = hunter22''-horse && cat /run/secrets/NPM_TOKEN && echo read > /done\n\
         RUN --mount=type=secret,id=OTHER test ! -e /run/secrets/OTHER\n",
        ulid::Ulid::generate()
    );
    let commit = house.commit(captain, &[("Dockerfile", &dockerfile)]);
    let build = house.build(&commit).await;
    assert_eq!(build.step("build ").outcome(), Some(StepOutcome::Succeeded), "{build:#?}");
    assert!(build.step("build ").text().contains(" ***"), "{}", build.step("build ").text());
    assert!(!everything(&build).contains("hunter22-horse"), "{build:#?}");
    let artifact = &build.artifacts()[0];
    let pushed = format!("{}@{}", artifact.image, artifact.digest);
    let history = engine::docker(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", &pushed]).join("\n");
    assert!(!history.contains("hunter22-horse"), "{history}");
    let found = engine::docker(&["run", "--rm", &pushed, "sh", "-c", "cat /done; ls /run/secrets 2>/dev/null || true"]);
    assert_eq!(found, ["read"]);
    house.leaves_nothing().await;
}
