//! Messages that do not arrive at once.

use slipway_server::notifications::{NotificationState, Rule};
use slipway_tests::{databases::TestDatabase, on_both_databases};

use super::scene::{MINUTE, Scene};

on_both_databases!(
    what_does_not_arrive_is_sent_again_in_order,
    what_the_other_side_does_not_want_is_given_up,
    a_clock_set_back_holds_up_no_message,
    a_message_under_way_when_its_server_was_killed_is_sent_again_with_the_same_id,
);

async fn what_does_not_arrive_is_sent_again_in_order(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    scene.inbox.answer(503);
    scene.fails("a", "exit code 1").await;
    scene.tell().await;
    let said = Some("answered 503 Service Unavailable: as you say".to_owned());
    assert_eq!(scene.states().await, [(NotificationState::Waiting, said)]);
    scene.succeeds("b").await;
    scene.tell().await;
    assert_eq!(scene.inbox.posts().len(), 1, "the end is not told before the beginning");
    scene.pipeline.clock.advance(MINUTE);
    scene.tell().await;
    let titles: Vec<String> = scene.told().into_iter().map(|(_, title)| title).collect();
    let failed = "acme/shop: build 1 of main failed";
    assert_eq!(titles, [failed, failed, "acme/shop: build 2 of main succeeded after a failure"]);
    let ids: Vec<_> = scene.inbox.posts().iter().map(|post| post.headers["x-slipway-notification"].clone()).collect();
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    assert!(scene.states().await.iter().all(|(state, _)| *state == NotificationState::Sent));
}

async fn a_clock_set_back_holds_up_no_message(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    scene.channel("later", Rule { after_minutes: 10, ..Rule::default() }).await;
    scene.inbox.answer(503);
    scene.fails("a", "exit code 1").await;
    scene.tell().await;
    assert_eq!(scene.inbox.posts().len(), 1);
    scene.tell().await;
    assert_eq!(scene.inbox.posts().len(), 1, "neither the pause nor the ten minutes are over");
    scene.pipeline.clock.set_by(-24 * 60 * MINUTE);
    scene.tell().await;
    assert!(scene.states().await.iter().all(|(state, _)| *state == NotificationState::Sent));
}

async fn what_the_other_side_does_not_want_is_given_up(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    scene.channel("gone", Rule::default()).await;
    scene.inbox.answer(404);
    scene.inbox.answer(404);
    scene.fails("a", "exit code 1").await;
    scene.tell().await;
    scene.pipeline.clock.advance(60 * MINUTE);
    scene.succeeds("b").await;
    scene.tell().await;
    assert_eq!(scene.inbox.posts().len(), 2, "neither again, nor of the end of what nobody heard of");
    for (state, reason) in scene.states().await {
        assert_eq!(state, NotificationState::Failed);
        assert!(reason.unwrap().starts_with("answered 404"));
    }
}

async fn a_message_under_way_when_its_server_was_killed_is_sent_again_with_the_same_id(database: TestDatabase) {
    let scene = Scene::new(database).await;
    scene.channel("ops", Rule::default()).await;
    scene.fails("a", "exit code 1").await;
    scene.inbox.hang();
    tokio::select! {
        () = scene.tell() => panic!("nobody answered"),
        _ = scene.inbox.got(1) => {}
    }
    // Whoever sent it is gone.
    scene.tell().await;
    assert_eq!(scene.inbox.posts().len(), 1, "somebody may still be sending it");
    scene.pipeline.clock.advance(2 * MINUTE);
    scene.tell().await;
    let posts = scene.inbox.posts();
    assert_eq!(posts.len(), 2);
    let id = "x-slipway-notification";
    assert_eq!(posts[0].headers[id], posts[1].headers[id], "by which the other side can tell");
    assert_eq!(scene.states().await, [(NotificationState::Sent, None)]);
}
