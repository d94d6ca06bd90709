//! Disks that are full: the database's, and a runner's.

use slipway_runner::coordinator::{ClaimRequest, Coordinator as _};
use slipway_server::{builds, store::runners};
use slipway_tests::{
    databases::TestDatabase,
    forge::Delivery,
    house::{House, LONG, is_over},
    on_both_databases,
    pipeline::Pipeline,
    registry::RegistryFixture,
    slipway::Setup,
    small_disk::SmallDisk,
    wait::{until, until_none},
};

use crate::crash::gates::{Gate, attempts, expect_whole_logs, open_all_but, opened, push, waits_at};

on_both_databases!(a_runner_with_a_full_disk_says_so_to_whom_waits);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_full_disk_under_the_database_nothing_is_accepted_and_nothing_is_lost() {
    let disk = SmallDisk::mount(48);
    let database = TestDatabase::sqlite_in(disk.path());
    let house = House::furnished(database, RegistryFixture::open().await, Setup::new()).await;
    let number = push(&house, "feature", "one", true).await;
    waits_at(&house, number, Gate::Plain).await;
    house.slipway.anonymous().get("/readyz").await.expect(200);

    // 1. It says so, lives, and refuses what it could not keep.
    disk.fill();
    let ready = house.slipway.anonymous().get("/readyz").await.expect(503);
    assert!(ready.detail().starts_with("The disk of the database is nearly full: 0 MiB are free"), "{}", ready.body);
    house.slipway.anonymous().get("/healthz").await.expect(200);
    let delivery = Delivery::ping(&house.webhook.repository);
    let refused = delivery.send(&house.webhook).await.expect(503);
    assert!(refused.detail().contains("nearly full"), "{}", refused.body);
    assert!(house.slipway.output().contains("the disk of the database is nearly full"));
    // What the build says meanwhile is kept by the runner once there is no room for it.
    until("a report that was not taken, unless there was room for all", LONG, async || {
        open_all_but(&house, None);
        let not_taken = house.slipway.output().contains("the server did not take a report");
        (not_taken || is_over(&house.build(number).await)).then_some(())
    })
    .await;

    // 2. There is room again: the build ends as if nothing had happened, and what is delivered again is taken.
    disk.empty();
    house.slipway.anonymous().get("/readyz").await.expect(200);
    delivery.send(&house.webhook).await.expect(202);
    opened(&house, None, house.build_in(number, "succeeded")).await;
    assert_eq!(attempts(&house, number).await, 1);
    expect_whole_logs(&house, number).await;
    house.is_tidy(0).await;
}

#[tokio::test]
async fn a_disk_that_is_full_in_the_middle_of_a_checkout_is_named_and_the_next_build_succeeds() {
    let house = House::open().await;
    let disk = SmallDisk::mount(16);
    let mirrors = house.slipway.data_dir().join("runner/mirrors");
    // The runner has met no repository yet.
    let _ = std::fs::remove_dir(&mirrors);
    std::os::unix::fs::symlink(disk.path(), &mirrors).unwrap();
    let captain = format!("web:\n  build: Dockerfile\n  image: {}\n", house.image());
    let files = |version| {
        [("captain.yml", captain.as_str()), ("Dockerfile", "FROM busybox:latest\nCOPY v /\n"), ("v", version)]
    };
    let number = house.push("main", &files("one")).await;
    house.build_in(number, "succeeded").await;

    house.git_server.hold();
    let number = house.push("main", &files("two")).await;
    house.step_runs(number, "checkout", "").await;
    disk.fill();
    house.git_server.go_on();
    let build = house.build_in(number, "failed").await;
    let reason = build["reason"].as_str().unwrap();
    assert!(reason.contains("the runner's disk is full") && reason.contains("Make room"), "{reason}");
    house.is_tidy(0).await;

    disk.empty();
    let number = house.push("main", &files("three")).await;
    house.build_in(number, "succeeded").await;
    house.is_tidy(0).await;
}

/// A command writes until there is no room where all builds have their checkouts; another build waits there meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fills_the_disk_of_the_checkouts_fails_in_words_and_others_go_on() {
    let disk = SmallDisk::mount(8);
    let setup = Setup::new();
    let runner = setup.data_dir().join("runner");
    std::fs::create_dir_all(&runner).unwrap();
    std::os::unix::fs::symlink(disk.path(), runner.join("workspaces")).unwrap();
    let house = House::furnished(TestDatabase::sqlite(), RegistryFixture::open().await, setup).await;
    let waiting = push(&house, "feature", "one", true).await;
    waits_at(&house, waiting, Gate::Plain).await;

    let captain = format!(
        "defaults: {{step_image: busybox:latest}}\nweb:\n  build: Dockerfile\n  image: {}\n  \
         pre: [dd if=/dev/zero of=filler bs=64k]\n",
        house.image()
    );
    let greedy = house.push("greedy", &[("captain.yml", &captain), ("Dockerfile", "FROM busybox:latest\n")]).await;
    let build = house.build_in(greedy, "failed").await;
    let reason = build["reason"].as_str().unwrap();
    assert!(reason.contains("the disk on which it has its checkout is full. Make room there"), "{reason}");
    until_none("the greedy build's checkout", LONG, async || {
        let mut checkouts = house.checkouts();
        checkouts.retain(|path| path.join("filler").exists());
        checkouts
    })
    .await;

    opened(&house, None, house.build_in(waiting, "succeeded")).await;
    assert_eq!(attempts(&house, waiting).await, 1);
    expect_whole_logs(&house, waiting).await;
    let later = push(&house, "later", "two", true).await;
    opened(&house, None, house.build_in(later, "succeeded")).await;
    house.is_tidy(0).await;
}

async fn a_runner_with_a_full_disk_says_so_to_whom_waits(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let shortage = "the runner's disk is nearly full: 3 MiB are free, and 1024 MiB are needed";
    let request = ClaimRequest { free: 0, hindrance: Some(shortage.to_owned()), ..pipeline.request(0) };
    for _ in 0..2 {
        pipeline.coordinator.claim(request.clone()).await.unwrap();
        let wanted = format!("waiting for the runner one, which takes no job: {shortage}");
        assert_eq!(waits_for(&pipeline).await.as_deref(), Some(wanted.as_str()));
    }
    pipeline.announce("two", "first life", &[]).await;
    assert_eq!(waits_for(&pipeline).await.as_deref(), Some("waiting for a free runner"), "the other one may take it");

    pipeline.claim().await;
    let mut reader = pipeline.store.read().await.unwrap();
    let one = runners::find(&mut reader.conn(), "one").await.unwrap().unwrap();
    assert_eq!(one.hindrance, None, "it takes jobs again");
}

/// Why the first build waits.
async fn waits_for(pipeline: &Pipeline) -> Option<String> {
    let mut reader = pipeline.store.read().await.unwrap();
    let detail = builds::detail(&mut reader.conn(), "acme/shop", 1, pipeline.store.clock().now()).await;
    detail.unwrap().unwrap().waits_for
}
