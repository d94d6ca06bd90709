//! Releases on both databases: who may define environments, what follows a build, promotion and rollback.

use std::{sync::Arc, time::Duration};

use slipway_pipelines::{
    config::{Environment, Latency, Limits, Source, Strategy},
    plan::ReleasePlan,
};
use slipway_runner::coordinator::{Coordinator, JobResult, StepResult, Work};
use slipway_server::{
    builds::NewBuild,
    environments,
    releases::{ReleaseKind, ReleaseState},
    store::Db,
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{Pipeline, built, usual_plan},
    wait::until,
};

use crate::going_back::make_anew;

on_both_databases!(
    promotion_releases_exactly_what_is_live,
    a_promotion_that_makes_no_sense_is_refused_in_words,
    asking_twice_makes_one_release,
    rollback_goes_back_step_by_step,
    a_rollback_that_makes_no_sense_is_refused_in_words,
    a_failed_rollout_leaves_what_was_live,
    only_the_default_branch_defines_environments,
    an_older_build_does_not_turn_the_clock_back,
    a_release_keeps_the_strategy_that_it_was_made_with,
);

async fn promotion_releases_exactly_what_is_live(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let dev = pipeline.live_in_dev("a").await;
    let release = pipeline.promote("production").await.unwrap();
    assert_eq!((release.kind, release.number, release.actor.as_str()), (ReleaseKind::Promotion, 1, "ada"));
    assert_eq!(release.source_release_id, Some(dev.id));
    let work = pipeline.roll_out().await;
    let (in_dev, in_production) = (&dev.content.0[0], &work.release.apps[0]);
    assert_eq!(in_production.digest, in_dev.digest);
    assert_eq!((in_dev.run.replicas, in_production.run.replicas), (1, 3), "each environment's own settings");
    assert_eq!(pipeline.live("production").await.unwrap().number, 1);

    let mut reader = pipeline.store.read().await.unwrap();
    let detail = slipway_server::releases::detail(
        &mut reader.conn(),
        "acme/shop",
        "production",
        1,
        pipeline.store.clock().now(),
    )
    .await;
    assert_eq!(detail.unwrap().unwrap().source_environment.unwrap().name, "dev");
    let overview = environments::of_repository(&mut reader.conn(), &pipeline.repository.id, 5).await.unwrap();
    let live: Vec<_> =
        overview.iter().map(|one| (one.environment.name.as_str(), one.live.as_ref().unwrap().number)).collect();
    assert_eq!(live, [("dev", 1), ("production", 1)]);
}

async fn a_promotion_that_makes_no_sense_is_refused_in_words(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let refused = async |environment: &str| pipeline.promote(environment).await.unwrap_err().to_string();
    assert_eq!(
        refused("production").await,
        "there is no environment “production” in acme/shop: no build of its default branch has defined any yet"
    );
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await;
    pipeline.succeed(&lease.key, "sha256:a").await;
    assert_eq!(
        refused("production").await,
        "nothing is live in dev yet: release there first, then promote it to production"
    );
    pipeline.roll_out().await;
    assert_eq!(refused("prod").await, "there is no environment “prod” in acme/shop: it has dev, production");
    assert_eq!(
        refused("dev").await,
        "“dev” takes the builds of branch main, not promotions: push to main to release there"
    );
    pipeline.promote("production").await.unwrap();
    pipeline.roll_out().await;
    assert_eq!(refused("production").await, "“production” already runs exactly that, as release 1");

    pipeline.queue(&pipeline.push("main", "b")).await;
    let lease = pipeline.claim().await;
    pipeline.run_step(&lease.key, 0, StepResult::succeeded()).await;
    let without = ReleasePlan { environments: vec![usual_plan().environments.remove(0)], ..usual_plan() };
    pipeline.coordinator.finish_job(&lease.key, built("sha256:b", without)).await.unwrap();
    assert_eq!(
        refused("production").await,
        "the environment production is no longer in captain.yml of the default branch: add it there again first"
    );
}

async fn asking_twice_makes_one_release(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    let first = pipeline.promote("production").await.unwrap();
    let again = pipeline.promote("production").await.unwrap();
    assert_eq!(first.id, again.id, "while it waits");
    pipeline.roll_out().await;
    pipeline.live_in_dev("b").await;
    pipeline.promote("production").await.unwrap();
    pipeline.roll_out().await;
    let first = pipeline.roll_back("production", None).await.unwrap();
    let again = pipeline.roll_back("production", None).await.unwrap();
    assert_eq!(first.id, again.id);
    assert_eq!(first.number, 3);
    pipeline.roll_out().await;
    pipeline.promote("production").await.unwrap();
    assert_eq!(pipeline.roll_out().await.release.number, 4, "what was rolled back may be promoted again");
}

async fn rollback_goes_back_step_by_step(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for commit in ["a", "b", "c"] {
        pipeline.live_in_dev(commit).await;
    }
    let release = pipeline.roll_back("dev", None).await.unwrap();
    assert_eq!((release.number, release.kind, release.build_number), (4, ReleaseKind::Rollback, 2));
    let work = pipeline.roll_out().await;
    assert_eq!(work.release.apps[0].digest, "sha256:b");
    assert_eq!(work.previous.unwrap().apps[0].digest, "sha256:c");
    pipeline.roll_back("dev", None).await.unwrap();
    assert_eq!(pipeline.roll_out().await.release.apps[0].digest, "sha256:a", "twice goes back two");
    let nothing = pipeline.roll_back("dev", None).await.unwrap_err().to_string();
    assert_eq!(nothing, "“dev” has no earlier release that was live: there is nothing to roll back to");
    pipeline.roll_back("dev", Some(3)).await.unwrap();
    assert_eq!(pipeline.roll_out().await.release.apps[0].digest, "sha256:c", "and forward by number");
    assert_eq!(pipeline.live("dev").await.unwrap().number, 6);
}

async fn a_rollback_that_makes_no_sense_is_refused_in_words(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    let refused = async |to: Option<i64>| pipeline.roll_back("dev", to).await.unwrap_err().to_string();
    assert_eq!(refused(None).await, "“dev” has no earlier release that was live: there is nothing to roll back to");
    assert_eq!(refused(Some(9)).await, "“dev” has no release 9");
    assert_eq!(refused(Some(1)).await, "“dev” already runs exactly that, as release 1");
    pipeline.queue(&pipeline.push("main", "b")).await;
    let lease = pipeline.claim().await;
    pipeline.succeed(&lease.key, "sha256:b").await;
    pipeline.fail_rollout("it was never healthy").await;
    assert_eq!(refused(Some(2)).await, "release 2 of dev was never live there (failed): choose one that was");
}

async fn a_failed_rollout_leaves_what_was_live(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    pipeline.queue(&pipeline.push("main", "b")).await;
    let lease = pipeline.claim().await;
    pipeline.succeed(&lease.key, "sha256:b").await;
    pipeline.fail_rollout("the health check of web answered 500").await;
    let failed = pipeline.release("dev", 2).await;
    assert_eq!(failed.state, ReleaseState::Failed);
    assert_eq!(failed.reason.as_deref(), Some("the health check of web answered 500"));
    assert_eq!(pipeline.live("dev").await.unwrap().number, 1);
}

fn only_dev_from(branch: &str) -> ReleasePlan {
    let dev = Environment::new("dev", Source::Branch { branch: branch.to_owned() });
    ReleasePlan { environments: vec![dev], ..usual_plan() }
}

async fn only_the_default_branch_defines_environments(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    pipeline.queue(&pipeline.push("topic", "b")).await;
    let lease = pipeline.claim().await;
    pipeline.run_step(&lease.key, 0, StepResult::succeeded()).await;
    pipeline.coordinator.finish_job(&lease.key, built("sha256:b", only_dev_from("topic"))).await.unwrap();
    assert!(pipeline.try_claim().await.is_none(), "a branch cannot give itself an environment");
    assert_eq!(pipeline.environment("dev").await.source.0, Source::Branch { branch: "main".to_owned() });
    assert!(pipeline.environment("production").await.removed_at.is_none());

    pipeline.queue(&pipeline.push("main", "c")).await;
    let lease = pipeline.claim().await;
    pipeline.run_step(&lease.key, 0, StepResult::succeeded()).await;
    pipeline.coordinator.finish_job(&lease.key, built("sha256:c", only_dev_from("topic"))).await.unwrap();
    assert!(pipeline.try_claim().await.is_none(), "dev takes another branch from now on");
    assert!(pipeline.environment("production").await.removed_at.is_some());
    pipeline.queue(&pipeline.push("topic", "d")).await;
    let lease = pipeline.claim().await;
    pipeline.succeed(&lease.key, "sha256:d").await;
    assert_eq!(pipeline.roll_out().await.release.apps[0].digest, "sha256:d");
}

async fn an_older_build_does_not_turn_the_clock_back(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let older = pipeline.claim().await;
    pipeline.queue(&NewBuild { supersede: false, ..pipeline.push("main", "b") }).await;
    let newer = pipeline.claim().await;
    pipeline.succeed(&newer.key, "sha256:b").await;
    pipeline.roll_out().await;
    pipeline.succeed(&older.key, "sha256:a").await;
    assert!(pipeline.try_claim().await.is_none(), "it is built, but not released");
    assert_eq!(pipeline.event_kinds("build.not").await, ["build.not_released"]);
}

async fn a_release_keeps_the_strategy_that_it_was_made_with(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    let canary = Strategy::Canary {
        steps: vec![10],
        bake_ms: 1_000,
        limits: Limits { max_errors: Some(1.0), max_latency: Some(Latency::Times(1.5)), ..Limits::default() },
    };
    let with = |strategy: &Strategy| {
        let dev = Environment::new("dev", Source::Branch { branch: "main".to_owned() });
        ReleasePlan { environments: vec![Environment { strategy: strategy.clone(), ..dev }], ..usual_plan() }
    };
    pipeline.built("b", built("sha256:b", with(&canary))).await;
    let (lease, work) = pipeline.claim_rollout().await;
    assert_eq!(work.strategy, canary);

    // captain.yml asks for another one while the rollout is under way.
    pipeline.queue(&pipeline.push("main", "c")).await;
    let build = pipeline.claim().await;
    pipeline.run_step(&build.key, 0, StepResult::succeeded()).await;
    pipeline.coordinator.finish_job(&build.key, built("sha256:c", with(&Strategy::Recreate))).await.unwrap();
    let resumed = pipeline.coordinator.resume(&lease).await.unwrap();
    let Work::Rollout(resumed) = resumed.lease.work else { panic!("a rollout was expected") };
    assert_eq!(resumed.strategy, canary, "a rollout that is resumed takes the steps that it began with");
    pipeline.coordinator.finish_job(&lease, JobResult::Live).await.unwrap();

    assert_eq!(pipeline.roll_out().await.strategy, Strategy::Recreate);
    pipeline.roll_back("dev", Some(2)).await.unwrap();
    assert_eq!(pipeline.roll_out().await.strategy, Strategy::Recreate, "as the environment has it now");
    pipeline.built("d", built("sha256:d", with(&canary))).await;
    pipeline.roll_out().await;
    pipeline.roll_back("dev", None).await.unwrap();
    assert_eq!(pipeline.roll_out().await.strategy, Strategy::default(), "a way back is no time for a trial");
    pipeline.built("e", built("sha256:e", with(&Strategy::BlueGreen { bake_ms: 60_000 }))).await;
    pipeline.roll_out().await;
    pipeline.roll_back("dev", None).await.unwrap();
    assert_eq!(pipeline.roll_out().await.strategy, Strategy::BlueGreen { bake_ms: 0 }, "nor for a look at it");

    pipeline.built("f", built("sha256:f", with(&Strategy::Recreate))).await;
    pipeline.roll_out().await;
    make_anew(&pipeline, "dev").await;
    assert_eq!(pipeline.roll_out().await.strategy, Strategy::Recreate, "never two side by side");
}

/// On SQLite one transaction waits for the other from its beginning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_builds_that_end_at_once_are_released_in_their_order() {
    let pipeline = Arc::new(Pipeline::new(TestDatabase::postgres().await).await);
    pipeline.live_in_dev("first").await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let older = pipeline.claim().await.key;
    pipeline.queue(&NewBuild { supersede: false, ..pipeline.push("main", "b") }).await;
    let newer = pipeline.claim().await.key;

    let Db::Postgres(pool) = pipeline.store.db() else { panic!("a PostgreSQL pool was expected") };
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM environment FOR UPDATE").execute(&mut *holder).await.unwrap();
    let mut ending = Vec::new();
    for (lease, digest, waiting) in [(newer, "sha256:b", 1), (older, "sha256:a", 2)] {
        let pipeline = Arc::clone(&pipeline);
        ending.push(tokio::spawn(async move { pipeline.succeed(&lease, digest).await }));
        until("the build's end to wait for the environment", Duration::from_secs(20), async || {
            let count =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let (found,): (i64,) = sqlx::query_as(count).fetch_one(pool).await.unwrap();
            (found == waiting).then_some(())
        })
        .await;
    }
    holder.commit().await.unwrap();
    for end in ending {
        end.await.unwrap();
    }
    assert_eq!(pipeline.roll_out().await.release.apps[0].digest, "sha256:b");
    assert!(pipeline.try_claim().await.is_none(), "the older build was released over the newer one");
}
