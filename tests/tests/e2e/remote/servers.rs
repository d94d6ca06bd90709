//! Several servers on one PostgreSQL database: any of them can be asked, and any of them can die.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use slipway_tests::{
    api::Api,
    databases::TestDatabase,
    house::{House, LONG, is_over},
    slipway::{Setup, Slipway},
    wait::{until, until_none},
};

use crate::crash::{
    gates::{Gate, attempts, cure, expect_whole_logs, opened, push, waits_at},
    phases::{Phase, get_to},
};

/// A house with a second server, and what the runner is told of both addresses.
async fn two_servers(addresses: impl Fn(&str, &str) -> String) -> (House, Slipway) {
    let database = TestDatabase::postgres().await;
    let key = STANDARD.encode([7; 32]);
    let setup = || Setup::new().with("SLIPWAY_SECRET_KEY", &key);
    let second = setup().with("SLIPWAY_DATABASE", database.url());
    let mut other: Option<Slipway> = None;
    let house = House::remote(database, setup(), async |url: &str| {
        let other = other.insert(second.start().await);
        addresses(url, other.url())
    })
    .await;
    (house, other.unwrap())
}

fn both(first: &str, second: &str) -> String {
    format!("{first},{second}")
}

/// Asks the other server until what it says of `path`, below the repository, is wanted.
async fn other_says(house: &House, other: &Slipway, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let api = Api::new(other.url()).bearing(house.slipway.token());
    let path = format!("/api/v1/repositories/{}/{path}", house.webhook.repository);
    until(&format!("the other server to say it of {path}"), LONG, async || {
        let answer = api.get(&path).await;
        (answer.status == 200).then(|| answer.json()).filter(&wanted)
    })
    .await
}

/// A server is killed while a command runs and does not come back: the build goes on with the other one.
#[tokio::test]
async fn another_server_takes_over_in_the_middle_of_a_build() {
    let (mut house, other) = two_servers(both).await;
    let number = push(&house, "main", "one", true).await;
    waits_at(&house, number, Gate::Plain).await;
    house.slipway.kill().await;

    let build = opened(&house, None, other_says(&house, &other, &format!("builds/{number}"), is_over)).await;
    assert_eq!(build["state"], "succeeded", "{build:#}\n{}", house.runners[0].output());

    house.slipway.restart().await;
    assert_eq!(attempts(&house, number).await, 1);
    expect_whole_logs(&house, number).await;
    house.live("dev", 1).await;
    house.is_tidy(1).await;
}

/// The same in the middle of a rollout.
#[tokio::test]
async fn another_server_takes_over_in_the_middle_of_a_rollout() {
    let (mut house, other) = two_servers(both).await;
    get_to(&house, Phase::Rollout, "one").await;
    house.slipway.kill().await;
    let release = other_says(&house, &other, "environments/dev/releases/1", |release| {
        cure(&house);
        assert_ne!(release["state"], "failed", "{release:#}");
        release["state"] == "live"
    })
    .await;
    assert_eq!(release["attempts"].as_array().unwrap().len(), 1, "{release:#}");
    assert_eq!(house.visit("dev.localhost").await, "one\n");
    house.slipway.restart().await;
    house.is_tidy(1).await;
}

/// The runner waits at the one server, and somebody cancels at the other.
#[tokio::test]
async fn what_is_cancelled_at_one_server_ends_at_the_runner_of_another() {
    let (house, other) = two_servers(|first, _| first.to_owned()).await;
    let number = push(&house, "main", "one", true).await;
    waits_at(&house, number, Gate::Plain).await;
    let api = Api::new(other.url()).bearing(house.slipway.token());
    let path = format!("/api/v1/repositories/{}/builds/{number}/cancel", house.webhook.repository);
    api.post(&path, &json!({})).await.expect(202);
    until_none("the build's containers", LONG, async || house.step_containers()).await;
    house.build_in(number, "cancelled").await;
    house.is_tidy(0).await;
}
