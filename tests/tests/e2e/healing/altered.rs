//! What other hands change of a container that runs on.

use slipway_tests::{engine::docker, house::LONG, load::Load, wait::until};

use super::place::{DOMAIN, Place};

const RESOURCES: &str = "    resources: {memory: 64M, cpus: 0.5}\n";

fn limits(name: &str) -> String {
    let format = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}";
    docker(&["inspect", "-f", format, name]).remove(0)
}

/// Waits until it was told that this was found and done.
async fn told(place: &Place, found: &str, done: &str) {
    until(&format!("{found:?} to be told"), LONG, async || {
        let drifts = place.drifts().await;
        drifts.iter().any(|drift| drift["found"] == found && drift["done"] == done).then_some(())
    })
    .await;
}

#[tokio::test]
async fn limits_and_the_restart_policy_are_set_right_while_the_container_runs_on() {
    let place = Place::with(1, RESOURCES).await;
    let name = place.container(1);
    let (before, id) = (limits(&name), place.id(&name));
    assert_eq!(before, "67108864 500000000 unless-stopped");
    let is_set_right = async || {
        until("it to be set right", LONG, async || (limits(&name) == before).then_some(())).await;
        assert_eq!(place.id(&name), id, "it is the same container");
    };

    docker(&["update", "--memory", "32m", "--memory-swap", "64m", "--cpus", "0.1", &name]);
    is_set_right().await;
    told(&place, "somebody changed its memory limit and its CPU limit", "set it right while it ran").await;
    docker(&["update", "--restart", "no", &name]);
    is_set_right().await;
    told(&place, "somebody changed its restart policy", "set it right while it ran").await;
    place.runs(&name).await;
    assert!(place.house.visit(DOMAIN).await.contains("one"));
}

#[tokio::test]
async fn what_cannot_be_taken_back_has_the_container_replaced_without_losing_a_request() {
    let place = Place::open(1).await;
    let name = place.container(1);
    let before = place.id(&name);
    let mut load = Load::gentle(&place.house.caddy.url(), DOMAIN);
    load.answers(20).await;
    // The engine can change a limit of CPU, but not lift it again.
    docker(&["update", "--cpus", "0.5", &name]);
    told(&place, "somebody changed its CPU limit", "replaced it").await;
    place.settled_at(1).await;
    assert_ne!(place.id(&name), before, "it is another container");
    load.answers(20).await;
    let answers = load.finish().await;
    assert!(answers.failed.is_empty(), "{} of {} failed: {:?}", answers.failed.len(), answers.total(), answers.failed);
}
