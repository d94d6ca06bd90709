//! Commit statuses of builds: each state, once, and never an older one after a newer.

use slipway_server::{
    builds::{NewBuild, cancel},
    departures,
    forge::{Asked, Credential, ReportState, Statuses, report_due},
    secrets::Secret,
};
use slipway_tests::{databases::TestDatabase, github::Next, on_both_databases};

use super::scene::{MINUTE, PUSH, Scene, pair};

on_both_databases!(
    a_build_is_pending_and_then_what_it_came_to,
    what_is_over_before_it_was_told_is_told_once,
    an_answer_that_is_lost_is_asked_for_again_and_nothing_old_follows_something_new,
    an_older_build_of_the_same_commit_says_nothing_any_more,
    a_repository_that_is_let_go_leaves_nothing_pending,
    two_servers_tell_each_thing_once,
    what_nobody_asks_for_is_not_told,
    what_was_built_before_there_was_a_credential_is_told_as_far_as_it_is_new,
);

async fn a_build_is_pending_and_then_what_it_came_to(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let good = scene.push("a").await;
    scene.tell().await;
    let lease = scene.pipeline.claim().await;
    scene.tell().await;
    scene.pipeline.clock.advance(41_500);
    scene.succeed(&lease, "a").await;
    scene.tell().await;
    scene.tell().await;
    let expected = [
        pair("pending", "#1 waits for a runner"),
        pair("pending", "#1 is being built"),
        pair("success", "#1 built in 41.5 s: web"),
    ];
    assert_eq!(scene.told(), expected);
    let shown = scene.github.shown(&good.commit_sha, PUSH).unwrap();
    assert_eq!(shown.target_url, "https://slipway.example/repositories/acme/shop/builds/1");
    assert_eq!(shown.repository, "acme/shop");
    assert_eq!(scene.stands(&good).await, [(ReportState::Sent, None)]);

    scene.push("b").await;
    let lease = scene.pipeline.claim().await;
    scene.fail(&lease, "step 2 (make test) failed: exit code 2").await;
    let stopped = scene.push("c").await;
    let mut tx = scene.pipeline.store.write().await.unwrap();
    cancel(&mut tx, &stopped.id, "cancelled by ada").await.unwrap();
    tx.commit().await.unwrap();
    scene.tell().await;
    let mut ends = scene.told().split_off(3);
    ends.sort();
    assert_eq!(
        ends,
        [pair("error", "#3 cancelled by ada"), pair("failure", "#2 step 2 (make test) failed: exit code 2")]
    );
}

async fn a_repository_that_is_let_go_leaves_nothing_pending(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let (waiting, running) = (scene.push("a").await, scene.push("b").await);
    scene.tell().await;
    scene.pipeline.claim().await;
    scene.tell().await;
    let store = &scene.pipeline.store;
    let mut tx = store.write().await.unwrap();
    departures::leave(&mut tx, &scene.pipeline.repository).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!departures::remove_departed(store).await.unwrap(), "GitHub is told first");
    scene.tell().await;
    for build in [&waiting, &running] {
        let shown = scene.github.shown(&build.commit_sha, PUSH).unwrap();
        assert_eq!(shown.state, "error", "{shown:?}");
    }
    scene.pipeline.clock.advance(5_000);
    assert!(departures::remove_departed(store).await.unwrap());
}

async fn what_is_over_before_it_was_told_is_told_once(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.push("a").await;
    let lease = scene.pipeline.claim().await;
    scene.succeed(&lease, "a").await;
    scene.tell().await;
    assert_eq!(scene.told(), [pair("success", "#1 built in 0.0 s: web")]);
}

async fn an_answer_that_is_lost_is_asked_for_again_and_nothing_old_follows_something_new(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let build = scene.push("a").await;
    scene.github.next(Next::Lose);
    tokio::select! {
        () = scene.tell() => panic!("nobody answered"),
        _ = scene.github.called(1) => {}
    }
    // Whoever sent it was killed between GitHub's answer and the commit.
    let lease = scene.pipeline.claim().await;
    scene.succeed(&lease, "a").await;
    scene.tell().await;
    assert_eq!(scene.told().len(), 1, "somebody may still be sending it");
    scene.pipeline.clock.advance(2 * MINUTE);
    scene.tell().await;
    scene.tell().await;
    let states: Vec<String> = scene.told().into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["pending", "success"]);
    assert_eq!(scene.stands(&build).await, [(ReportState::Sent, None)]);
}

async fn an_older_build_of_the_same_commit_says_nothing_any_more(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let again = NewBuild { asked_for: true, supersede: false, ..scene.pipeline.push("main", "a") };
    let first = scene.pipeline.queue(&again).await;
    let older = scene.pipeline.claim().await;
    scene.pipeline.queue(&again).await;
    let newer = scene.pipeline.claim().await;
    scene.succeed(&newer, "a").await;
    scene.tell().await;
    scene.fail(&older, "exit code 1").await;
    scene.tell().await;
    assert_eq!(scene.told(), [pair("success", "#2 built in 0.0 s: web")]);
    assert_eq!(scene.stands(&first).await, [], "what is shown of the commit is the newer build's");
}

async fn two_servers_tell_each_thing_once(database: TestDatabase) {
    let scene = Scene::new(database).await;
    for commit in ["a", "b", "c", "d", "e", "f"] {
        let branch = NewBuild { supersede: false, ..scene.pipeline.push(commit, commit) };
        scene.pipeline.queue(&branch).await;
    }
    tokio::join!(scene.tell(), scene.tell(), scene.tell());
    scene.tell().await;
    assert_eq!(scene.told().len(), 6, "{:?}", scene.told());
}

async fn what_nobody_asks_for_is_not_told(database: TestDatabase) {
    let scene = Scene::unknown(database).await;
    scene.github.admit("ghp_good");
    let build = scene.push("a").await;
    scene.tell().await;
    assert_eq!(scene.stands(&build).await, [], "without a credential nothing is noted");
    let elsewhere = Credential::Token(Secret::new("ghp_good"));
    scene.set(elsewhere, &["other/*"]).await;
    scene.tell().await;
    scene.ask(Asked { statuses: Statuses::None, ..Asked::default() }).await;
    scene.set_token("ghp_good").await;
    let lease = scene.pipeline.claim().await;
    scene.succeed(&lease, "a").await;
    scene.tell().await;
    assert_eq!(scene.stands(&build).await, []);
    scene.ask(Asked::default()).await;
    scene.push("b").await;
    scene.tell().await;
    assert_eq!(scene.told(), [pair("pending", "#2 waits for a runner")]);
}

async fn what_was_built_before_there_was_a_credential_is_told_as_far_as_it_is_new(database: TestDatabase) {
    let scene = Scene::unknown(database).await;
    let old = scene.pipeline.queue(&scene.pipeline.push("old", "a")).await;
    let lease = scene.pipeline.claim().await;
    scene.succeed(&lease, "a").await;
    scene.pipeline.clock.advance(25 * 60 * MINUTE);
    scene.pipeline.announce("one", "first life", &[]).await;
    let new = scene.push("b").await;
    let lease = scene.pipeline.claim().await;
    scene.succeed(&lease, "b").await;
    scene.github.admit("ghp_good");
    scene.set_token("ghp_good").await;
    assert_eq!(scene.stands(&old).await, [], "the build of yesterday is nobody's news");
    assert_eq!(scene.stands(&new).await, [(ReportState::Waiting, None)]);
    report_due(&scene.pipeline.store, &scene.pipeline.sealer, &scene.forges).await.unwrap();
    assert_eq!(scene.told(), [pair("success", "#2 built in 0.0 s: web")]);
}
