//! Windows, freezes and bake: what time alone changes.

use slipway_pipelines::config::{Environment, Window};
use slipway_runner::coordinator::Condition;
use slipway_server::releases::{DecisionKind, ReleaseKind, ReleaseState};
use slipway_tests::{databases::TestDatabase, on_both_databases, pipeline::Pipeline};

use super::scene::{asking_for, decided, freeze, keep, later, live_in_dev, production, stands, unfreeze, well};

on_both_databases!(
    a_release_waits_for_its_window,
    a_freeze_keeps_everything_out_but_a_rollback,
    a_release_waits_until_it_was_live_in_its_source_for_long_enough,
    a_release_that_left_its_source_too_soon_is_refused,
    time_in_the_source_proves_nothing_while_nobody_looks_or_it_is_not_well,
);

const MINUTE: i64 = 60_000;

async fn a_release_waits_for_its_window(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    // The clock shows Monday, 14:13:20 UTC.
    let window = Window { days: [true; 7], from_minute: 15 * 60, to_minute: 16 * 60, timezone: "UTC".to_owned() };
    live_in_dev(&pipeline, "a", Environment { window: Some(window), ..production() }).await;
    let held = pipeline.promote("production").await.unwrap();
    assert_eq!(held.reason.as_deref(), Some("its window opens today 15:00 UTC"));
    let opens = keep(&pipeline).await.unwrap();
    assert_eq!(opens - pipeline.store.clock().now(), 46 * MINUTE + 40_000);
    pipeline.clock.advance(46 * MINUTE + 39_000);
    assert_eq!(keep(&pipeline).await, Some(opens));
    pipeline.clock.advance(1_000);
    keep(&pipeline).await;
    assert_eq!(pipeline.release("production", 1).await.state, ReleaseState::Queued);
    assert_eq!(keep(&pipeline).await, None);

    // It closes before a runner is free: then it does not begin either.
    pipeline.clock.advance(60 * MINUTE);
    assert!(pipeline.try_claim().await.is_none());
    let held = pipeline.release("production", 1).await;
    assert_eq!((held.state, held.reason.as_deref()), (ReleaseState::Held, Some("its window opens tomorrow 15:00 UTC")));
    pipeline.clock.advance(23 * 60 * MINUTE);
    keep(&pipeline).await;
    assert_eq!(pipeline.roll_out().await.release.number, 1);
}

async fn a_freeze_keeps_everything_out_but_a_rollback(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    live_in_dev(&pipeline, "a", production()).await;
    pipeline.promote("production").await.unwrap();
    pipeline.roll_out().await;
    live_in_dev(&pipeline, "b", production()).await;
    pipeline.promote("production").await.unwrap();
    pipeline.roll_out().await;

    freeze(&pipeline, None).await;
    live_in_dev(&pipeline, "c", production()).await;
    let held = pipeline.promote("production").await.unwrap();
    assert_eq!(held.reason.as_deref(), Some("production is frozen by ana: sale"));
    assert_eq!(keep(&pipeline).await, None);

    let back = pipeline.roll_back("production", None).await.unwrap();
    assert_eq!((back.kind, back.state), (ReleaseKind::Rollback, ReleaseState::Queued));
    let by_ada = |kind| (kind, "ada".to_owned());
    let expected = [by_ada(DecisionKind::RolledBack), by_ada(DecisionKind::Admitted)];
    assert_eq!(decided(&pipeline, back.number).await, expected);
    assert_eq!(pipeline.roll_out().await.release.apps[0].digest, "sha256:a");
    assert_eq!(
        pipeline.release("production", 3).await.state,
        ReleaseState::Superseded,
        "it must not undo the rollback"
    );

    pipeline.promote("production").await.unwrap();
    unfreeze(&pipeline).await;
    keep(&pipeline).await;
    assert_eq!(pipeline.roll_out().await.release.apps[0].digest, "sha256:c");

    let end = pipeline.store.clock().now() + 5 * MINUTE;
    freeze(&pipeline, Some(end)).await;
    live_in_dev(&pipeline, "d", production()).await;
    pipeline.promote("production").await.unwrap();
    assert_eq!(keep(&pipeline).await, Some(end));
    pipeline.clock.advance(5 * MINUTE);
    keep(&pipeline).await;
    assert_eq!(pipeline.roll_out().await.release.apps[0].digest, "sha256:d", "it ended by itself");
    let kinds = pipeline.event_kinds("environment.").await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "environment.frozen").count(), 2);
    assert_eq!(kinds.iter().filter(|kind| *kind == "environment.unfrozen").count(), 1);
}

async fn a_release_waits_until_it_was_live_in_its_source_for_long_enough(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    live_in_dev(&pipeline, "a", Environment { bake_ms: 5 * 60_000, ..production() }).await;
    later(&pipeline, 2 * MINUTE).await;
    let held = pipeline.promote("production").await.unwrap();
    let why = "dev #1 must have been live there for 5 min, until 21 Sep 14:18:20 UTC";
    assert_eq!(held.reason.as_deref(), Some(why));
    assert_eq!(keep(&pipeline).await, Some(pipeline.store.clock().now() + 3 * MINUTE));
    later(&pipeline, 3 * MINUTE).await;
    keep(&pipeline).await;
    assert_eq!(pipeline.roll_out().await.release.number, 1);
}

async fn a_release_that_left_its_source_too_soon_is_refused(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let baking = Environment { bake_ms: 5 * 60_000, ..asking_for(1) };
    live_in_dev(&pipeline, "a", baking.clone()).await;
    pipeline.promote("production").await.unwrap();
    later(&pipeline, MINUTE).await;
    live_in_dev(&pipeline, "b", baking).await;
    keep(&pipeline).await;
    let refused = pipeline.release("production", 1).await;
    assert_eq!(refused.state, ReleaseState::Rejected);
    let why = "dev #1 was live there for 1 min only, and production asks for 5 min";
    assert_eq!(refused.reason.as_deref(), Some(why));
    let last = decided(&pipeline, 1).await.pop();
    assert_eq!(last, Some((DecisionKind::Refused, "slipway".to_owned())));
}

async fn time_in_the_source_proves_nothing_while_nobody_looks_or_it_is_not_well(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    live_in_dev(&pipeline, "a", Environment { bake_ms: 5 * 60_000, ..production() }).await;
    pipeline.promote("production").await.unwrap();
    let why = async || pipeline.release("production", 1).await.reason.unwrap_or_default();
    // Its runner is silent for the whole time.
    pipeline.clock.advance(5 * MINUTE);
    keep(&pipeline).await;
    assert_eq!(why().await, "dev #1 must be well there: its runner one is not heard of");
    // It is back, and what it looks after does not stay up.
    later(&pipeline, 0).await;
    stands(&pipeline, "dev", Condition::CrashLoop).await;
    keep(&pipeline).await;
    assert_eq!(why().await, "dev #1 must be well there: web 1 is crash loop");
    well(&pipeline, "dev").await;
    keep(&pipeline).await;
    assert_eq!(pipeline.roll_out().await.release.number, 1);
}
