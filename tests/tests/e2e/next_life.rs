//! A runner that ends and starts again: what its next life does with the builds that were under way.

use std::path::PathBuf;

use slipway_runner::{
    AtShutdown,
    coordinator::{JobResult, LeaseKey},
};
use slipway_tests::{
    build_house::{Build, BuildHouse},
    engine,
    house::LONG,
    wait::until,
};

/// The first command must not run twice; the second waits for a file in its checkout.
const CAPTAIN: &str = "defaults: {step_image: \"busybox:latest\"}
web:
  build: Dockerfile
  image: IMAGE
  pre:
    - docker run --rm -v ~/.count:/count busybox:latest sh -c 'echo counted >> /count/runs'
    - echo waiting; until test -e open; do sleep 0.05; done; echo gone on
  test:
    - docker run --rm -v ~/.count:/count busybox:latest cat /count/runs
";

/// A build whose second command waits, and the runner gone.
async fn left_waiting() -> (BuildHouse, String) {
    let mut house = BuildHouse::new().await;
    house.config.at_shutdown = AtShutdown::Leave;
    let commit = house.commit(CAPTAIN, &[]);
    let job = house.queue(&commit);
    house.logged(&job, "waiting").await;
    house.stop_runner().await;
    assert_ne!(engine::running(&house.config.id), [] as [String; 0], "the command goes on in its container");
    (house, job)
}

fn checkouts(house: &BuildHouse) -> Vec<PathBuf> {
    let entries = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    entries(house.workspaces()).flat_map(entries).filter(|path| path.extension().is_none()).collect()
}

fn journal(house: &BuildHouse) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(house.config.data_dir.join("jobs")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_goes_on_where_it_was() {
    let (mut house, job) = left_waiting().await;
    // What the version before brought into containers, as a file and as an image.
    let programs = house.config.data_dir.join("inside");
    std::fs::create_dir_all(&programs).unwrap();
    std::fs::write(programs.join("0123456789abcdef".repeat(2)), "").unwrap();
    let image = format!("slipway-inside:before-{}", house.config.id.to_lowercase());
    engine::docker(&["tag", "busybox:latest", &image]);
    house.start_runner();
    for checkout in checkouts(&house) {
        std::fs::write(checkout.join("open"), "").unwrap();
    }
    let build = house.ended(&job).await;
    assert_eq!(std::fs::read_dir(&programs).unwrap().count(), 0, "nobody uses it");
    assert_eq!(engine::docker(&["images", "-q", &image]), [] as [String; 0]);
    assert_eq!(engine::docker(&["images", "-q", "busybox:latest"]).len(), 1, "its other name is somebody else's");
    assert_eq!(build.artifacts().len(), 1);
    assert_eq!(house.server.hellos()[1].resuming, [LeaseKey { job: job.clone(), epoch: 1 }]);
    assert_eq!(build.step("cat /count/runs").text(), "counted\n", "what had ended was not run again");
    assert!(build.step("until test").text().ends_with("waiting\ngone on\n"), "{:#?}", build.step("until test"));
    assert!(!build.step("checkout").text().contains("begins again"));
    house.leaves_nothing().await;
    assert_eq!(journal(&house), [] as [PathBuf; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_that_a_command_took_in_an_earlier_life_counts() {
    let (mut house, job) = left_waiting().await;
    house.server.has_run(house.config.limits.steps.time);
    house.start_runner();
    let build = house.ended(&job).await;
    let reason = build.failure();
    assert!(reason.contains("stopped after") && reason.contains("this runner lets no step take longer"), "{reason}");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_was_cancelled_meanwhile_is_stopped() {
    let (mut house, job) = left_waiting().await;
    house.server.cancel(&job);
    house.start_runner();
    let Build(record) = house.ended(&job).await;
    assert_eq!(record.result, Some(JobResult::Cancelled));
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_another_runner_has_is_cleaned_up_after() {
    let (mut house, job) = left_waiting().await;
    house.server.take_over(&job);
    house.start_runner();
    house.leaves_nothing().await;
    assert_eq!(house.server.record(&job).result, None, "nothing is said of what is not its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_whose_checkout_is_gone_is_handed_back() {
    let (mut house, job) = left_waiting().await;
    for checkout in checkouts(&house) {
        std::fs::remove_dir_all(checkout).unwrap();
    }
    house.start_runner();
    let Build(record) = house.ended(&job).await;
    assert_eq!(record.result, Some(JobResult::Cancelled), "nobody cancelled it: it goes back to the queue");
    house.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_whose_journal_cannot_be_read_is_cleaned_up_after() {
    let (mut house, _) = left_waiting().await;
    for entry in journal(&house) {
        std::fs::write(entry, "{\"lease\":").unwrap();
    }
    house.start_runner();
    let second = async || house.server.hellos().get(1).cloned();
    assert_eq!(until("the next life", LONG, second).await.resuming, []);
    house.leaves_nothing().await;
}
