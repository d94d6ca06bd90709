//! An image whose inputs are unchanged is not built again: it gets its new tags by its manifest.

use std::collections::BTreeSet;

use serde_json::Value;
use slipway_runner::registry::Registry;
use slipway_tests::{engine::docker, house::House};

use crate::crash::gates::opened;

const APPS: usize = 6;

/// Apps beside each other, of which the last builds on the first, and the second is run by a test.
fn captain(house: &House) -> String {
    let app = |at: usize| format!("app{at}:\n  build: app{at}/Dockerfile\n  image: {}-{at}\n", house.image());
    let mut captain = String::from("defaults: {step_image: busybox:latest}\n");
    for at in 0..APPS {
        captain.push_str(&app(at));
        if at == 1 {
            captain.push_str(&format!("  test: [docker run --rm {}-1 cat /main]\n", house.image()));
        }
    }
    captain
}

async fn first(house: &House) -> i64 {
    let captain = captain(house);
    let mut files = vec![("captain.yml".to_owned(), captain)];
    for at in 0..APPS {
        let base = if at == APPS - 1 { format!("{}-0", house.image()) } else { "busybox:latest".to_owned() };
        files.push((format!("app{at}/Dockerfile"), format!("FROM {base}\nCOPY main /main\n")));
        files.push((format!("app{at}/main"), format!("first {at}\n")));
    }
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    house.push("main", &files).await
}

/// The apps that a build built.
fn built(build: &Value) -> BTreeSet<&str> {
    let steps = build["attempts"][0]["steps"].as_array().unwrap().iter();
    let built = steps.filter(|step| step["kind"] == "build" && step["output"]["unchanged_since"].is_null());
    built.map(|step| step["app"].as_str().unwrap()).collect()
}

fn artifact<'a>(build: &'a Value, app: &str) -> &'a Value {
    build["artifacts"].as_array().unwrap().iter().find(|artifact| artifact["app"] == app).unwrap()
}

/// The registry holds every app's image under every tag of the build.
async fn is_tagged(build: &Value) {
    let registry = Registry::new(&[]);
    for artifact in build["artifacts"].as_array().unwrap() {
        for tag in artifact["tags"].as_array().unwrap() {
            let name = format!("{}:{}", artifact["image"].as_str().unwrap(), tag.as_str().unwrap());
            assert_eq!(registry.digest(&name).await.unwrap().as_deref(), artifact["digest"].as_str(), "{name}");
        }
    }
}

async fn log(house: &House, build: &Value, kind: &str, app: &str) -> String {
    let steps = build["attempts"][0]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["kind"] == kind && step["app"] == app).unwrap();
    let path = format!("builds/{}", build["number"]);
    house.log(&path, 1, step["index"].as_i64().unwrap()).await.join("\n")
}

#[tokio::test]
async fn one_changed_file_builds_one_app_and_what_builds_on_it() {
    let house = House::open().await;
    let number = first(&house).await;
    let one = house.build_in(number, "succeeded").await;
    assert_eq!(built(&one).len(), APPS, "everything is new");

    // 1. One app has changed.
    let number = house.push("main", &[("app2/main", "second")]).await;
    let two = house.build_in(number, "succeeded").await;
    assert_eq!(built(&two), BTreeSet::from(["app2"]));
    assert_ne!(artifact(&two, "app2")["digest"], artifact(&one, "app2")["digest"]);
    assert_eq!(artifact(&two, "app3")["digest"], artifact(&one, "app3")["digest"]);
    let said = log(&house, &two, "build", "app3").await;
    assert!(said.contains("nothing that the image is made of has changed since build 1"), "{said}");
    is_tagged(&two).await;
    let tested = log(&house, &two, "test", "app1").await;
    assert!(tested.contains("first 1"), "the test runs on the image that was taken over: {tested}");

    // 2. The one on which another builds has changed.
    let number = house.push("main", &[("app0/main", "third")]).await;
    let three = house.build_in(number, "succeeded").await;
    assert_eq!(built(&three), BTreeSet::from(["app0", "app5"]));
    is_tagged(&three).await;

    // 3. Nothing has changed that an image is made of, and the engine has lost the image that the test runs.
    let of_app = docker(&["images", "-q", "--no-trunc", &format!("{}-1", house.image())]);
    drop(docker(&[&["rmi", "-f"], of_app.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat()));
    let number = house.push("main", &[("README", "fourth")]).await;
    let four = house.build_in(number, "succeeded").await;
    assert_eq!(built(&four), BTreeSet::new());
    let said = log(&house, &four, "build", "app1").await;
    assert!(said.contains("pulling "), "{said}");
    is_tagged(&four).await;
    house.is_tidy(0).await;
}

#[tokio::test]
async fn an_image_that_was_taken_over_is_taken_up_after_a_restart() {
    let mut house = House::open().await;
    let image = house.image();
    let wait = format!("docker run --rm -v \"$PWD\":/w {image} sh -c 'until test -e /w/open-test; do sleep 0.1; done'");
    let captain = format!("web:\n  build: app/Dockerfile\n  image: {image}\n  test:\n    - {wait}\n");
    let dockerfile = format!("FROM busybox:latest\nCOPY main /main\n# {image}\n");
    let files = [("captain.yml", captain.as_str()), ("app/Dockerfile", &dockerfile), ("app/main", "first")];
    let number = house.push("main", &files).await;
    let one = opened(&house, None, house.build_in(number, "succeeded")).await;

    let number = house.push("main", &[("README", "second")]).await;
    house.step_runs(number, "test", "").await;
    house.slipway.kill().await;
    house.slipway.restart().await;
    let two = opened(&house, None, house.build_in(number, "succeeded")).await;
    assert_eq!(two["attempts"].as_array().unwrap().len(), 1, "{two:#}");
    assert_eq!(built(&two), BTreeSet::new());
    assert_eq!(artifact(&two, "web")["digest"], artifact(&one, "web")["digest"]);
    is_tagged(&two).await;
    house.is_tidy(0).await;
}
