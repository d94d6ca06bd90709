//! Pushes on both databases: what changed since the last one that was built, and those that ask not to be built.

use slipway_runner::coordinator::{Coordinator, JobResult, Work};
use slipway_server::{
    builds::NewBuild,
    intake::{Received, Verdict},
};
use slipway_tests::{
    databases::TestDatabase,
    forge::{Push, commit},
    on_both_databases,
    pipeline::Pipeline,
    slipway::Slipway,
};

on_both_databases!(
    the_default_branch_builds_everything_until_a_build_of_it_succeeds,
    changes_are_measured_from_the_last_commit_that_was_built_successfully,
    a_skipped_push_is_no_build_and_still_part_of_the_order,
);

/// Claims the next build: from where its changes are measured, and the key to end it.
async fn since(pipeline: &Pipeline) -> (Option<String>, slipway_runner::coordinator::LeaseKey) {
    let lease = pipeline.claim().await;
    let Work::Build(work) = lease.work else { panic!("a build was expected") };
    assert_eq!((work.author.as_str(), work.event.as_str()), ("Ada", "push"));
    assert!(work.message.starts_with("change "), "{}", work.message);
    (work.before, lease.key)
}

async fn the_default_branch_builds_everything_until_a_build_of_it_succeeds(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let after = |commit: &str, earlier: &str| NewBuild {
        before: Some(earlier.repeat(40)),
        supersede: false,
        ..pipeline.push("main", commit)
    };
    pipeline.queue(&after("b", "a")).await;
    let (before, first) = since(&pipeline).await;
    assert_eq!(before, None);
    pipeline.queue(&after("c", "b")).await;
    assert_eq!(since(&pipeline).await.0, None, "nothing of the first is built yet");
    pipeline.succeed(&first, "sha256:b").await;
    pipeline.roll_out().await;
    pipeline.queue(&after("d", "c")).await;
    assert_eq!(since(&pipeline).await.0, Some("b".repeat(40)));
}

async fn changes_are_measured_from_the_last_commit_that_was_built_successfully(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let after =
        |commit: &str, earlier: &str| NewBuild { before: Some(earlier.repeat(40)), ..pipeline.push("next", commit) };
    let fail = async |key| {
        let failed = JobResult::Failed { reason: "a test failed".to_owned() };
        pipeline.coordinator.finish_job(&key, failed).await.unwrap();
    };
    pipeline.queue(&after("b", "a")).await;
    let (before, key) = since(&pipeline).await;
    assert_eq!(before, Some("a".repeat(40)), "the first that was heard of: what its push changed");
    fail(key).await;
    pipeline.queue(&after("c", "b")).await;
    let (before, key) = since(&pipeline).await;
    assert_eq!(before, Some("a".repeat(40)), "what the failed build left undone is not forgotten");
    pipeline.succeed(&key, "sha256:c").await;
    pipeline.queue(&after("d", "c")).await;
    pipeline.queue(&after("e", "d")).await;
    let (before, key) = since(&pipeline).await;
    assert_eq!(before, Some("c".repeat(40)), "the superseded one before it was not built");
    pipeline.succeed(&key, "sha256:e").await;
    pipeline.queue(&pipeline.push("topic", "f")).await;
    assert_eq!(since(&pipeline).await.0, None, "a new branch: nobody knows what it changed");
}

async fn a_skipped_push_is_no_build_and_still_part_of_the_order(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let skip = |commit: &str, before: &str| Verdict::Skipped {
        git_ref: "refs/heads/main".to_owned(),
        commit: commit.repeat(40),
        before: Some(before.repeat(40)),
    };
    let push = |commit: &str, before: &str| {
        Verdict::Build(NewBuild { before: Some(before.repeat(40)), ..pipeline.push("main", commit) })
    };
    let reason = "its commit's message asks not to be built (such as [skip ci])";
    let skipped = pipeline.deliver(skip("0", "9")).await;
    assert!(
        matches!(&skipped, Received::Stored { build: None, ignored: Some(why), .. } if why == reason),
        "{skipped:?}"
    );
    pipeline.deliver(push("a", "0")).await;
    pipeline.deliver(push("b", "a")).await;
    pipeline.deliver(skip("c", "b")).await;
    assert_eq!(pipeline.build(2).await.state.as_str(), "queued", "a skipped push takes nobody's place");

    // From the skipped commit forced back to one that was built: that is news.
    let back = pipeline.deliver(push("a", "c")).await;
    assert!(matches!(back, Received::Stored { build: Some(3), ignored: None, .. }), "{back:?}");
    assert_eq!(pipeline.build(2).await.state.as_str(), "cancelled");

    // One that is delivered after the push that followed it changes nothing.
    pipeline.deliver(push("e", "d")).await;
    pipeline.deliver(skip("d", "a")).await;
    let again = pipeline.deliver(push("a", "d")).await;
    assert!(matches!(again, Received::Stored { build: Some(3), ignored: Some(_), .. }), "{again:?}");
    assert_eq!(pipeline.build(4).await.state.as_str(), "queued");
}

#[tokio::test]
async fn a_push_that_asks_for_no_build_is_listed_with_the_reason_and_a_tag_is_built() {
    let slipway = Slipway::start().await;
    let webhook = slipway.connect("shop/web", "https://git.example/shop/web.git").await;
    let asks = Push::to_branch("shop/web", "main", &commit("one")).saying("Mend a comma [skip ci]");
    let answer = asks.delivery().send(&webhook).await.expect(202).json();
    assert!(answer["build"].is_null(), "{answer}");
    let reason = "its commit's message asks not to be built (such as [skip ci])";
    assert_eq!(answer["ignored"], reason);
    let listed = slipway.api().get("/api/v1/deliveries").await.expect(200).json();
    assert_eq!((&listed["items"][0]["state"], &listed["items"][0]["reason"]), (&"ignored".into(), &reason.into()));

    let tag = Push::of_tag("shop/web", "v1.0.0", &commit("one")).saying("Mend a comma [skip ci]");
    assert_eq!(tag.delivery().send(&webhook).await.expect(202).json()["build"], 1, "a tag is a deliberate act");
}
