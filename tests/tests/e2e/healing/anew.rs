//! An environment is made anew from what the database knows, and everybody finds what runs there.

use serde_json::{Value, json};
use slipway_tests::{engine::docker, house::LONG, wait::until};

use super::place::{DOMAIN, Place};

#[tokio::test]
async fn an_environment_that_was_lost_is_restored_by_one_command() {
    let mut place = Place::open(2).await;
    place.house.slipway.kill().await;
    for container in place.house.released_containers() {
        docker(&["rm", "-f", &container]);
    }
    docker(&["network", "rm", &place.network()]);
    place.house.slipway.restart().await;
    let repository = place.house.webhook.repository.clone();
    let restore = ["environment", "restore", &repository, "dev", "--wait", "--json"];
    let restored = place.house.slipway.command(&restore, "").await;
    assert!(restored.status.success(), "{restored:?}");
    let release: Value = serde_json::from_slice(&restored.stdout).unwrap();
    assert_eq!(
        (&release["kind"], &release["state"], &release["number"]),
        (&json!("restore"), &json!("live"), &json!(2))
    );
    assert_eq!(release["apps"], place.house.release("dev", 1).await.unwrap()["apps"], "exactly what was live");
    place.settled_at(2).await;
    assert!(place.house.visit(DOMAIN).await.contains("one"));

    let path = format!("/api/v1/repositories/{repository}/environments/dev/restores");
    let unknown = place.house.slipway.api().post(&path, &json!({"runner": "nobody"})).await;
    assert!(unknown.status >= 400, "{}", unknown.body);
}

#[tokio::test]
async fn everybody_finds_what_runs_where() {
    let place = Place::open(2).await;
    let api = place.house.slipway.api();
    let services = api.get("/api/v1/services").await.expect(200).json();
    let own: Vec<&Value> = services["items"].as_array().unwrap().iter().collect();
    assert_eq!(own.len(), 2, "{services:#}");
    assert_eq!((&own[0]["app"], &own[0]["replica"], &own[0]["release"]), (&json!("web"), &json!(1), &json!(1)));
    assert_eq!((&own[1]["condition"], &own[1]["domain"]), (&json!("healthy"), &json!(DOMAIN)));
    let address = own[0]["address"].as_str().expect("an address").to_owned();

    // As Prometheus has it: a list of groups, each with targets and labels that are texts.
    let groups = api.get("/api/v1/services/prometheus").await.expect(200).json();
    assert_eq!(groups[0]["targets"], json!([address]));
    assert_eq!(groups[0]["labels"]["__meta_slipway_environment"], "dev");
    assert_eq!(groups[0]["labels"]["__meta_slipway_replica"], "1");
    let labels = groups[0]["labels"].as_object().unwrap();
    assert!(labels.values().all(Value::is_string), "{groups:#}");

    let page = api.with("accept", "text/html").get("/services").await.expect(200).body;
    assert!(page.contains(&address), "{page}");
    let listed = place.house.slipway.command(&["services"], "").await;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.lines().any(|line| line.contains("web 2  healthy  ") && line.contains(DOMAIN)), "{listed}");

    // Inside the environment's network an app's name is its address.
    let name = place.container(1);
    let answer = docker(&["exec", &name, "wget", "-q", "-O", "-", "http://web:8080/"]);
    assert_eq!(answer, ["one"]);

    place.house.slipway.api().get("/api/v1/services").await.expect(200);
    docker(&["pause", &name]);
    until("the paused one to be told", LONG, async || {
        let drifts = place.drifts().await;
        drifts.iter().any(|drift| drift["found"] == "its container was paused").then_some(())
    })
    .await;
}
