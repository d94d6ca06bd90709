//! What a hostile repository tries, on the real engine: to reach the host, its networks, and other repositories and builds.

use std::fmt::Write as _;

use slipway_runner::StepLimits;
use slipway_tests::{build_house::BuildHouse, engine::docker, house::LONG};

/// How many apps try to win the race at once; without a defence, nearly every run of the test is lost.
const RACERS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_left_in_the_background_cannot_swap_a_mounted_folder_for_a_link_to_the_host() {
    let mut house = BuildHouse::new().await;
    let mut captain = "defaults: {step_image: \"busybox:latest\"}\n".to_owned();
    for racer in 0..RACERS {
        // The first command returns at once, and what it started goes on.
        let _ = write!(
            captain,
            "app{racer}:\n  build: Dockerfile\n  image: IMAGE{racer}\n  pre:\n    - |\n      mkdir p{racer}; touch p{racer}/inside; ln -s /etc l{racer}\n      \
             (while :; do mv p{racer} a{racer}; mv l{racer} p{racer}; usleep 150000; mv p{racer} l{racer}; mv a{racer} p{racer}; usleep 150000; done) >/dev/null 2>&1 &\n    \
             - docker run --rm -v ./p{racer}:/data busybox:latest ls /data\n"
        );
    }
    let commit = house.commit(&captain, &[]);
    let build = house.build(&commit).await;

    let mounted: Vec<_> = build
        .0
        .steps
        .values()
        .filter(|step| step.declaration.name.starts_with("docker run"))
        .map(|s| s.text())
        .collect();
    assert_eq!(mounted.len(), RACERS);
    let escaped: Vec<_> = mounted.iter().filter(|log| log.contains("passwd")).collect();
    assert!(escaped.is_empty(), "the host's /etc was mounted into {} of {RACERS} steps", escaped.len());
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_may_not_push_an_image_leaves_the_engines_image_of_that_name_alone() {
    let mut house = BuildHouse::new().await;
    // Nobody listens there, as little as a registry would take an image that is not this repository's.
    let tool = format!("127.0.0.1:1/{}/tool", house.name());
    let named = format!("{tool}:latest");
    let _ = docker(&["tag", "busybox:latest", &named]);
    let captain = format!("web: {{build: Dockerfile, image: \"{tool}\"}}\n");
    let commit = house.commit(&captain, &[]);
    let build = house.build(&commit).await;
    let found = docker(&["images", "--no-trunc", "--format", "{{.Tag}} {{.ID}}", &tool]);
    let busybox = docker(&["image", "inspect", "--format", "latest {{.Id}}", "busybox:latest"]);
    let _ = docker(&["rmi", &named]);

    assert!(build.failure().contains("the registry 127.0.0.1:1 does not answer"), "{}", build.failure());
    assert_eq!(found, busybox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_does_not_reach_the_containers_of_another_build() {
    let mut house = BuildHouse::new().await;
    let waits = "defaults: {step_image: \"busybox:latest\"}\n\
         web: {build: Dockerfile, image: IMAGE, pre: ['mkdir /w; echo secret > /w/index.html; httpd -h /w; hostname -i; echo there; sleep 600']}\n";
    let commit = house.commit(waits, &[]);
    let victim = house.queue(&commit);
    house.logged(&victim, "there").await;
    let address = {
        let record = house.server.wait_for(&victim, LONG, |_| true).await;
        let text: String = record.steps.values().map(|step| step.text()).collect();
        text.lines().find(|line| line.split('.').count() == 4).unwrap().trim().to_owned()
    };
    let tries = format!(
        "defaults: {{step_image: \"busybox:latest\"}}\n\
         web: {{build: Dockerfile, image: IMAGE, pre: ['wget -T 2 -qO- http://{address}/ || echo not reached']}}\n"
    );
    let commit = house.commit(&tries, &[]);
    let build = house.build(&commit).await;
    let said = build.step("wget").text();
    assert!(said.contains("not reached\n") && !said.contains("secret"), "{said}");
    house.server.cancel(&victim);
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_writes_more_than_it_may_is_ended_in_words_wherever_it_writes() {
    let mut house = BuildHouse::new().await;
    house.config.limits.steps = StepLimits { disk: Some(64 * 1024 * 1024), ..StepLimits::default() };
    for place in [".", ""] {
        // Half of it twice: what is measured is the build's, not the command's.
        let fill = |name| format!("dd if=/dev/zero of={place}/{name} bs=1M count=40 && echo wrote {name}");
        let captain = format!(
            "defaults: {{step_image: \"busybox:latest\"}}\nweb:\n  build: Dockerfile\n  image: IMAGE\n  \
             pre: ['{}', '{} && sleep 600']\n",
            fill("one"),
            fill("two"),
        );
        let commit = house.commit(&captain, &[]);
        let build = house.build(&commit).await;
        let failure = build.failure();
        assert!(failure.contains("its build took more than the 64 MiB of disk"), "in {place}: {failure}");
        assert!(failure.ends_with("(runner.step_disk_bytes)"), "it names the setting: {failure}");
        assert!(build.step("two").text().contains("wrote two"), "it was the second that was too much");
    }
    house.leaves_nothing().await;
}
