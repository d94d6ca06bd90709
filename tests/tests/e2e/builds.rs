//! Builds on the real engine, from a real git server to a real registry.

use std::time::Duration;

use bollard::query_parameters::TagImageOptionsBuilder;
use slipway_runner::{
    coordinator::{JobResult, LogStream, StepOutcome, TimeLimit},
    engine::Engine,
};
use slipway_tests::{
    build_house::BuildHouse,
    engine::{self, EngineLine},
    wait::until_none,
};

/// pre (plain and container), build, test, push.
const PIPELINE: &str = r#"
defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE
  pre:
    - echo "plain of $SLIPWAY_COMMIT" && echo one > generated
    - echo two >> generated; hostname > first-host
    - hostname | diff - first-host && echo the same container
    - docker run --rm -v "$PWD":/app -w /app busybox:latest sh -c 'echo three >> generated && cat generated'
  test:
    - docker run --rm -e STAGE=test IMAGE sh -c 'echo "testing in $STAGE"; cat /app/generated'
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_green_pipeline_is_checked_out_built_tested_and_pushed() {
    let mut house = BuildHouse::new().await;
    let commit = house.commit(PIPELINE, &[]);
    let build = house.build(&commit).await;

    let [artifact] = build.artifacts() else { panic!("one app gives one artifact: {build:#?}") };
    assert_eq!((artifact.app.as_str(), &artifact.image), ("web", &house.image("web")));
    assert_eq!(artifact.tags, [&commit[..7], "main", "latest"]);
    assert!(artifact.size > 0);
    for tag in &artifact.tags {
        let held = house.pushed(&format!("{}:{tag}", artifact.image)).await;
        assert_eq!(held.as_ref(), Some(&artifact.digest), "under {tag}");
    }
    assert_eq!(build.step("echo \"plain").text(), format!("plain of {commit}\n"));
    assert_eq!(build.step("diff").text(), "the same container\n", "plain commands share one container");
    assert_eq!(build.step("-w /app").text(), "one\ntwo\nthree\n", "steps share the workspace");
    assert_eq!(build.step("STAGE=test").text(), "testing in test\none\ntwo\nthree\n", "the image just built is tested");
    let building = build.step("build ");
    assert!(building.text().contains("COPY . /app"), "{}", building.text());
    let pushed = build.step("push ").result.clone().unwrap();
    assert_eq!(pushed.output["digest"], artifact.digest);
    assert!(build.0.steps.values().all(|step| step.outcome() == Some(StepOutcome::Succeeded)), "{build:#?}");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_kept_in_order_with_its_streams_and_odd_bytes() {
    let mut house = BuildHouse::new().await;
    let script = "#!/bin/sh\nprintf 'caf\\303\\251\\n\\377\\n'; printf ' 1%%\\r 100%%\\n'; echo err >&2; seq 1 20000; printf end\n";
    let captain =
        "web: {build: Dockerfile, image: IMAGE, pre: [./talk.sh]}\ndefaults: {step_image: \"busybox:latest\"}\n";
    let commit = house.commit(captain, &[("talk.sh", script)]);
    let build = house.build(&commit).await;

    // Each stream keeps its order; the engine promises none between the two, which come to it through a pipe each.
    let talk = build.step("talk");
    assert_eq!(talk.said_on(LogStream::Err), ["err"]);
    let said = talk.said_on(LogStream::Out);
    assert_eq!(said[..3], ["café", "\u{fffd}", " 100%"]);
    let (end, numbers) = said[3..].split_last().unwrap();
    assert_eq!(numbers.len(), 20_000);
    assert!(numbers.iter().enumerate().all(|(at, line)| *line == (at + 1).to_string()), "every line, in order");
    assert_eq!(*end, "end");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_pre_step_stops_its_app_and_is_named() {
    let mut house = BuildHouse::new().await;
    let captain = "defaults: {step_image: \"busybox:latest\"}\n\
                   web: {build: Dockerfile, image: IMAGE, pre: [\"echo oh no; exit 7\", echo never]}\n";
    let commit = house.commit(captain, &[]);
    let build = house.build(&commit).await;

    assert_eq!(build.failure(), "step 1 (echo oh no; exit 7) failed: the command ended with exit code 7");
    let failed = build.step("exit 7");
    assert_eq!(failed.result.as_ref().unwrap().exit_code, Some(7));
    assert_eq!(failed.text(), "oh no\nthe command ended with exit code 7\n");
    for step in ["echo never", "build ", "push "] {
        let result = build.step(step).result.clone().unwrap();
        assert_eq!(result.outcome, StepOutcome::Skipped);
        assert_eq!(result.reason.as_deref(), Some("step 1 (echo oh no; exit 7) failed"));
    }
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pushed_when_a_test_fails() {
    let mut house = BuildHouse::new().await;
    let captain = "web: {build: Dockerfile, image: IMAGE, test: [\"docker run --rm IMAGE false\"]}\n\
                   api: {build: api/Dockerfile, image: IMAGE-api}\n";
    let commit = house.commit(captain, &[("api/Dockerfile", "FROM busybox:latest\nRUN echo api > /name\n")]);
    let build = house.build(&commit).await;

    assert!(build.failure().ends_with("failed: the command ended with exit code 1"), "{}", build.failure());
    let pushes: Vec<_> = build.0.steps.values().filter(|step| step.declaration.name.starts_with("push")).collect();
    assert_eq!(pushes.len(), 2);
    assert!(pushes.iter().all(|step| step.outcome() == Some(StepOutcome::Skipped)), "{pushes:#?}");
    assert_eq!(house.pushed(&format!("{}:main", house.image("web"))).await, None);
    assert_eq!(house.pushed(&format!("{}:main", house.image("web-api"))).await, None, "nor what passed its own tests");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_image_under_the_same_name_is_never_taken_for_the_one_that_was_tested() {
    let mut house = BuildHouse::new().await;
    let commit = house.commit("web: {build: Dockerfile, image: IMAGE}\n", &[]);
    let name = format!("{}:main", house.image("web"));
    let rival = tokio::spawn({
        let engine = Engine::connect(None).await.unwrap();
        let repo = house.image("web");
        async move {
            loop {
                let options = TagImageOptionsBuilder::default().repo(&repo).tag("main").build();
                engine.tag_image("busybox:latest", Some(options)).await.unwrap();
            }
        }
    });
    let build = house.build(&commit).await;
    rival.abort();
    assert!(rival.await.is_err(), "it goes on until it is stopped");
    match &build.0.result {
        Some(JobResult::Built { artifacts, .. }) => {
            let pulled = format!("{}@{}", artifacts[0].image, artifacts[0].digest);
            let revision = "{{index .Config.Labels \"org.opencontainers.image.revision\"}}";
            assert_eq!(engine::docker(&["inspect", "-f", revision, &pulled]), [commit]);
        }
        Some(JobResult::Failed { reason }) => {
            assert!(reason.contains(&format!("{name} could not be pushed: other images")), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    // The rival's name is nobody's but this test's to take back.
    let _ = engine::docker(&["rmi", &name]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_dockerfile_is_named_with_the_place_to_correct() {
    let mut house = BuildHouse::new().await;
    let commit = house.commit("web: {build: web/Dockerfile, image: IMAGE}\n", &[]);
    let build = house.build(&commit).await;
    assert!(
        build.failure().ends_with(
            "there is no Dockerfile at `web/Dockerfile` in this commit: correct `build` of the app `web` in captain.yml"
        ),
        "{}",
        build.failure()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_dockerfile_shows_its_output_and_its_command() {
    let mut house = BuildHouse::new().await;
    let dockerfile = "FROM busybox:latest\nRUN echo compiling && exit 3\n";
    let commit = house.commit("web: {build: Dockerfile, image: IMAGE}\n", &[("Dockerfile", dockerfile)]);
    let build = house.build(&commit).await;
    assert!(build.failure().contains("the image could not be built"), "{}", build.failure());
    assert!(build.failure().contains("exit code: 3"), "{}", build.failure());
    assert!(build.step("build ").text().contains(" compiling\n"), "{}", build.step("build ").text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_captain_yml_fails_the_checkout_with_line_and_column() {
    let mut house = BuildHouse::new().await;
    let commit = house.commit("web:\n  build: Dockerfile\n  image: IMAGE\n  tests: [echo]\n", &[]);
    let build = house.build(&commit).await;
    assert!(build.failure().contains("captain.yml:4:3"), "{}", build.failure());
    let checkout = build.step("checkout");
    assert_eq!(checkout.outcome(), Some(StepOutcome::Failed));
    assert!(checkout.text().contains("captain.yml:4:3"), "{}", checkout.text());
    assert_eq!(build.0.steps.len(), 1, "nothing was planned");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_captain_yml_the_dockerfiles_are_built() {
    let mut house = BuildHouse::new().await;
    let commit = house.repository.commit("main", &[("README", "no Dockerfile")]);
    let build = house.build(&commit).await;
    assert!(build.failure().contains("there is no captain.yml in this commit"), "{}", build.failure());

    let commit = house.repository.commit("main", &[("sub/Dockerfile", "FROM busybox:latest\nCMD true\n")]);
    let job = house.queue(&commit);
    let build = house.ended(&job).await;
    assert_eq!(build.step("build ").outcome(), Some(StepOutcome::Succeeded), "{build:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_force_pushed_away_is_said_to_be_gone() {
    let mut house = BuildHouse::new().await;
    let gone = house.commit(PIPELINE, &[("old", "1")]);
    house.repository.force_push("main", &[("new", "1")]);
    let build = house.build(&gone).await;
    assert_eq!(
        build.failure(),
        format!(
            "step 0 (checkout) failed: commit {gone} is no longer on the server: it was probably force-pushed away"
        )
    );
    // Where the server gives out any commit, as GitHub does, it is built all the same.
    house.repository.allow_any_commit();
    let build = house.build(&gone).await;
    assert_eq!(build.step("checkout").outcome(), Some(StepOutcome::Succeeded), "{build:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_branches_dead_servers_and_forbidden_addresses_are_told_apart() {
    let mut house = BuildHouse::new().await;
    let commit = house.commit(PIPELINE, &[]);
    let missing = "1234567890123456789012345678901234567890";

    let job = house.queue_ref("refs/heads/nowhere", missing);
    let failure = house.ended(&job).await.failure().to_owned();
    assert!(
        failure.ends_with("the branch `nowhere` is not on the server: it was deleted, or never existed"),
        "{failure}"
    );

    let job = house.queue_from("file:///etc", "refs/heads/main", &commit);
    let failure = house.ended(&job).await.failure().to_owned();
    assert!(failure.contains("`file:///etc` is not allowed: only https, ssh, http and git"), "{failure}");

    house.git.stop();
    let job = house.queue_ref("refs/heads/main", &commit);
    let failure = house.ended(&job).await.failure().to_owned();
    assert!(failure.contains("cannot fetch from git://127.0.0.1:"), "{failure}");
    assert!(failure.contains("Check that the address is right"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_down_is_named() {
    let mut house = BuildHouse::new().await;
    let commit = house.commit("web: {build: Dockerfile, image: IMAGE}\n", &[]);
    house.registry.stop();
    let build = house.build(&commit).await;
    let expected = format!("the registry {} does not answer", house.registry.host());
    assert!(build.failure().contains(&expected), "{}", build.failure());
    assert!(build.failure().ends_with("Check that it is running and that the Docker engine can reach it"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_names_the_user_and_the_remedy() {
    let mut house = BuildHouse::protected().await;
    let commit = house.commit("web: {build: Dockerfile, image: IMAGE}\n", &[]);
    let host = house.registry.host();
    let good = std::mem::replace(&mut house.credentials, vec![house.registry.credential("wrong")]);
    let failure = house.build(&commit).await.failure().to_owned();
    assert!(failure.contains(&format!("the registry {host} refused the login of `captain`")), "{failure}");
    assert!(failure.ends_with(&format!("Correct the credential for {host} in Slipway")), "{failure}");

    house.credentials = Vec::new();
    let failure = house.build(&commit).await.failure().to_owned();
    assert!(failure.contains(&format!("the registry {host} asks for a login")), "{failure}");

    house.credentials = good;
    assert_eq!(house.build(&commit).await.artifacts().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_engine_is_named_and_the_runner_lives_on() {
    let mut house = BuildHouse::new().await;
    let mut line = EngineLine::open();
    house.config.docker_host = Some(line.host());
    house.config.limits.engine_return = Duration::from_millis(300);
    let captain = "defaults: {step_image: \"busybox:latest\"}\n\
                   web: {build: Dockerfile, image: IMAGE, pre: [\"echo started; sleep 600\"]}\n";
    let commit = house.commit(captain, &[]);
    let job = house.queue(&commit);
    house.logged(&job, "started").await;

    line.cut();
    let expected = format!("cannot reach the Docker engine at {}: is it running?", line.host());
    let build = house.ended(&job).await;
    assert!(build.failure().contains(&expected), "mid-way: {}", build.failure());
    let build = house.build(&commit).await;
    assert!(build.failure().starts_with(&expected), "from the start: {}", build.failure());

    // The next life of the runner finds what this one could not remove.
    assert_ne!(engine::left_by_builds(&house.config.id), [] as [String; 0]);
    house.stop_runner().await;
    house.config.docker_host = None;
    house.start_runner();
    house.leaves_nothing().await;
}

/// Waits until none of the containers runs any more: far less than the ten minutes that their commands take.
async fn nothing_runs(house: &BuildHouse) {
    until_none("the containers to end", Duration::from_secs(60), async || engine::running(&house.config.id)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_kills_plain_commands_and_containers_at_once() {
    let mut house = BuildHouse::new().await;
    let captain = "defaults: {step_image: \"busybox:latest\"}\n\
                   web: {build: Dockerfile, image: IMAGE, pre: [\"echo plain; sleep 600\"]}\n\
                   api: {build: Dockerfile, image: IMAGE-api, pre: [\"docker run --rm busybox:latest sh -c 'echo own; sleep 600'\"]}\n";
    let commit = house.commit(captain, &[]);
    let job = house.queue(&commit);
    house.logged(&job, "plain").await;
    house.logged(&job, "own").await;
    assert_eq!(engine::running(&house.config.id).len(), 2);

    house.server.cancel(&job);
    let build = house.ended(&job).await;
    nothing_runs(&house).await;
    assert_eq!(build.0.result, Some(JobResult::Cancelled));
    assert_eq!(build.step("echo plain").outcome(), Some(StepOutcome::Cancelled));
    assert_eq!(build.step("push ").outcome(), Some(StepOutcome::Cancelled), "what had not begun, too");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_takes_longer_than_it_may_is_stopped_and_says_so() {
    let mut house = BuildHouse::new().await;
    house.time_limit = Some(TimeLimit { minutes: 1, left_ms: 5_000 });
    let captain = "defaults: {step_image: \"busybox:latest\"}\n\
                   web: {build: Dockerfile, image: IMAGE, pre: [\"echo started; sleep 600\"]}\n";
    let commit = house.commit(captain, &[]);
    let build = house.build(&commit).await;
    assert_eq!(build.failure(), "the build took longer than 1 minute");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_lease_stops_everything_and_reports_nothing_more() {
    let mut house = BuildHouse::new().await;
    house.lease_ms = 3_000;
    let captain = "defaults: {step_image: \"busybox:latest\"}\n\
                   web: {build: Dockerfile, image: IMAGE, pre: [\"echo started; sleep 600\"]}\n";
    let commit = house.commit(captain, &[]);
    let job = house.queue(&commit);
    house.logged(&job, "started").await;
    house.server.take_over(&job);
    house.leaves_nothing().await;
    let record = house.server.record(&job);
    assert_eq!(record.result, None);
    assert_eq!(record.steps[&1].result, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_cut_off_from_its_server_fences_itself_within_its_lease() {
    let mut house = BuildHouse::new().await;
    house.lease_ms = 2_000;
    let captain = "defaults: {step_image: \"busybox:latest\"}\n\
                   web: {build: Dockerfile, image: IMAGE, pre: [\"echo started; sleep 600\"]}\n";
    let commit = house.commit(captain, &[]);
    let job = house.queue(&commit);
    house.logged(&job, "started").await;
    house.server.set_down(true);
    nothing_runs(&house).await;
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_for_a_moment_misses_no_line() {
    let mut house = BuildHouse::new().await;
    let captain = "defaults: {step_image: \"busybox:latest\"}\n\
                   web: {build: Dockerfile, image: IMAGE, pre: [\"for i in $(seq 1 40); do echo line $i; sleep 0.05; done\"]}\n";
    let commit = house.commit(captain, &[]);
    let job = house.queue(&commit);
    house.logged(&job, "line 3").await;
    house.server.set_down(true);
    house.server.turned_away(4, Duration::from_secs(20)).await;
    house.server.set_down(false);
    let build = house.ended(&job).await;
    let expected: String = (1..=40).map(|i| format!("line {i}\n")).collect();
    assert_eq!(build.step("seq").text(), expected);
    assert_eq!(build.artifacts().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_leaves_nothing_and_hands_the_job_back() {
    let mut house = BuildHouse::new().await;
    let captain = "defaults: {step_image: \"busybox:latest\"}\n\
                   web: {build: Dockerfile, image: IMAGE, pre: [\"echo started; sleep 600\"]}\n";
    let commit = house.commit(captain, &[]);
    let job = house.queue(&commit);
    house.logged(&job, "started").await;
    house.stop_runner().await;
    assert_eq!(
        engine::left_by_builds(&house.config.id),
        [] as [String; 0],
        "nothing is left when the runner has ended"
    );
    let record = house.server.record(&job);
    assert_eq!(record.result, Some(JobResult::Cancelled), "cancelled by nobody, it goes back to the queue");
    assert_eq!(record.steps[&1].result, None, "a step that did not end is not said to have");
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_contained() {
    let mut house = BuildHouse::new().await;
    let captain = "defaults: {step_image: \"busybox:latest\"}\n\
                   web:\n  build: Dockerfile\n  image: IMAGE\n  pre:\n    - grep -E 'NoNewPrivs|CapEff' /proc/self/status\n    \
                   - cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; mknod /tmp/x c 1 3 || echo no devices\n    \
                   - docker run --rm -v \"$PWD/link\":/host busybox:latest ls /host\n";
    let commit = house.commit(captain, &[("link", "-> /etc")]);
    let build = house.build(&commit).await;
    let status = build.step("grep").text();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert!(status.contains("CapEff:\t00000000000004fb"), "{status}");
    let limits = build.step("mknod").text();
    assert!(limits.contains("4096\n") && limits.contains("no devices"), "{limits}");
    assert!(build.failure().contains("`link` leads out of the checkout"), "{}", build.failure());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_builds_on_the_image_of_one_above_it() {
    let mut house = BuildHouse::new().await;
    let captain = "base: {build: base/Dockerfile, image: IMAGE}\n\
                   app: {build: app/Dockerfile, image: IMAGE-app, test: [\"docker run --rm IMAGE-app cat /made-by\"]}\n";
    let image = house.image("web");
    for made_by in ["the first build", "the second build"] {
        let base = format!("FROM busybox:latest\nRUN echo {made_by} > /made-by\n");
        let app = format!("FROM {image} AS base\nFROM busybox:latest\nCOPY --from={image} /made-by /made-by\n");
        let commit = house.commit(captain, &[("base/Dockerfile", &base), ("app/Dockerfile", &app)]);
        let build = house.build(&commit).await;
        assert_eq!(build.step("docker run").text(), format!("{made_by}\n"), "never an older image of the same name");
        assert_eq!(build.artifacts().len(), 2);
    }
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_volume_outlives_a_build() {
    let mut house = BuildHouse::new().await;
    let captain = "web: {build: Dockerfile, image: IMAGE, pre: [\"docker run --rm -v ~/.cache:/cache busybox:latest sh -c 'cat /cache/x; echo kept >> /cache/x'\"]}\n";
    let commit = house.commit(captain, &[]);
    let first = house.build(&commit).await;
    assert!(first.step("docker run").text().contains("No such file"), "{first:#?}");
    let second = house.build(&commit).await;
    assert_eq!(second.step("docker run").text(), "kept\n");
    assert!(second.step("checkout").text().contains("the commit was fetched before"));
    house.leaves_nothing().await;
}
