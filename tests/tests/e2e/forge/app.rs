//! A GitHub App: it proves itself by its key, and is given tokens that end.

use serde_json::json;
use slipway_server::{
    forge::{Credential, ReportState},
    secrets::Secret,
};
use slipway_tests::{
    databases::TestDatabase,
    github::{AppKey, GitHub},
};

use super::scene::{MINUTE, Scene, pair};

const ID: &str = "Iv23liTest";
const TOKENS: &str = "POST /app/installations/77/access_tokens";

async fn scene(key: &AppKey, permissions: serde_json::Value) -> Scene {
    let scene = Scene::unknown(TestDatabase::sqlite()).await;
    scene.github.install(ID, key, "acme/shop", permissions);
    scene.set(Credential::App { id: ID.to_owned(), key: Secret::new(&*key.pem) }, &["acme/*"]).await;
    scene
}

#[tokio::test]
async fn an_app_is_given_a_token_for_one_repository_and_uses_it_until_it_ends() {
    for pkcs1 in [true, false] {
        let key = AppKey::new(pkcs1);
        let scene = scene(&key, json!({"statuses": "write", "metadata": "read"})).await;
        scene.push("a").await;
        scene.tell().await;
        let lease = scene.pipeline.claim().await;
        scene.tell().await;
        assert_eq!(scene.told().len(), 2);
        assert_eq!(scene.github.count(TOKENS), 1, "one token for both");
        let asked = bodies(&scene.github, TOKENS);
        assert_eq!(asked[0], json!({"repositories": ["shop"], "permissions": {"statuses": "write"}}));

        // GitHub took it back before its time.
        scene.github.end_tokens();
        scene.fail(&lease, "exit code 1").await;
        scene.tell().await;
        assert_eq!(scene.told().last(), Some(&pair("failure", "#1 exit code 1")));
        assert_eq!(scene.github.count(TOKENS), 2);

        // It is not used to the last minute.
        scene.pipeline.clock.advance(51 * MINUTE);
        scene.pipeline.announce("one", "first life", &[]).await;
        scene.push("b").await;
        scene.tell().await;
        assert_eq!(scene.github.count(TOKENS), 3);
    }
}

#[tokio::test]
async fn what_an_app_lacks_is_said() {
    let key = AppKey::new(true);
    let scene = scene(&key, json!({"metadata": "read"})).await;
    let build = scene.push("a").await;
    scene.tell().await;
    let (state, reason) = scene.stands(&build).await.remove(0);
    let reason = reason.unwrap();
    assert_eq!(state, ReportState::Waiting);
    assert!(reason.contains("permissions requested are not granted") && reason.contains(ID), "{reason}");

    // Installed elsewhere only.
    scene.github.install(ID, &key, "acme/other", json!({"statuses": "write"}));
    scene.pipeline.clock.advance(60 * MINUTE);
    scene.tell().await;
    let (_, reason) = scene.stands(&build).await.remove(0);
    assert!(reason.unwrap().contains("installed for this repository"));

    // Somebody else's key.
    scene.github.install(ID, &AppKey::new(true), "acme/shop", json!({"statuses": "write"}));
    scene.pipeline.clock.advance(60 * MINUTE);
    scene.tell().await;
    let (_, reason) = scene.stands(&build).await.remove(0);
    assert!(reason.unwrap().contains("could not be decoded"));

    scene.github.install(ID, &key, "acme/shop", json!({"statuses": "write"}));
    scene.pipeline.clock.advance(60 * MINUTE);
    scene.tell().await;
    assert_eq!(scene.told(), [pair("pending", "#1 waits for a runner")]);
}

fn bodies(github: &GitHub, beginning: &str) -> Vec<serde_json::Value> {
    github.calls().into_iter().filter(|call| call.line.starts_with(beginning)).map(|call| call.body).collect()
}
