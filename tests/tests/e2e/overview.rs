//! The first page's statements: of many repositories at once, what is live where and how it stands, and what was built last.

use slipway_runner::coordinator::{Condition, Coordinator as _, EnvironmentReport, ReplicaReport};
use slipway_server::{
    environments::Health,
    store::{Seen, overview, runners},
};
use slipway_tests::{databases::TestDatabase, on_both_databases, pipeline::Pipeline};

on_both_databases!(
    each_environment_is_told_with_what_is_live_and_how_it_stands,
    the_newest_builds_of_a_few_refs_are_told
);

/// Longer than a runner may be silent.
const SILENCE_MS: i64 = 10 * 60_000;

async fn each_environment_is_told_with_what_is_live_and_how_it_stands(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    let told = async || {
        let now = pipeline.store.clock().now();
        let mut reader = pipeline.store.read().await.unwrap();
        let runners = runners::list(&mut reader.conn()).await.unwrap();
        let stages = overview::stages(&mut reader.conn(), &Seen::All, "", 10).await.unwrap();
        let one = |stage: &overview::Stage| (stage.environment.clone(), stage.live, Health::of(stage, &runners, now));
        stages.iter().map(one).collect::<Vec<_>>()
    };
    let nothing = ("production".to_owned(), None, Health::Unknown);
    assert_eq!(told().await, [("dev".to_owned(), Some(1), Health::Unknown), nothing.clone()]);

    let live = pipeline.live("dev").await.unwrap();
    let wanted = live.content.iter().map(|app| app.run.replicas).sum();
    let replica = ReplicaReport {
        app: "web".to_owned(),
        replica: 1,
        container: "web-1".to_owned(),
        address: None,
        condition: Condition::Healthy,
        trouble: None,
        lasts: false,
        restarts: 0,
    };
    let report = EnvironmentReport {
        runner: "one".to_owned(),
        environment: live.environment_id.to_string(),
        release: live.id.to_string(),
        replicas: vec![replica],
        breach: None,
    };
    pipeline.coordinator.report_environment(report).await.unwrap();
    let health = Health::Told { healthy: 1, wanted, drifted: 0 };
    assert_eq!(told().await, [("dev".to_owned(), Some(1), health), nothing]);
    pipeline.clock.advance(SILENCE_MS);
    assert_eq!(told().await[0].2, Health::Unknown, "its runner is silent");

    let mut reader = pipeline.store.read().await.unwrap();
    let behind = overview::stages(&mut reader.conn(), &Seen::All, &pipeline.repository.name, 10).await.unwrap();
    assert_eq!(behind, [], "the repository comes before");
}

async fn the_newest_builds_of_a_few_refs_are_told(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for (branch, commit) in [("main", "a"), ("one", "b"), ("two", "c"), ("one", "d"), ("three", "e")] {
        pipeline.queue(&pipeline.push(branch, commit)).await;
    }
    let mut reader = pipeline.store.read().await.unwrap();
    let tips = overview::tips(&mut reader.conn(), &Seen::All, "", 10, 2).await.unwrap();
    let told: Vec<_> = tips.iter().map(|tip| (tip.build.git_ref.as_str(), tip.build.number)).collect();
    assert_eq!(told, [("refs/heads/three", 5), ("refs/heads/one", 4)]);
    let all = overview::tips(&mut reader.conn(), &Seen::All, "", 10, 9).await.unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(overview::tips(&mut reader.conn(), &Seen::All, "acme/shop", 10, 9).await.unwrap(), []);
}
