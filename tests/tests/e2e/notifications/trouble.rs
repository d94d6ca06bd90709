//! Trouble from its beginning to its end.

use std::sync::Arc;

use slipway_pipelines::plan::ReleasePlan;
use slipway_runner::coordinator::{Condition, Coordinator as _, EnvironmentReport, JobResult};
use slipway_server::{
    notifications::{Address, NotificationState, Occasion, Rule, acknowledge, close, read_news},
    secrets::Secret,
    store::Store,
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{built, digest, usual_plan},
};

use super::scene::{MINUTE, Scene, pair};

on_both_databases!(
    trouble_is_told_once_and_so_is_its_end,
    nobody_is_told_of_what_was_before_them,
    somebody_else_is_called_when_nobody_looks_after_it,
    an_older_build_neither_ends_nor_begins_trouble,
    an_environment_is_in_trouble_until_something_is_live_in_it_again,
    what_somebody_closes_is_over,
    what_goes_well_is_told_to_those_who_want_it,
    a_branch_of_somebodys_own_is_told_to_those_who_want_it,
    an_app_that_does_not_stay_well_is_trouble_until_all_of_it_is_well,
    what_is_found_wanting_is_told_although_the_way_back_is_live_already,
    pagerduty_hears_who_looks_after_an_incident,
    an_app_that_is_put_right_in_vain_is_trouble_whatever_is_amiss,
    an_app_that_is_not_well_for_long_is_trouble_however_rarely_it_was_put_right,
);

async fn trouble_is_told_once_and_so_is_its_end(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    scene.fails("a", "exit code 1").await;
    scene.tell().await;
    let first = pair("ops", "acme/shop: build 1 of main failed");
    assert_eq!(scene.told(), std::slice::from_ref(&first));
    scene.fails("b", "exit code 2").await;
    scene.fails("c", "exit code 2").await;
    scene.tell().await;
    assert_eq!(scene.told(), std::slice::from_ref(&first), "the same trouble");
    let open = scene.open().await;
    assert_eq!((open[0].times, open[0].number, open[0].message.reason.as_deref()), (3, 3, Some("exit code 2")));

    scene.succeeds("d").await;
    scene.tell().await;
    assert_eq!(scene.told(), [first, pair("ops", "acme/shop: build 4 of main succeeded after 3 failures")]);
    assert_eq!(scene.open().await, []);
    let posts = scene.inbox.posts();
    assert_eq!(posts[0].json()["trouble"]["id"], posts[1].json()["trouble"]["id"]);
    assert_eq!(posts[1].json()["url"], "https://slipway.example/repositories/acme/shop/builds/4");

    scene.fails("e", "exit code 1").await;
    scene.tell().await;
    assert_eq!(scene.told()[2].1, "acme/shop: build 5 of main failed", "another trouble");
}

async fn nobody_is_told_of_what_was_before_them(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.fails("a", "exit code 1").await;
    scene.tell().await;
    scene.channel("late", Rule::default()).await;
    scene.fails("b", "exit code 1").await;
    scene.succeeds("c").await;
    scene.tell().await;
    assert_eq!(scene.told(), [], "neither of trouble that had begun, nor of its end");
}

async fn somebody_else_is_called_when_nobody_looks_after_it(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    scene.channel("boss", Rule { after_minutes: 15, ..Rule::default() }).await;
    scene.fails("a", "exit code 1").await;
    scene.tell().await;
    scene.pipeline.clock.advance(15 * MINUTE - 1);
    scene.tell().await;
    assert_eq!(scene.told().len(), 1);
    scene.pipeline.clock.advance(1);
    scene.tell().await;
    assert_eq!(scene.told()[1], pair("boss", "acme/shop: build 1 of main failed"));
    scene.succeeds("b").await;
    scene.tell().await;
    assert_eq!(scene.told().len(), 4, "both are told of the end");

    // This time somebody says that they look after it.
    scene.fails("c", "exit code 1").await;
    scene.tell().await;
    let alert = scene.open().await.remove(0);
    let mut tx = scene.pipeline.store.write().await.unwrap();
    acknowledge(&mut tx, &alert.id, "ada").await.unwrap();
    tx.commit().await.unwrap();
    scene.pipeline.clock.advance(60 * MINUTE);
    scene.tell().await;
    assert_eq!(scene.told().len(), 5, "only ops was told");
    let dropped = (NotificationState::Dropped, Some("ada looks after it".to_owned()));
    assert!(scene.states().await.contains(&dropped));
    let mut tx = scene.pipeline.store.write().await.unwrap();
    acknowledge(&mut tx, &alert.id, "bob").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(scene.open().await[0].acknowledged_by.as_deref(), Some("ada"), "who was first has it");

    // And this time it is over before anybody else is called.
    scene.succeeds("d").await;
    scene.fails("e", "exit code 1").await;
    scene.succeeds("f").await;
    scene.tell().await;
    scene.pipeline.clock.advance(60 * MINUTE);
    scene.tell().await;
    assert!(scene.told().iter().skip(4).all(|(channel, _)| channel == "ops"), "{:?}", scene.told());
}

async fn an_older_build_neither_ends_nor_begins_trouble(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let pipeline = &scene.pipeline;
    scene.channel("ops", Rule::default()).await;
    let mut pushes = ["a", "b"].map(|commit| pipeline.push("main", commit));
    for push in &mut pushes {
        push.supersede = false;
        pipeline.queue(push).await;
    }
    let (older, newer) = (pipeline.claim().await, pipeline.claim().await);
    let failed = || JobResult::Failed { reason: "exit code 1".to_owned() };
    pipeline.coordinator.finish_job(&newer.key, failed()).await.unwrap();
    pipeline.coordinator.finish_job(&older.key, built(&digest("a"), ReleasePlan::default())).await.unwrap();
    scene.tell().await;
    assert_eq!(scene.open().await.len(), 1, "main is still broken");

    let mut pushes = ["c", "d"].map(|commit| pipeline.push("main", commit));
    for push in &mut pushes {
        push.supersede = false;
        pipeline.queue(push).await;
    }
    let (older, newer) = (pipeline.claim().await, pipeline.claim().await);
    pipeline.coordinator.finish_job(&newer.key, built(&digest("d"), ReleasePlan::default())).await.unwrap();
    pipeline.coordinator.finish_job(&older.key, failed()).await.unwrap();
    scene.tell().await;
    assert_eq!(scene.open().await, [], "main works");
    assert_eq!(scene.told().len(), 2, "{:?}", scene.told());
}

async fn an_environment_is_in_trouble_until_something_is_live_in_it_again(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule { environments: vec!["dev".to_owned()], ..Rule::default() }).await;
    scene.is_released("a").await;
    scene.pipeline.fail_rollout("it was never healthy").await;
    scene.tell().await;
    assert_eq!(scene.told(), [pair("ops", "acme/shop: release 1 to dev failed")]);
    assert_eq!(scene.inbox.posts()[0].json()["reason"], "it was never healthy");
    scene.is_released("b").await;
    scene.pipeline.roll_out().await;
    scene.tell().await;
    assert_eq!(scene.told()[1], pair("ops", "acme/shop: release 2 to dev is live after a failure"));
}

async fn what_somebody_closes_is_over(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    scene.fails("a", "exit code 1").await;
    scene.tell().await;
    let alert = scene.open().await.remove(0);
    for _ in 0..2 {
        let mut tx = scene.pipeline.store.write().await.unwrap();
        close(&mut tx, &alert.id, "ada").await.unwrap();
        tx.commit().await.unwrap();
    }
    scene.tell().await;
    assert_eq!(scene.open().await, []);
    assert_eq!(scene.told()[1..], [pair("ops", "acme/shop: build 1 of main failed; its alert is closed")]);
    assert_eq!(scene.inbox.posts()[1].json()["reason"], "ada closed the alert");
}

async fn what_goes_well_is_told_to_those_who_want_it(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let on = vec![Occasion::BuildFailed, Occasion::BuildSucceeded, Occasion::ReleaseLive];
    scene.channel("news", Rule { on, ..Rule::default() }).await;
    scene.fails("a", "exit code 1").await;
    scene.is_released("b").await;
    scene.tell().await;
    scene.pipeline.roll_out().await;
    scene.tell().await;
    let titles: Vec<String> = scene.told().into_iter().map(|(_, title)| title).collect();
    assert_eq!(
        titles,
        ["acme/shop: build 2 of main succeeded", "acme/shop: release 1 to dev is live"],
        "what was over before its time is not told of, the success is"
    );
}

async fn a_branch_of_somebodys_own_is_told_to_those_who_want_it(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    scene.channel("all", Rule { branches: vec!["**".to_owned()], ..Rule::default() }).await;
    scene.pipeline.queue(&scene.pipeline.push("topic/x", "a")).await;
    let lease = scene.pipeline.claim().await;
    let failed = JobResult::Failed { reason: "exit code 1".to_owned() };
    scene.pipeline.coordinator.finish_job(&lease.key, failed).await.unwrap();
    scene.tell().await;
    assert_eq!(scene.told(), [pair("all", "acme/shop: build 1 of topic/x failed")]);
}

async fn an_app_that_does_not_stay_well_is_trouble_until_all_of_it_is_well(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    scene.is_released("a").await;
    scene.pipeline.roll_out().await;
    scene.stands(&[Condition::CrashLoop, Condition::CrashLoop]).await;
    scene.tell().await;
    let unwell = pair("ops", "acme/shop: web in dev does not stay well");
    assert_eq!(scene.told(), std::slice::from_ref(&unwell), "once for all of its replicas");
    assert_eq!(scene.inbox.posts()[0].json()["reason"], "its container ended with exit code 7");
    scene.stands(&[Condition::Healthy, Condition::CrashLoop]).await;
    scene.tell().await;
    assert_eq!(scene.told().len(), 1, "one of them is not well yet");
    scene.stands(&[Condition::Healthy, Condition::Healthy]).await;
    scene.tell().await;
    assert_eq!(scene.told()[1..], [pair("ops", "acme/shop: web in dev is well again")]);

    // What another release takes the place of is no trouble any more.
    scene.stands(&[Condition::CrashLoop, Condition::Healthy]).await;
    scene.is_released("b").await;
    scene.pipeline.roll_out().await;
    scene.tell().await;
    assert_eq!(scene.open().await, []);
}

async fn an_app_that_is_not_well_for_long_is_trouble_however_rarely_it_was_put_right(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    scene.is_released("a").await;
    scene.pipeline.roll_out().await;
    scene.is_left_alone(Condition::Sick, false).await;
    scene.tell().await;
    assert_eq!(scene.told(), []);
    scene.is_left_alone(Condition::Sick, true).await;
    scene.tell().await;
    assert_eq!(scene.told(), [pair("ops", "acme/shop: web in dev does not stay well")]);
    let reason = "it is not well, and nothing could be done about it";
    assert_eq!(scene.inbox.posts()[0].json()["reason"], reason);
    // The next life of the runner has to see for itself how long it lasts.
    scene.is_left_alone(Condition::Sick, false).await;
    scene.is_left_alone(Condition::Sick, true).await;
    scene.tell().await;
    assert_eq!(scene.told().len(), 1, "the same trouble");
    scene.is_left_alone(Condition::Healthy, false).await;
    scene.tell().await;
    assert_eq!(scene.told()[1..], [pair("ops", "acme/shop: web in dev is well again")]);
}

async fn what_is_found_wanting_is_told_although_the_way_back_is_live_already(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    let mut plan = usual_plan();
    plan.environments[1].bake_ms = 600_000;
    for commit in ["a", "b"] {
        scene.pipeline.built(commit, built(&digest(commit), plan.clone())).await;
        scene.pipeline.roll_out().await;
    }
    scene.tell().await;
    assert_eq!(scene.told(), []);
    let live = scene.pipeline.live("dev").await.unwrap();
    let report = EnvironmentReport {
        runner: "one".to_owned(),
        environment: live.environment_id.to_string(),
        release: live.id.to_string(),
        replicas: Vec::new(),
        breach: Some("web: replica 1 used 93 % of its memory (allowed 80 %)".to_owned()),
    };
    scene.pipeline.coordinator.report_environment(report).await.unwrap();
    scene.pipeline.roll_out().await;
    scene.tell().await;
    let (bad, over) =
        ("acme/shop: release 2 to dev was found wanting", "acme/shop: release 3 to dev is live after a failure");
    assert_eq!(scene.told(), [pair("ops", bad), pair("ops", over)]);
    assert_eq!(scene.inbox.posts()[0].json()["reason"], "web: replica 1 used 93 % of its memory (allowed 80 %)");
    assert_eq!(scene.open().await, []);
}

async fn pagerduty_hears_who_looks_after_an_incident(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let address = || Address::PagerDuty { routing_key: Secret::new("R1"), url: Some(scene.inbox.url("/pager")) };
    scene.set("pager", address(), Rule::default()).await;
    scene.set("late", address(), Rule { after_minutes: 15, ..Rule::default() }).await;
    scene.channel("ops", Rule::default()).await;
    scene.fails("a", "exit code 1").await;
    scene.tell().await;
    let alert = scene.open().await.remove(0);
    for who in ["ada", "bob"] {
        let mut tx = scene.pipeline.store.write().await.unwrap();
        acknowledge(&mut tx, &alert.id, who).await.unwrap();
        tx.commit().await.unwrap();
        scene.tell().await;
    }
    scene.succeeds("b").await;
    scene.tell().await;
    let (posts, others): (Vec<_>, Vec<_>) = scene.inbox.posts().into_iter().partition(|post| post.path == "/pager");
    let actions: Vec<_> = posts.iter().map(|post| post.json()["event_action"].clone()).collect();
    assert_eq!(actions, ["trigger", "acknowledge", "resolve"], "and only to who was called");
    assert!(posts.iter().all(|post| post.json()["dedup_key"] == alert.id.to_string()));
    assert_eq!(others.len(), 2, "for others it would be noise");
}

async fn an_app_that_is_put_right_in_vain_is_trouble_whatever_is_amiss(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    scene.is_released("a").await;
    scene.pipeline.roll_out().await;
    // Such as one whose image cannot be fetched: that is no doing of its own, and no crash loop.
    scene.stands(&[Condition::Sick]).await;
    scene.stands(&[Condition::Starting]).await;
    scene.tell().await;
    assert_eq!(scene.told(), [pair("ops", "acme/shop: web in dev does not stay well")]);
    scene.stands(&[Condition::Healthy]).await;
    scene.tell().await;
    assert_eq!(scene.told()[1..], [pair("ops", "acme/shop: web in dev is well again")]);
}

/// Several servers read the same events: each is told of once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_tell_once() {
    let database = TestDatabase::postgres().await;
    let url = database.url().to_owned();
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    let other = Store::open(&url, Arc::clone(scene.pipeline.store.clock())).await.unwrap();
    for [bad, good] in [["a", "b"], ["c", "d"], ["e", "f"], ["1", "2"], ["3", "4"]] {
        scene.fails(bad, "exit code 1").await;
        scene.succeeds(good).await;
        let (one, another) = tokio::join!(read_news(&scene.pipeline.store), read_news(&other));
        one.unwrap();
        another.unwrap();
        assert_eq!(scene.open().await, []);
    }
    scene.fails("5", "exit code 1").await;
    let (one, another) = tokio::join!(read_news(&scene.pipeline.store), read_news(&other));
    one.unwrap();
    another.unwrap();
    tokio::join!(scene.tell(), scene.tell());
    assert_eq!(scene.told(), [pair("ops", "acme/shop: build 11 of main failed")]);
    other.close().await;
}
