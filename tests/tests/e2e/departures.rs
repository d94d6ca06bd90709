//! Letting a repository go: it is out of sight at once, and removed behind that, also when the server is killed.

use serde_json::{Value, json};
use slipway_tests::{
    databases::TestDatabase,
    forge::{Push, commit},
    house::LONG,
    on_both_databases,
    slipway::Setup,
    wait::until,
};

on_both_databases!(a_repository_that_is_let_go_goes_on_going_when_the_server_is_killed);

/// More than go with one commit.
const BUILDS: i64 = 130;

async fn a_repository_that_is_let_go_goes_on_going_when_the_server_is_killed(database: TestDatabase) {
    let mut slipway = Setup::new().with("SLIPWAY_DATABASE", database.url()).start().await;
    let address = "https://git.example/acme/shop.git";
    let webhook = slipway.connect("acme/shop", address).await;
    for number in 1..=BUILDS {
        let push = Push::to_branch("acme/shop", &format!("topic-{number}"), &commit(&number.to_string()));
        assert_eq!(push.delivery().send(&webhook).await.expect(202).json()["build"], number);
    }
    let repository = "/api/v1/repositories/acme/shop";
    slipway.api().delete(repository).await.expect(409);
    slipway.api().delete(&format!("{repository}?force=true")).await.expect(200);
    slipway.kill().await;
    slipway.restart().await;
    slipway.api().get(repository).await.expect(404);
    let push = Push::to_branch("acme/shop", "main", &commit("late")).delivery().send(&webhook).await;
    push.expect(401);
    let activity = slipway.api().get("/api/v1/activity").await.expect(200).json();
    assert!(activity["items"].as_array().unwrap().len() <= 100, "{activity:#}");
    slipway.kill().await;
    slipway.restart().await;
    let connect = json!({"name": "acme/shop", "clone_url": address});
    let anew = until("all of it to be removed", LONG, async || {
        let answer = slipway.api().post("/api/v1/repositories", &connect).await;
        (answer.status == 201).then(|| answer.json())
    })
    .await;
    assert_eq!(anew["last_build_number"], 0);
    let activity = slipway.api().get("/api/v1/activity").await.expect(200).json();
    assert_eq!((&activity["items"], &activity["more"]), (&json!([]), &json!(0)));
    let deliveries: Value = slipway.api().get("/api/v1/deliveries").await.expect(200).json();
    assert_eq!(deliveries["items"], json!([]));
}
