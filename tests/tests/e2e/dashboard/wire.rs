//! What goes over the wire: compressed where that pays, no more streams than there is room for, and no text that a database
//! does not take.

use reqwest::{Response, header};
use serde_json::json;
use slipway_tests::{databases::TestDatabase, on_both_databases, slipway::Setup};

use super::scene::{Scene, client};

on_both_databases!(no_nul_gets_as_far_as_the_database);

#[tokio::test]
async fn pages_are_compressed_and_streams_are_not() {
    let scene = Scene::new().await;
    scene.ship(1, "Show the delivery date").await;
    let ask = async |path: &str| -> Response {
        let request = client().get(scene.url(path)).header(header::ACCEPT, "text/html");
        request.header(header::ACCEPT_ENCODING, "gzip").send().await.unwrap()
    };
    let plain = scene.page("/").await;
    let packed = ask("/").await;
    assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
    let packed = packed.bytes().await.unwrap();
    assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() * 2 < plain.len(), "{} {}", packed.len(), plain.len());
    let stream = ask("/stream/home?from=0").await;
    assert!(!stream.headers().contains_key(header::CONTENT_ENCODING), "{stream:?}");
    assert_eq!(stream.headers()[header::CONTENT_TYPE], "text/event-stream");
}

#[tokio::test]
async fn listeners_leave_room_for_those_who_have_something_to_say() {
    let slipway = Setup::new().with("SLIPWAY_MAX_CONNECTIONS", "4").start().await;
    let ask = async || {
        let request = client().get(format!("{}/api/v1/events", slipway.url())).bearer_auth(slipway.token());
        request.header(header::ACCEPT, "text/event-stream").send().await.unwrap()
    };
    let (first, second) = (ask().await, ask().await);
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    let third = ask().await;
    assert_eq!(third.status(), 503);
    assert!(third.text().await.unwrap().contains("Too many streams are open"));
    slipway.anonymous().get("/healthz").await.expect(200);
}

async fn no_nul_gets_as_far_as_the_database(database: TestDatabase) {
    let slipway = Setup::new().with("SLIPWAY_DATABASE", database.url()).start().await;
    let api = slipway.api();
    for path in ["/api/v1/repositories/shop%00/web", "/api/v1/events?repository=shop%2Fweb%00", "/deliveries/%00"] {
        let answer = api.get(path).await.expect(400);
        assert!(answer.detail().contains("NUL"), "{path}: {}", answer.body);
    }
    let answer = api.post("/api/v1/tokens", &json!({"name": "a\u{0}b", "role": "reader"})).await.expect(422);
    assert!(answer.detail().contains("NUL"), "{}", answer.body);
    let form = slipway.anonymous().with("sec-fetch-site", "same-origin");
    let answer = form.submit("/login", &[("token", "a\u{0}b"), ("next", "/")]).await.expect(422);
    assert!(answer.detail().contains("NUL"), "{}", answer.body);
}
