//! Several servers on one PostgreSQL database, and a runner that knows them all.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use slipway_tests::{
    api::Api,
    databases::TestDatabase,
    house::{House, LONG, is_over},
    slipway::{Setup, Slipway},
    wait::until,
};

use crate::crash::gates::{Gate, attempts, expect_whole_logs, opened, push, waits_at};

/// A server is killed while a command runs and does not come back: the build goes on with the other one.
#[tokio::test]
async fn another_server_takes_over_in_the_middle_of_a_build() {
    let database = TestDatabase::postgres().await;
    let key = STANDARD.encode([7; 32]);
    let setup = || Setup::new().with("SLIPWAY_SECRET_KEY", &key);
    let second = setup().with("SLIPWAY_DATABASE", database.url());
    let mut other: Option<Slipway> = None;
    let mut house = House::remote(database, setup(), async |url: &str| {
        let other = other.insert(second.start().await);
        format!("{url},{}", other.url())
    })
    .await;
    let other = other.unwrap();
    let number = push(&house, "main", "one", true).await;
    waits_at(&house, number, Gate::Plain).await;
    house.slipway.kill().await;

    let api = Api::new(other.url()).bearing(house.slipway.token());
    let path = format!("/api/v1/repositories/{}/builds/{number}", house.webhook.repository);
    let build = opened(&house, None, async {
        until("the build to end at the other server", LONG, async || {
            let build = api.get(&path).await.expect(200).json();
            is_over(&build).then_some(build)
        })
        .await
    })
    .await;
    assert_eq!(build["state"], "succeeded", "{build:#}\n{}", house.runners[0].output());

    house.slipway.restart().await;
    assert_eq!(attempts(&house, number).await, 1);
    expect_whole_logs(&house, number).await;
    house.live("dev", 1).await;
    house.is_tidy(1).await;
}
