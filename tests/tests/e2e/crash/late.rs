//! What the engine finishes for a life that was killed, when the next one has already cleaned up.

use slipway_tests::{
    engine::docker,
    house::{House, LONG},
    wait::until,
};

#[tokio::test]
async fn what_the_engine_made_too_late_is_removed_too() {
    let house = House::open().await;
    until("the runner, which announces itself after its first cleaning", LONG, async || {
        let runners = house.slipway.api().get("/api/v1/runners").await.expect(200).json();
        (!runners["items"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;
    let runner = format!("slipway.runner={}", house.runner());
    let of_step = ["--label", "slipway=step", "--label", &runner, "--label", "slipway.incarnation=killed"];
    let made = docker(&[&["create"], of_step.as_slice(), &["busybox:latest", "true"]].concat());
    assert_eq!(made.len(), 1);
    house.is_tidy(0).await;
}
