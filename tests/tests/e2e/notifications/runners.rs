//! Trouble of runners, and of the machines that they are on.

use slipway_pipelines::plan::ReleasePlan;
use slipway_runner::coordinator::{Condition, Coordinator as _, HostMeasurement, Measurements};
use slipway_server::{
    environments::{directory, told},
    notifications::{Rule, acknowledge},
    runners::{notice_silence, revoke},
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{built, usual_plan},
};

use super::scene::{MINUTE, Scene, pair};

on_both_databases!(
    a_silent_runner_is_trouble_until_it_is_heard_of_again,
    a_runner_that_is_dismissed_is_no_trouble,
    a_nearly_full_disk_is_trouble_until_there_is_room_again,
    nothing_is_said_to_be_well_by_a_runner_that_is_silent,
);

/// Whoever asked for one repository alone hears nothing of runners.
async fn scene(database: TestDatabase) -> Scene {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    scene.channel("shop", Rule { repositories: vec!["acme/*".to_owned()], ..Rule::default() }).await;
    scene
}

/// What the rescuer does in each of its rounds.
async fn notice(scene: &Scene) {
    notice_silence(&scene.pipeline.store).await.unwrap();
    scene.tell().await;
}

async fn a_silent_runner_is_trouble_until_it_is_heard_of_again(database: TestDatabase) {
    let scene = scene(database).await;
    scene.pipeline.clock.advance(MINUTE);
    notice(&scene).await;
    assert_eq!(scene.told(), [], "it may still be heard of in time");
    scene.pipeline.clock.advance(1);
    for _ in 0..2 {
        notice(&scene).await;
    }
    let silent = pair("ops", "runner one is silent");
    assert_eq!(scene.told(), std::slice::from_ref(&silent), "once");
    let open = scene.open().await;
    assert_eq!((open.len(), open[0].repository_id.as_ref()), (1, None));
    let post = scene.inbox.posts().remove(0).json();
    assert_eq!((post["runner"]["name"].as_str(), post["repository"].as_str()), (Some("one"), None), "{post:#}");

    scene.pipeline.announce("one", "second life", &[]).await;
    for _ in 0..2 {
        notice(&scene).await;
    }
    assert_eq!(scene.told(), [silent.clone(), pair("ops", "runner one is heard of again")]);
    assert_eq!(scene.open().await, []);
    scene.pipeline.clock.advance(MINUTE + 1);
    notice(&scene).await;
    assert_eq!(scene.told()[2], silent, "another trouble");
}

async fn a_runner_that_is_dismissed_is_no_trouble(database: TestDatabase) {
    let scene = scene(database).await;
    scene.pipeline.clock.advance(MINUTE + 1);
    notice(&scene).await;
    let alert = scene.open().await.remove(0);
    let mut tx = scene.pipeline.store.write().await.unwrap();
    acknowledge(&mut tx, &alert.id, "ada").await.unwrap();
    revoke(&mut tx, "one", "ada").await.unwrap();
    tx.commit().await.unwrap();
    notice(&scene).await;
    assert_eq!(scene.open().await, []);
    assert_eq!(scene.told()[1..], [pair("ops", "runner one is silent; its alert is closed")]);
    assert_eq!(scene.inbox.posts()[1].json()["reason"], "the runner was revoked");
}

async fn a_nearly_full_disk_is_trouble_until_there_is_room_again(database: TestDatabase) {
    let scene = scene(database).await;
    let measured = async |disk: u64, disk_limit: u64| {
        let measured = Measurements {
            runner: "one".to_owned(),
            incarnation: "first life".to_owned(),
            host: Some(HostMeasurement { disk, disk_limit, ..HostMeasurement::default() }),
            replicas: None,
        };
        scene.pipeline.coordinator.report_measurements(measured).await.unwrap();
        scene.tell().await;
        scene.told()
    };
    assert_eq!(measured(0, 0).await, [], "it was not measured");
    assert_eq!(measured(89, 100).await, []);
    let full = pair("ops", "runner one has a nearly full disk");
    assert_eq!(measured(93, 100).await, std::slice::from_ref(&full));
    assert_eq!(scene.inbox.posts()[0].json()["reason"], "93 % of the disk that its folder is on are taken");
    for disk in [99, 88, 91] {
        assert_eq!(measured(disk, 100).await.len(), 1, "it is known");
    }
    assert_eq!(measured(84, 100).await[1..], [pair("ops", "runner one has room on its disk again")]);
    assert_eq!(scene.open().await, []);
    assert_eq!(measured(89, 100).await.len(), 2, "there is room yet");
}

async fn nothing_is_said_to_be_well_by_a_runner_that_is_silent(database: TestDatabase) {
    let scene = scene(database).await;
    scene.pipeline.live_in_dev("a").await;
    scene.stands(&[Condition::Healthy]).await;
    let condition = async || {
        let environment = scene.pipeline.environment("dev").await;
        let now = scene.pipeline.store.clock().now();
        let mut reader = scene.pipeline.store.read().await.unwrap();
        let told = told(&mut reader.conn(), &environment, now).await.unwrap();
        let listed = directory(&mut reader.conn(), now).await.unwrap().remove(0).condition;
        assert_eq!(told.replicas.first().map(|replica| told.condition(replica)), Some(listed));
        listed
    };
    assert_eq!(condition().await, "healthy");
    scene.pipeline.clock.advance(MINUTE + 1);
    assert_eq!(condition().await, "unknown");

    // What captain.yml no longer names is left alone, and nobody knows how it is.
    let without = ReleasePlan { environments: usual_plan().environments.split_off(1), ..usual_plan() };
    scene.pipeline.built("b", built("sha256:b", without)).await;
    assert_eq!(condition().await, "unattended");
}
