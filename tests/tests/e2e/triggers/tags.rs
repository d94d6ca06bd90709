//! A tag on a commit that is built already: what was built and tested is what gets the tag.

use serde_json::{Value, json};
use slipway_tests::{databases::TestDatabase, forge::Push, house::House, on_both_databases};

on_both_databases!(a_tag_takes_over_what_its_commit_was_made_to,);

/// `web` is other than before each time that it is made; `about` is made to show the tag.
fn captain(house: &House) -> String {
    let image = house.image();
    format!(
        "defaults: {{step_image: \"busybox:latest\"}}\n\
         web:\n  build: Dockerfile\n  image: {image}\n  pre: [cat /proc/sys/kernel/random/uuid > stamp]\n  \
         test: [docker run --rm {image} cat /stamp]\n\
         about:\n  build: Dockerfile.about\n  image: {image}-about\n  build_arg: {{TAG: \"${{SLIPWAY_TAG}}\"}}\n"
    )
}

async fn tag(house: &House, name: &str, commit: &str) -> Value {
    house.git.tag(name, commit);
    let push = Push::of_tag(&house.webhook.repository, name, commit);
    let number = push.delivery().send(&house.webhook).await.expect(202).json()["build"].as_i64().unwrap();
    house.build_in(number, "succeeded").await
}

fn digest<'a>(build: &'a Value, app: &str) -> &'a Value {
    let artifacts = build["artifacts"].as_array().unwrap();
    &artifacts.iter().find(|artifact| artifact["app"] == app).unwrap()["digest"]
}

fn step<'a>(build: &'a Value, kind: &str, app: &str) -> &'a Value {
    let steps = build["attempts"][0]["steps"].as_array().unwrap();
    steps.iter().find(|step| step["kind"] == kind && step["app"] == app).unwrap()
}

async fn said(house: &House, build: &Value, kind: &str) -> String {
    let index = step(build, kind, "web")["index"].as_i64().unwrap();
    house.log(&format!("builds/{}", build["number"]), 1, index).await.join("\n")
}

/// What the test found in the image: a random id.
async fn stamp(house: &House, build: &Value) -> Option<String> {
    let log = said(house, build, "test").await;
    log.lines().find(|line| line.len() == 36 && line.matches('-').count() == 4).map(str::to_owned)
}

async fn a_tag_takes_over_what_its_commit_was_made_to(database: TestDatabase) {
    let house = House::on(database).await;
    let captain = captain(&house);
    let files = [
        ("captain.yml", captain.as_str()),
        ("Dockerfile", "FROM busybox:latest\nCOPY stamp /\n"),
        ("Dockerfile.about", "FROM busybox:latest\nARG TAG\nRUN echo \"$TAG\" > /tag\n"),
    ];
    let commit = house.git.commit("main", &files);
    let number = house.announce("main", &commit).await;
    let one = house.build_in(number, "succeeded").await;
    // The branch goes on before the tag is set.
    let number = house.push("main", &[("README", "more")]).await;
    let two = house.build_in(number, "succeeded").await;
    assert_ne!(digest(&two, "web"), digest(&one, "web"));

    let tagged = tag(&house, "v1.0.0", &commit).await;
    assert_eq!(digest(&tagged, "web"), digest(&one, "web"), "not what is newest, and not another one");
    assert_eq!(step(&tagged, "build", "web")["output"]["unchanged_since"], "1");
    let log = said(&house, &tagged, "build").await;
    assert!(log.contains("not built: build 1 made it of the same commit"), "{log}");
    assert_eq!(stamp(&house, &tagged).await, stamp(&house, &one).await, "the test ran on the same image");
    for name in ["v1.0.0", "1.0.0", "1.0", "1"] {
        assert_eq!(json!(house.pushed(name, &[]).await), *digest(&one, "web"), "{name}");
    }
    assert_ne!(digest(&tagged, "about"), digest(&one, "about"), "what shows the tag is made for it");
    assert_eq!(step(&tagged, "build", "about")["output"]["unchanged_since"], Value::Null);

    // A second tag on the commit.
    assert_eq!(digest(&tag(&house, "v1.0.1", &commit).await, "web"), digest(&one, "web"));
    house.is_tidy(0).await;
}
