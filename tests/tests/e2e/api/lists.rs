//! What the dashboard shows, as a program reads it.

use serde_json::json;
use slipway_tests::api::Api;

use crate::dashboard::scene::Scene;

#[tokio::test]
async fn what_the_first_page_shows_a_program_reads_and_what_grows_page_by_page() {
    let scene = Scene::closed().await;
    scene.ship(1, "Basket").await;
    let waiting = scene.push("topic", 2, "Search").await;
    scene.ping().await;
    let api = Api::new(&scene.url("")).bearing(&scene.token());

    let activity = api.get("/api/v1/activity").await.expect(200).json();
    let job = &activity["items"][0];
    assert_eq!((&job["build"], &job["state"], &activity["more"]), (&json!(waiting), &json!("queued"), &json!(0)));
    assert!(job["waits_for"].is_string() && job["environment"].is_null(), "{activity:#}");
    let overview = api.get("/api/v1/overview").await.expect(200).json();
    let shop = &overview["items"][0];
    assert_eq!((&shop["repository"], &shop["newest"][0]["number"]), (&json!("acme/shop"), &json!(waiting)));
    let dev = shop["environments"].as_array().unwrap().iter().find(|stage| stage["name"] == "dev").unwrap();
    assert_eq!((&dev["live"], &dev["newest_state"], &dev["is_frozen"]), (&json!(1), &json!("live"), &json!(false)));

    for name in ["ci", "ana"] {
        api.post("/api/v1/tokens", &json!({"name": name, "role": "administrator"})).await.expect(201);
    }
    let first = api.get("/api/v1/tokens?limit=2").await.expect(200).json();
    let rest = format!("/api/v1/tokens?limit=2&cursor={}", first["next"].as_str().unwrap());
    let rest = api.get(&rest).await.expect(200).json();
    let names = [&first["items"][0], &first["items"][1], &rest["items"][0]].map(|token| &token["name"]);
    assert_eq!((names, &rest["next"]), ([&json!("administrator"), &json!("ci"), &json!("ana")], &json!(null)));
    for list in ["/api/v1/alerts", "/api/v1/repositories/acme/shop/environments/dev/drifts", "/api/v1/tokens"] {
        let refused = api.get(&format!("{list}?cursor=x")).await.expect(400);
        assert!(refused.detail().contains("not one that this list gave"), "{}", refused.body);
        assert!(api.get(&format!("{list}?limit=1")).await.expect(200).json()["items"].is_array());
    }

    let deliveries = api.get("/api/v1/deliveries?repository=acme/shop").await.expect(200).json();
    let delivery = deliveries["items"][0]["id"].as_str().unwrap();
    let payload = api.get(&format!("/api/v1/deliveries/{delivery}/payload")).await.expect(200);
    assert_eq!(payload.header("content-type"), "application/octet-stream");
    assert_eq!(payload.json()["hook_id"], 7);
    let known = api.get(&format!("/api/v1/deliveries/{delivery}")).await.expect(200).json();
    assert_eq!(known["headers"]["User-Agent"], "GitHub-Hookshot/044aadd");
    api.get("/api/v1/deliveries?repository=acme/nowhere").await.expect(404);

    let shop = "/api/v1/repositories/acme/shop";
    let plan = api.get(&format!("{shop}/plan")).await.expect(200).json();
    assert_eq!((&plan["build"]["number"], &plan["warning_count"]), (&json!(1), &json!(0)), "{plan:#}");
    assert_eq!(plan["steps"][5]["kind"], "test");
    assert_eq!(plan["environments"][1]["source"], json!({"from": "environment", "environment": "dev"}));
    assert_eq!(api.get(&format!("{shop}/plan?build=1")).await.expect(200).json(), plan);
    let unread = api.get(&format!("{shop}/plan?branch=topic")).await.expect(404);
    assert_eq!(unread.detail(), "No build of refs/heads/topic has read captain.yml lately.");
    let build = api.get(&format!("{shop}/builds/1")).await.expect(200).json();
    let release = json!({"environment": "dev", "number": 1, "state": "live", "replaced_by": null});
    assert_eq!((&build["releases"][0], &build["artifacts"][0]["platform"]), (&release, &json!("linux/amd64")));
    scene.stop().await;
}
