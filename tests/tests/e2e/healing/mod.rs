//! What is live stays as it should be, whatever becomes of its containers, of the proxy, of the server and its runner.

mod altered;
mod anew;
mod away;
mod loops;
mod place;
mod sick;

use slipway_tests::{engine::docker, house::LONG, load::Load, wait::until};

use place::{DOMAIN, Place};

#[tokio::test]
async fn a_container_that_was_killed_or_removed_comes_back_and_no_request_fails_meanwhile() {
    let place = Place::open(2).await;
    let [first, second] = [place.container(1), place.container(2)];
    let mut load = Load::gentle(&place.house.caddy.url(), DOMAIN);
    load.answers(20).await;

    docker(&["kill", &first]);
    place.is_put_right("the killed container", &first, &["started it again"]).await;
    load.answers(20).await;
    docker(&["rm", "-f", &second]);
    // It ends before it is gone, and may be found in between.
    place.is_put_right("the removed container", &second, &["made it again", "started it again"]).await;
    load.answers(20).await;

    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{} of {} failed: {:?}", answers.failed.len(), answers.total(), answers.failed);
    let told = place.drifts().await;
    let healed = told.iter().filter(|drift| drift["kind"] == "environment.healed").count();
    assert_eq!(healed, 2, "{told:#?}");
    let shown = place.house.slipway.command(&["environments", &place.house.webhook.repository], "").await;
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("is sick"), "{shown:?}");
}

#[tokio::test]
async fn what_foreign_hands_did_is_put_right() {
    let place = Place::open(1).await;
    let name = place.container(1);

    docker(&["stop", "-t", "0", &name]);
    place.is_put_right("the stopped container", &name, &["started it again"]).await;
    docker(&["pause", &name]);
    place.is_put_right("the paused container", &name, &["let it go on"]).await;
    let network = place.network();
    docker(&["network", "disconnect", &network, &name]);
    place.is_put_right("the container without a network", &name, &["connected it again"]).await;
    assert!(place.house.visit(DOMAIN).await.contains("one"));
    let aliases = docker(&["inspect", "-f", "{{range .NetworkSettings.Networks}}{{.Aliases}}{{end}}", &name]);
    assert!(aliases[0].contains("web"), "it is found by its app's name again: {aliases:?}");

    // Another image under Slipway's labels is replaced; what carries none of them is moved aside, and lives.
    let labels = place.labels(&name);
    let mut run: Vec<&str> = labels.iter().flat_map(|label| ["--label", label.as_str()]).collect();
    run.extend(["--network", &network]);
    place.take_the_place_of(&name, &run).await;
    place.is_put_right("the other image", &name, &["replaced it"]).await;
    assert!(place.house.visit(DOMAIN).await.contains("one"));

    let mark = format!("slipway.test={}", place.house.runner());
    let intruder = place.take_the_place_of(&name, &["--label", &mark]).await;
    place.is_put_right("the container whose name was taken", &name, &["gave that one another name"]).await;
    assert!(place.house.visit(DOMAIN).await.contains("one"));
    let lives = docker(&["ps", "--format", "{{.ID}} {{.Names}}", "--no-trunc", "--filter", &format!("label={mark}")]);
    assert!(lives.iter().any(|line| line.starts_with(&intruder) && line.contains("-foreign-")), "{lives:?}");
}

#[tokio::test]
async fn a_container_that_lost_its_name_in_the_network_is_replaced_by_one_that_has_it() {
    let place = Place::open(1).await;
    let (name, network, server) = (place.container(1), place.network(), place.house.slipway.pid().to_string());
    let before = place.id(&name);
    // Both are done when the runner hears of the first.
    signal("-STOP", &server);
    docker(&["network", "disconnect", &network, &name]);
    docker(&["network", "connect", &network, &name]);
    signal("-CONT", &server);
    place.is_put_right("the container without a name", &name, &["replaced it"]).await;
    assert_ne!(place.id(&name), before, "it was not cut off from what it answered");
    let aliases = docker(&["inspect", "-f", "{{range .NetworkSettings.Networks}}{{.Aliases}}{{end}}", &name]);
    assert!(aliases[0].contains("web"), "{aliases:?}");
    place.serves("one").await;
}

fn signal(signal: &str, process: &str) {
    let sent = std::process::Command::new("kill").args([signal, process]).status().unwrap();
    assert!(sent.success(), "{signal} {process}: {sent}");
}

#[tokio::test]
async fn a_container_that_is_not_healthy_any_more_is_replaced() {
    let place = Place::open(2).await;
    let name = place.container(1);
    let before = place.id(&name);
    let mut load = Load::gentle(&place.house.caddy.url(), DOMAIN);
    load.answers(10).await;
    docker(&["exec", &name, "rm", "/www/health"]);
    place.is_put_right("the sick container", &name, &["replaced it"]).await;
    assert_ne!(place.id(&name), before, "it is another container");
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{:?}", answers.failed);
    let told = place.drifts().await;
    let found = told.iter().any(|drift| drift["found"] == "it was not healthy: GET /health answered 404");
    assert!(found, "{told:#?}");
}

#[tokio::test]
async fn what_happened_while_the_server_and_its_runner_were_dead_is_put_right_by_the_next_life() {
    let mut place = Place::open(1).await;
    let name = place.container(1);
    place.house.slipway.kill().await;
    docker(&["rm", "-f", &name]);
    place.house.caddy.stop();
    place.house.caddy.stop_switch();
    place.house.caddy.start().await;
    place.house.slipway.restart().await;
    place.is_put_right("what was removed meanwhile", &name, &["made it again"]).await;
    place.serves("one").await;
}

#[tokio::test]
async fn a_caddy_that_starts_empty_gets_its_routes_again() {
    let mut place = Place::open(1).await;
    assert!(place.house.visit(DOMAIN).await.contains("one"));
    place.house.caddy.stop();
    place.house.caddy.stop_switch();
    place.house.caddy.start().await;
    place.serves("one").await;
    assert_eq!(place.drifts().await.len(), 0, "no container was touched");
}

#[tokio::test]
async fn a_rollout_and_a_rollback_are_not_fought_with() {
    let place = Place::open(2).await;
    let older = place.container(1);
    place.push("two").await;
    // Whatever the rollout is at, its environment is its own.
    until("the second release to roll", LONG, async || {
        let release = place.house.release("dev", 2).await?;
        (release["state"] == "rolling" || release["state"] == "live").then_some(())
    })
    .await;
    let _ = std::process::Command::new("docker").args(["kill", &older]).output();
    place.house.live("dev", 2).await;
    place.settled_at(2).await;
    assert!(place.house.visit(DOMAIN).await.contains("two"));

    let path = format!("/api/v1/repositories/{}/environments/dev/rollbacks", place.house.webhook.repository);
    place.house.slipway.api().post(&path, &serde_json::json!({})).await.expect(202);
    let _ = std::process::Command::new("docker").args(["rm", "-f", &place.container_of(2, 1)]).output();
    place.house.live("dev", 3).await;
    place.settled_at(3).await;
    assert!(place.house.visit(DOMAIN).await.contains("one"));
}
