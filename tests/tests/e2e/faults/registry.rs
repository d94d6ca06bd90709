//! A registry that refuses or hangs in the middle of a push.

use std::time::{Duration, Instant};

use serde_json::json;
use slipway_tests::{
    build_house::BuildHouse,
    house::House,
    registry_gate::{Gate, RegistryGate},
};

#[tokio::test]
async fn a_registry_that_fails_for_a_moment_gets_the_image_all_the_same() {
    let (house, gate) = opened().await;
    for (count, status) in [(1, 500), (2, 429), (3, 503)] {
        gate.set(Gate::Refusing { status, manifests: 2 });
        let number = push(&house, &gate, count).await;
        let build = house.build_in(number, "succeeded").await;
        let log = push_log(&house, number).await;
        assert!(log.iter().any(|line| line.contains("trying again in 1 s")), "{status} is borne with: {log:#?}");
        is_whole(&gate, &build).await;
    }
    assert_eq!(gate.turned_away(), 6);
    house.is_tidy(0).await;
}

#[tokio::test]
async fn a_registry_that_hangs_in_a_push_gets_the_image_once_it_goes_on() {
    let (house, gate) = opened().await;
    gate.set(Gate::Holding);
    let number = push(&house, &gate, 1).await;
    gate.holds().await;
    house.step_runs(number, "push", "").await;
    gate.set(Gate::Open);
    let build = house.build_in(number, "succeeded").await;
    is_whole(&gate, &build).await;
    house.is_tidy(0).await;
}

#[tokio::test]
async fn a_registry_that_refuses_for_good_fails_the_build_in_words_and_holds_no_tag() {
    let (house, gate) = opened().await;
    for (count, status, wanted) in [(1, 401, "login"), (2, 500, "fails: ")] {
        gate.set(Gate::Refusing { status, manifests: 1_000 });
        let number = push(&house, &gate, count).await;
        let build = house.build_in(number, "failed").await;
        let reason = build["reason"].as_str().unwrap();
        assert!(reason.contains(wanted) && reason.contains("the registry 127.0.0.1:"), "{status}: {reason}");
        let tag = format!("{}:main", gate.image("shop/web"));
        assert_eq!(slipway_runner::registry::Registry::new(&[]).digest(&tag).await.unwrap(), None);
    }
    gate.set(Gate::Open);
    let number = push(&house, &gate, 3).await;
    let build = house.build_in(number, "succeeded").await;
    is_whole(&gate, &build).await;
    house.is_tidy(0).await;
}

/// It takes connections, and never says a word.
#[tokio::test]
async fn a_registry_that_hangs_for_good_fails_the_push_in_words() {
    let mut house = BuildHouse::new().await;
    house.config.limits.steps.push_silence = Duration::from_secs(1);
    let commit = house.commit("web:\n  build: Dockerfile\n  image: IMAGE\n", &[]);
    house.registry.hold();
    let build = house.build(&commit).await;
    let said = build.failure();
    assert!(said.contains("no progress for 1 s") && said.contains(&house.registry.host()), "{said}");
    house.registry.go_on();
    assert_eq!(house.pushed(&format!("{}:main", house.image("web"))).await, None);
    house.leaves_nothing().await;
}

#[tokio::test]
async fn a_push_into_a_registry_that_hangs_is_cancelled_at_once() {
    let (house, gate) = opened().await;
    gate.set(Gate::Holding);
    let number = push(&house, &gate, 1).await;
    gate.holds().await;
    house.step_runs(number, "push", "").await;
    let asked = Instant::now();
    let path = format!("/api/v1/repositories/{}/builds/{number}/cancel", house.webhook.repository);
    house.slipway.api().post(&path, &json!({})).await.expect(202);
    house.build_in(number, "cancelled").await;
    assert!(asked.elapsed() < Duration::from_secs(30), "it waited {:?} for the registry", asked.elapsed());
    gate.set(Gate::Open);
    house.is_tidy(0).await;
}

async fn opened() -> (House, RegistryGate) {
    let house = House::open().await;
    let gate = RegistryGate::before(&house.registry).await;
    (house, gate)
}

async fn push(house: &House, gate: &RegistryGate, count: u32) -> i64 {
    let captain = format!("web:\n  build: Dockerfile\n  image: {}\n", gate.image("shop/web"));
    let files = [
        ("captain.yml", captain.as_str()),
        ("Dockerfile", "FROM busybox:latest\nCOPY . /src\n"),
        ("count", &count.to_string()),
    ];
    house.push("main", &files).await
}

async fn push_log(house: &House, number: i64) -> Vec<String> {
    let build = house.build(number).await;
    let steps = build["attempts"][0]["steps"].as_array().unwrap();
    let push = steps.iter().find(|step| step["kind"] == "push").unwrap();
    house.log(&format!("builds/{number}"), 1, push["index"].as_i64().unwrap()).await
}

/// The registry holds the build's image under every tag.
async fn is_whole(gate: &RegistryGate, build: &serde_json::Value) {
    let artifact = &build["artifacts"][0];
    let registry = slipway_runner::registry::Registry::new(&[]);
    for tag in artifact["tags"].as_array().unwrap() {
        let name = format!("{}:{}", gate.image("shop/web"), tag.as_str().unwrap());
        assert_eq!(registry.digest(&name).await.unwrap().as_deref(), artifact["digest"].as_str(), "{name}");
    }
}
