//! Promotion by itself.

use std::sync::Arc;

use slipway_pipelines::config::{Approvals, Environment};
use slipway_server::{
    releases::{ReleaseKind, ReleaseState, keep_gates},
    store::Store,
};
use slipway_tests::{databases::TestDatabase, on_both_databases, pipeline::Pipeline};

use super::scene::{approve, keep, later, live_in_dev, production, well};
use crate::going_back::make_anew;

on_both_databases!(
    what_was_live_for_long_enough_is_promoted_once,
    what_somebody_rolled_back_is_not_promoted_again,
    what_was_made_anew_is_not_promoted_again,
    what_is_promoted_by_itself_waits_for_people_too,
);

const MINUTE: i64 = 60_000;

/// A production that takes what was live in dev for five minutes.
fn automatic() -> Environment {
    Environment { auto: true, bake_ms: 5 * 60_000, ..production() }
}

async fn what_was_live_for_long_enough_is_promoted_once(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let dev = live_in_dev(&pipeline, "a", automatic()).await;
    let due = keep(&pipeline).await;
    assert_eq!(due, Some(pipeline.store.clock().now() + 5 * MINUTE));
    pipeline.clock.advance(5 * MINUTE - 1);
    assert_eq!(keep(&pipeline).await, due);
    later(&pipeline, 1).await;
    keep(&pipeline).await;
    let promoted = pipeline.release("production", 1).await;
    assert_eq!((promoted.kind, promoted.actor.as_str()), (ReleaseKind::Promotion, "slipway"));
    assert_eq!(promoted.source_release_id, Some(dev.id));
    assert_eq!(keep(&pipeline).await, None);
    pipeline.roll_out().await;
    keep(&pipeline).await;
    assert!(pipeline.try_claim().await.is_none(), "once is enough");

    live_in_dev(&pipeline, "b", automatic()).await;
    later(&pipeline, 5 * MINUTE).await;
    keep(&pipeline).await;
    pipeline.fail_rollout("it was never healthy").await;
    keep(&pipeline).await;
    assert!(pipeline.try_claim().await.is_none(), "what failed is a person's to try again");
    assert_eq!(pipeline.live("production").await.unwrap().number, 1);
}

async fn what_somebody_rolled_back_is_not_promoted_again(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for commit in ["a", "b"] {
        live_in_dev(&pipeline, commit, automatic()).await;
        later(&pipeline, 5 * MINUTE).await;
        keep(&pipeline).await;
        pipeline.roll_out().await;
    }
    pipeline.roll_back("production", None).await.unwrap();
    pipeline.roll_out().await;
    later(&pipeline, 60 * MINUTE).await;
    assert_eq!(keep(&pipeline).await, None);
    assert!(pipeline.try_claim().await.is_none());
    assert_eq!(pipeline.live("production").await.unwrap().content.0[0].digest, "sha256:a");
    live_in_dev(&pipeline, "c", automatic()).await;
    later(&pipeline, 5 * MINUTE).await;
    keep(&pipeline).await;
    assert_eq!(pipeline.roll_out().await.release.apps[0].digest, "sha256:c", "what is new goes on");
}

async fn what_was_made_anew_is_not_promoted_again(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for commit in ["a", "b"] {
        live_in_dev(&pipeline, commit, automatic()).await;
        later(&pipeline, 5 * MINUTE).await;
        keep(&pipeline).await;
        pipeline.roll_out().await;
    }
    pipeline.roll_back("production", None).await.unwrap();
    pipeline.roll_out().await;
    make_anew(&pipeline, "dev").await;
    pipeline.roll_out().await;
    well(&pipeline, "dev").await;
    later(&pipeline, 60 * MINUTE).await;
    assert_eq!(keep(&pipeline).await, None);
    assert!(pipeline.try_claim().await.is_none(), "a restore brings nothing new");

    // Nor does it begin a bake anew: what was promoted, and what is to be, goes on from where it was.
    let dev = live_in_dev(&pipeline, "c", automatic()).await;
    let held = pipeline.promote("production").await.unwrap();
    later(&pipeline, 3 * MINUTE).await;
    make_anew(&pipeline, "dev").await;
    pipeline.roll_out().await;
    well(&pipeline, "dev").await;
    let due = Some(pipeline.store.clock().now() + 2 * MINUTE);
    assert_eq!((held.source_release_id, keep(&pipeline).await), (Some(dev.id), due));
    later(&pipeline, 2 * MINUTE).await;
    keep(&pipeline).await;
    assert_eq!(pipeline.roll_out().await.release.apps[0].digest, "sha256:c");
}

async fn what_is_promoted_by_itself_waits_for_people_too(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let both = Environment { approvals: Approvals { count: 1, author: true }, ..automatic() };
    live_in_dev(&pipeline, "a", both).await;
    later(&pipeline, 5 * MINUTE).await;
    keep(&pipeline).await;
    assert_eq!(pipeline.release("production", 1).await.state, ReleaseState::Held);
    assert_eq!(keep(&pipeline).await, None);
    approve(&pipeline, 1, "ada").await.unwrap();
    pipeline.roll_out().await;
    assert_eq!(pipeline.live("production").await.unwrap().number, 1);
}

/// Several servers see the same moment come: one release is made of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_promote_once() {
    let database = TestDatabase::postgres().await;
    let url = database.url().to_owned();
    let pipeline = Pipeline::new(database).await;
    let other = Store::open(&url, Arc::clone(pipeline.store.clock())).await.unwrap();
    for (number, commit) in [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")] {
        live_in_dev(&pipeline, commit, automatic()).await;
        later(&pipeline, 5 * MINUTE).await;
        let (one, another, third) =
            tokio::join!(keep_gates(&pipeline.store), keep_gates(&other), keep_gates(&pipeline.store));
        for kept in [one, another, third] {
            kept.unwrap();
        }
        pipeline.roll_out().await;
        assert!(pipeline.try_claim().await.is_none());
        assert_eq!(pipeline.environment("production").await.last_release_number, number);
    }
    other.close().await;
}
