//! What GitHub does not take, and when it is sent again.

use slipway_server::forge::ReportState;
use slipway_tests::{databases::TestDatabase, github::Next, on_both_databases};

use super::scene::{HOUR, MINUTE, SECOND, Scene, pair};

on_both_databases!(
    what_fails_for_a_moment_is_sent_again,
    a_limit_is_waited_out_by_all_that_the_credential_is_for,
    what_is_refused_is_told_once_the_token_is_good,
    what_can_never_be_is_given_up,
    a_clock_set_back_holds_up_no_report,
);

async fn what_fails_for_a_moment_is_sent_again(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let build = scene.push("a").await;
    scene.github.next(Next::Refuse(502, vec![], "Server Error"));
    scene.tell().await;
    let reason = "GitHub answered 502 Bad Gateway: Server Error".to_owned();
    assert_eq!(scene.stands(&build).await, [(ReportState::Waiting, Some(reason))]);
    scene.tell().await;
    assert_eq!(scene.github.calls().len(), 1, "not before the pause is over");
    scene.pipeline.clock.advance(10 * SECOND);
    scene.tell().await;
    assert_eq!(scene.told(), [pair("pending", "#1 waits for a runner")]);
    assert_eq!(scene.stands(&build).await, [(ReportState::Sent, None)]);
}

async fn a_limit_is_waited_out_by_all_that_the_credential_is_for(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let reset = (scene.pipeline.store.clock().now() + 10 * MINUTE) / 1_000;
    let limit = vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset.to_string())];
    scene.push("a").await;
    scene.github.next(Next::Refuse(403, limit, "API rate limit exceeded for user ID 1."));
    scene.tell().await;
    let lease = scene.pipeline.claim().await;
    scene.succeed(&lease, "a").await;
    scene.push("b").await;
    scene.pipeline.clock.advance(9 * MINUTE);
    scene.tell().await;
    assert_eq!(scene.github.calls().len(), 1, "neither what is new nor what is other");
    scene.pipeline.clock.advance(MINUTE);
    scene.tell().await;
    let mut told = scene.told();
    told.sort();
    assert_eq!(told, [pair("pending", "#2 waits for a runner"), pair("success", "#1 built in 0.0 s: web")]);

    scene.github.next(Next::Refuse(429, vec![("retry-after", "30".to_owned())], "slow down"));
    let lease = scene.pipeline.claim().await;
    scene.tell().await;
    scene.pipeline.clock.advance(29 * SECOND);
    scene.tell().await;
    assert_eq!(scene.github.calls().len(), 4);
    scene.pipeline.clock.advance(SECOND);
    scene.tell().await;
    assert_eq!(scene.told().last(), Some(&pair("pending", "#2 is being built")));
    drop(lease);
}

async fn what_is_refused_is_told_once_the_token_is_good(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.github.admit("ghp_other");
    let build = scene.push("a").await;
    scene.tell().await;
    let (state, reason) = scene.stands(&build).await.remove(0);
    let reason = reason.unwrap();
    assert_eq!(state, ReportState::Waiting);
    assert!(reason.contains("Bad credentials") && reason.contains("set it anew"), "{reason}");
    for _ in 0..30 {
        scene.pipeline.clock.advance(HOUR);
        scene.tell().await;
    }
    assert_eq!(scene.stands(&build).await[0].0, ReportState::Failed);
    assert_eq!(scene.github.calls().len(), 24, "for a day, by the hour");

    let build = scene.push("b").await;
    scene.tell().await;
    assert_eq!(scene.stands(&build).await[0].0, ReportState::Waiting);
    scene.set_token("ghp_other").await;
    scene.tell().await;
    let mut told = scene.told();
    told.sort();
    let superseded = pair("error", "#1 build 2 of a newer push took its place");
    assert_eq!(told, [superseded, pair("pending", "#2 waits for a runner")]);
}

async fn what_can_never_be_is_given_up(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let build = scene.push("a").await;
    scene.github.next(Next::Refuse(422, vec![], "No commit found for SHA: aaaa"));
    scene.tell().await;
    scene.pipeline.clock.advance(2 * HOUR);
    scene.tell().await;
    assert_eq!(scene.github.calls().len(), 1);
    let (state, reason) = scene.stands(&build).await.remove(0);
    assert_eq!(state, ReportState::Failed);
    assert!(reason.unwrap().contains("No commit found"));
    // Something new is tried anew.
    scene.pipeline.announce("one", "first life", &[]).await;
    let lease = scene.pipeline.claim().await;
    scene.tell().await;
    assert_eq!(scene.told(), [pair("pending", "#1 is being built")]);
    drop(lease);
}

async fn a_clock_set_back_holds_up_no_report(database: TestDatabase) {
    let scene = Scene::new(database).await;
    let build = scene.push("a").await;
    scene.github.next(Next::Refuse(500, vec![], "Server Error"));
    scene.tell().await;
    scene.pipeline.clock.set_by(-24 * HOUR);
    scene.tell().await;
    assert_eq!(scene.stands(&build).await, [(ReportState::Sent, None)]);
}
