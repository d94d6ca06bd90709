//! Requests that are sent again with their key.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use slipway_tests::{api::http_client, slipway::Slipway};
use tokio::{io::AsyncReadExt as _, net::TcpListener, task::JoinSet};

const CLONE_URL: &str = "https://git.example/shop/web.git";

#[tokio::test]
async fn what_is_sent_again_is_answered_as_before_and_nobody_reads_it_in_the_database() {
    let slipway = Slipway::start().await;
    let api = slipway.api();
    let made = api
        .clone()
        .with("idempotency-key", "mine")
        .post("/api/v1/tokens", &json!({"name": "ci", "role": "administrator"}))
        .await
        .expect(201);
    let again = api
        .clone()
        .with("idempotency-key", "mine")
        .post("/api/v1/tokens", &json!({"name": "ci", "role": "administrator"}))
        .await
        .expect(201);
    assert_eq!((made.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!(made.json(), again.json(), "the same token, to whoever did not get the first answer");
    let token = made.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(api.get("/api/v1/tokens").await.expect(200).json()["items"].as_array().unwrap().len(), 2);
    for file in ["slipway.db", "slipway.db-wal"] {
        let stored = std::fs::read(slipway.data_dir().join(file)).unwrap_or_default();
        assert!(!stored.windows(token.len()).any(|window| window == token.as_bytes()), "{file}");
    }

    let other =
        api.clone().with("idempotency-key", "mine").post("/api/v1/runners", &json!({"name": "r"})).await.expect(422);
    assert!(other.detail().contains("was used for another request"), "{}", other.body);
    let theirs = slipway.anonymous().bearing(&token).with("idempotency-key", "mine");
    theirs.post("/api/v1/runners", &json!({"name": "r"})).await.expect(201);
    // Nor does who has the name of a token that was revoked get the answers that it got.
    let list = api.get("/api/v1/tokens").await.expect(200).json();
    let ci = list["items"].as_array().unwrap().iter().find(|one| one["name"] == "ci").unwrap()["id"].clone();
    api.delete(&format!("/api/v1/tokens/{}", ci.as_str().unwrap())).await.expect(200);
    let next = api.post("/api/v1/tokens", &json!({"name": "ci", "role": "administrator"})).await.expect(201).json();
    let next = slipway.anonymous().bearing(next["token"].as_str().unwrap()).with("idempotency-key", "mine");
    let fresh = next.post("/api/v1/runners", &json!({"name": "r"})).await;
    assert_eq!(fresh.header("idempotency-replayed"), "", "{}", fresh.body);
    api.clone()
        .with("idempotency-key", &"x".repeat(201))
        .post("/api/v1/tokens", &json!({"name": "x", "role": "administrator"}))
        .await
        .expect(422);

    // A refusal changed nothing, and what was in the way may go.
    let body = json!({"name": "shop/web", "clone_url": CLONE_URL});
    let keyed = api.clone().with("idempotency-key", "first");
    let bad = json!({"name": "shop/web", "clone_url": "file:///etc"});
    keyed.post("/api/v1/repositories", &bad).await.expect(422);
    keyed.post("/api/v1/repositories", &body).await.expect(201);
    api.post("/api/v1/repositories", &body).await.expect(409);
    let secret = keyed.post("/api/v1/repositories", &body).await.expect(201).json();
    assert!(secret["hook_secret"].as_str().is_some_and(|secret| secret.len() > 40), "{secret}");
}

#[tokio::test]
async fn while_the_first_is_carried_out_the_second_is_told_to_wait() {
    let slipway = Slipway::start().await;
    let api = slipway.api();
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = json!({"kind": "webhook", "url": format!("http://{}/", deaf.local_addr().unwrap())});
    api.put("/api/v1/channels/deaf", &json!({"to": to})).await.expect(200);
    let test = || api.clone().with("idempotency-key", "one");
    let first = tokio::spawn({
        let test = test();
        async move { test.post("/api/v1/channels/deaf/test", &json!({})).await }
    });
    let (mut line, _) = deaf.accept().await.unwrap();
    line.read_u8().await.unwrap();
    let second = test().post("/api/v1/channels/deaf/test", &json!({})).await.expect(409);
    assert_eq!((second.header("retry-after"), second.detail().contains("still carried out")), ("1", true));
    drop((line, deaf));
    first.await.unwrap().expect(409);
}

/// The answer is stored with the change: whenever the server dies, there are both or neither.
#[tokio::test]
async fn each_of_many_requests_is_done_once_although_the_server_is_killed_among_them() {
    const REQUESTS: usize = 150;
    let mut slipway = Slipway::start().await;
    slipway.connect("shop/web", CLONE_URL).await;
    let path = "/api/v1/repositories/shop/web/builds";
    for round in 0..3 {
        let (url, token) = (format!("{}{path}", slipway.url()), slipway.token().to_owned());
        let client = http_client();
        let mut sent = JoinSet::new();
        for number in 0..REQUESTS {
            let request = client.post(&url).bearer_auth(&token).header("idempotency-key", format!("{round}-{number}"));
            sent.spawn(request.json(&json!({"branch": format!("b{number}")})).send());
        }
        // Some are answered, some are under way, and some were not heard of. They are counted as they are answered: the first
        // one may be the last.
        let (mut answered, mut is_killed) = (0, false);
        while let Some(ended) = sent.join_next().await {
            answered += usize::from(ended.unwrap().is_ok_and(|answer| answer.status() == 201));
            if answered >= (round + 1) * 5 && !is_killed {
                is_killed = true;
                slipway.kill().await;
            }
        }
        assert!(answered < REQUESTS, "the server was killed too late");
        slipway.restart().await;
        let mut numbers = BTreeSet::new();
        for number in 0..REQUESTS {
            let again = slipway.api().with("idempotency-key", &format!("{round}-{number}"));
            let answer = again.post(path, &json!({"branch": format!("b{number}")})).await.expect(201).json();
            numbers.insert(answer["number"].as_i64().unwrap());
        }
        assert_eq!(numbers.len(), REQUESTS, "each has a build of its own");
        let all = slipway.api().get("/api/v1/repositories/shop/web").await.expect(200).json();
        assert_eq!(all["last_build_number"], Value::from(REQUESTS * (round + 1)), "and none was built twice");
    }
}
