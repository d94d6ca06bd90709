//! Branches and tags: one build for each, and what becomes of those that are moved or removed.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use slipway_tests::{
    databases::TestDatabase,
    forge::{Delivery, Push, commit},
    on_both_databases,
    slipway::{Setup, Slipway},
};

on_both_databases!(a_push_of_many_refs_makes_one_build_of_each, what_is_forced_away_or_deleted_is_not_built_further,);

const REPOSITORY: &str = "shop/web";
const REFS: usize = 24;

async fn build(slipway: &Slipway, number: i64) -> Value {
    slipway.api().get(&format!("/api/v1/repositories/{REPOSITORY}/builds/{number}")).await.expect(200).json()
}

async fn a_push_of_many_refs_makes_one_build_of_each(database: TestDatabase) {
    let slipway = Setup::new().with("SLIPWAY_DATABASE", database.url()).start().await;
    let webhook = slipway.connect(REPOSITORY, "https://git.example/shop/web.git").await;
    // All at the same commit, as `git push --mirror` to a new repository has it; each delivery comes twice.
    let tip = commit("tip");
    let deliveries: Vec<Delivery> = (0..REFS)
        .map(|at| match at % 2 {
            0 => Push::to_branch(REPOSITORY, &format!("branch-{at}"), &tip).delivery(),
            _ => Push::of_tag(REPOSITORY, &format!("v1.0.{at}"), &tip).delivery(),
        })
        .collect();
    for few in deliveries.chunks(4) {
        let sent = few.iter().chain(few).map(|delivery| delivery.send(&webhook));
        let answers = futures_util::future::join_all(sent).await;
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 202)));
    }

    let listed = slipway.api().get(&format!("/api/v1/repositories/{REPOSITORY}/builds?limit=100")).await;
    let listed = listed.expect(200).json();
    let builds = listed["items"].as_array().unwrap();
    let refs: BTreeSet<&str> = builds.iter().map(|build| build["ref"].as_str().unwrap()).collect();
    assert_eq!((builds.len(), refs.len()), (REFS, REFS), "one of each");
    let numbers: BTreeSet<i64> = builds.iter().map(|build| build["number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (1..=24).collect(), "numbered without a gap");
    assert!(builds.iter().all(|build| build["state"] == "queued" && build["commit"] == tip.as_str()));
}

async fn what_is_forced_away_or_deleted_is_not_built_further(database: TestDatabase) {
    let slipway = Setup::new().with("SLIPWAY_DATABASE", database.url()).start().await;
    let webhook = slipway.connect(REPOSITORY, "https://git.example/shop/web.git").await;
    let send = async |push: Push| push.delivery().send(&webhook).await.expect(202).json();
    send(Push::to_branch(REPOSITORY, "main", &commit("one"))).await;
    send(Push::to_branch(REPOSITORY, "topic", &commit("one"))).await;
    send(Push::of_tag(REPOSITORY, "v1.0.0", &commit("one"))).await;
    let asked = slipway.api().post(&format!("/api/v1/repositories/{REPOSITORY}/builds"), &json!({})).await.expect(201);
    assert_eq!(asked.json()["number"], 4);
    let forced = Push::to_branch(REPOSITORY, "main", &commit("two")).after(&commit("one")).forced();
    assert_eq!(send(forced).await["build"], 5);
    send(Push::deletes_branch(REPOSITORY, "topic", &commit("one"))).await;

    let state = async |number| build(&slipway, number).await["state"].as_str().unwrap().to_owned();
    assert_eq!((state(1).await, state(2).await), ("cancelled".to_owned(), "cancelled".to_owned()));
    assert_eq!((state(3).await, state(5).await), ("queued".to_owned(), "queued".to_owned()), "they are not concerned");
    assert_eq!(state(4).await, "queued", "what a person asked for is not what a push replaces");
    assert_eq!(build(&slipway, 1).await["reason"], "build 5 of a newer push took its place");
    assert_eq!(build(&slipway, 2).await["reason"], "its branch was deleted");

    // Pushed again, a deleted branch is built again, and so is a commit that a branch was forced back to.
    assert_eq!(send(Push::to_branch(REPOSITORY, "topic", &commit("one"))).await["build"], 6);
    let back = Push::to_branch(REPOSITORY, "main", &commit("one")).after(&commit("two")).forced();
    assert_eq!(send(back).await["build"], 7);
    assert_eq!(state(5).await, "cancelled");
}
