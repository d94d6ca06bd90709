//! Containers that are not healthy any more make room for others without losing a request.

use std::time::Duration;

use slipway_tests::{engine::docker, load::Load, wait::until};

use super::place::{DOMAIN, Place};

const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a replica fail its health check; it serves on.
fn sicken(name: &str) {
    docker(&["exec", name, "rm", "/www/health"]);
}

/// Waits until none but the replicas that the environment is to have are there.
async fn gone(place: &Place, replicas: usize) {
    until("what was relieved to be gone", PATIENCE, async || {
        (place.house.released_containers().len() == replicas).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_only_replica_serves_until_another_is_well_and_finishes_what_it_is_at() {
    let place = Place::open(1).await;
    let name = place.container(1);
    let before = place.id(&name);
    let url = place.house.caddy.url();
    let mut load = Load::gentle(&url, DOMAIN);
    let mut slow = Load::gentle(&format!("{url}/cgi-bin/slow"), DOMAIN);
    load.answers(20).await;
    slow.answers(2).await;
    sicken(&name);
    place.is_put_right("the sick container", &name, &["replaced it"]).await;
    assert_ne!(place.id(&name), before, "it is another container");
    gone(&place, 1).await;
    load.answers(20).await;
    let (answers, slow) = (load.finish().await, slow.finish().await);
    assert!(answers.failed.is_empty(), "{} of {} failed: {:?}", answers.failed.len(), answers.total(), answers.failed);
    assert!(slow.failed.is_empty(), "{} slow ones of {} failed: {:?}", slow.failed.len(), slow.total(), slow.failed);
}

#[tokio::test]
async fn replicas_that_are_all_sick_are_replaced_one_after_the_other() {
    let place = Place::open(3).await;
    let names = [1, 2, 3].map(|replica| place.container(replica));
    let before = names.each_ref().map(|name| place.id(name));
    let url = place.house.caddy.url();
    let mut load = Load::gentle(&url, DOMAIN);
    let slow = Load::gentle(&format!("{url}/cgi-bin/slow"), DOMAIN);
    load.answers(20).await;
    names.iter().for_each(|name| sicken(name));
    let mut most = 0;
    until("all to be replaced", PATIENCE, async || {
        // While one is relieved, it stands beside the one in its place.
        most = most.max(place.house.released_containers().len());
        let is_new = |(name, before): (&String, &String)| {
            let found = std::process::Command::new("docker").args(["inspect", "-f", "{{.Id}}", name]).output().ok();
            found.is_some_and(|out| out.status.success() && String::from_utf8_lossy(&out.stdout).trim() != before)
        };
        names.iter().zip(&before).all(is_new).then_some(())
    })
    .await;
    for name in &names {
        place.runs(name).await;
    }
    gone(&place, 3).await;
    assert!(most <= 4, "{most} containers of an app at once");
    let (answers, slow) = (load.finish().await, slow.finish().await);
    assert!(answers.failed.is_empty(), "{} of {} failed: {:?}", answers.failed.len(), answers.total(), answers.failed);
    assert!(slow.failed.is_empty(), "{} slow ones of {} failed: {:?}", slow.failed.len(), slow.total(), slow.failed);
}
