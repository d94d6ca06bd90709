//! What does not stay well is tried again with longer and longer pauses, and shown as what it is.

use slipway_tests::{engine::docker, house::LONG, wait::until};

use super::place::Place;

#[tokio::test]
async fn a_container_that_ends_again_and_again_is_shown_as_such_and_comes_back_when_it_can() {
    let place = Place::with(1, "    volumes: [state:/data]\n").await;
    let name = place.container(1);
    docker(&["exec", &name, "touch", "/data/crash"]);
    docker(&["kill", &name]);
    let replica = until("the loop to be shown", LONG, async || {
        let environment = place.environment().await;
        let replica = environment["replicas"][0].clone();
        (replica["condition"] == "crash_loop").then_some(replica)
    })
    .await;
    assert!(replica["trouble"]["times"].as_i64().unwrap() >= 3, "{replica:#}");
    assert_eq!(replica["trouble"]["found"], "its container ended with exit code 7");
    let told = place.drifts().await;
    assert_eq!(told.iter().filter(|drift| drift["kind"] == "environment.crash_loop").count(), 1, "{told:#?}");
    let shown = place.house.slipway.command(&["environments", &place.house.webhook.repository], "").await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("web 1 is crash loop: its container ended with exit code 7"), "{shown}");

    let volume = docker(&["inspect", "-f", "{{range .Mounts}}{{.Name}}{{end}}", &name]).remove(0);
    docker(&["run", "--rm", "-v", &format!("{volume}:/data"), "busybox:latest", "rm", "/data/crash"]);
    place.serves("one").await;
}
