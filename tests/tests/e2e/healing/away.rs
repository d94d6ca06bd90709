//! What is live on the engine of a runner on another machine is kept as well, and finds a place on another one.

use serde_json::{Value, json};
use slipway_tests::{engine::docker, house::LONG, wait::until};

use super::place::Place;

#[tokio::test]
async fn a_runner_on_another_machine_heals_what_is_live_there_in_every_life() {
    let mut place = Place::remote(1).await;
    let name = place.container(1);
    docker(&["kill", &name]);
    place.is_put_right("the killed container", &name, &["started it again"]).await;

    place.house.runners[0].kill().await;
    docker(&["rm", "-f", &name]);
    place.house.runners[0].start(&place.house.slipway).await;
    place.is_put_right("what was removed while nobody looked", &name, &["made it again"]).await;
    place.serves("one").await;
    docker(&["kill", &name]);
    place.is_put_right("what the next life looks after", &name, &["started it again"]).await;
    place.serves("one").await;
}

/// The running containers of releases of one runner.
fn hosted(runner: &str) -> Vec<String> {
    let runner = format!("label=slipway.runner={runner}");
    docker(&["ps", "--format", "{{.Names}}", "--filter", &runner, "--filter", "label=slipway=release"])
}

#[tokio::test]
async fn what_was_live_on_a_machine_that_is_lost_is_restored_on_another() {
    let mut place = Place::remote(2).await;
    place.house.runners[0].kill().await;
    for container in place.house.released_containers() {
        docker(&["rm", "-f", &container]);
    }
    docker(&["network", "rm", &place.network()]);
    place.house.another_host("two").await;
    let (one, two) = (place.house.runners[0].id.clone(), place.house.runners[1].id.clone());

    let repository = place.house.webhook.repository.clone();
    let restore = ["environment", "restore", &repository, "dev", "--runner", "two", "--wait", "--json"];
    let restored = place.house.slipway.command(&restore, "").await;
    assert!(restored.status.success(), "{restored:?}");
    let release: Value = serde_json::from_slice(&restored.stdout).unwrap();
    assert_eq!((&release["kind"], &release["state"]), (&json!("restore"), &json!("live")), "{release:#}");
    assert_eq!(release["apps"], place.house.release("dev", 1).await.unwrap()["apps"], "exactly what was live");
    assert_eq!(hosted(&two).len(), 2);
    place.serves("one").await;

    // It is the other one's to heal from now on, also once the first one is back.
    place.house.runners[0].start(&place.house.slipway).await;
    let killed = hosted(&two).remove(0);
    docker(&["kill", &killed]);
    until("the killed container to be put right", LONG, async || {
        let newest = place.drifts().await.into_iter().next()?;
        (newest["kind"] == "environment.healed" && hosted(&two).contains(&killed)).then_some(())
    })
    .await;
    place.serves("one").await;
    assert_eq!(hosted(&one), [] as [String; 0]);
}
