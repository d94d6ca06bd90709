//! Which file is read, and in which order.

use serde_json::Value;
use slipway_tests::working_tree::WorkingTree;

use super::FILES;

const TWO: &str = "zebra: {build: z/Dockerfile, image: IMAGE/zebra}\napple: {build: Dockerfile, image: IMAGE/apple}\n";

async fn plan(tree: &WorkingTree, arguments: &[&str]) -> Value {
    let mut all = vec!["plan", "--json"];
    all.extend_from_slice(arguments);
    serde_json::from_str(&tree.slipway(&all).await.well().out).unwrap()
}

fn built(plan: &Value) -> Vec<&str> {
    let steps = plan["steps"].as_array().unwrap();
    let builds = steps.iter().filter(|step| step["action"]["action"] == "build");
    builds.map(|step| step["app"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_are_planned_in_the_order_of_the_file() {
    let tree = WorkingTree::with(&[("captain.yml", TWO)]);
    assert_eq!(built(&plan(&tree, &[]).await), ["zebra", "apple"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_context_is_the_dockerfiles_folder() {
    let tree = WorkingTree::with(&[("captain.yml", TWO)]);
    let plan = plan(&tree, &[]).await;
    let contexts: Vec<_> =
        plan["steps"].as_array().unwrap().iter().filter_map(|step| step["action"]["context"].as_str()).collect();
    assert_eq!(contexts, ["z", "."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_app_may_be_asked_for() {
    let tree = WorkingTree::with(&[("captain.yml", TWO)]);
    assert_eq!(built(&plan(&tree, &["apple"]).await), ["apple"]);
    let ended = tree.slipway(&["build", "aple"]).await.with(2);
    assert!(ended.err.contains("apple"), "the nearest name: {}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_that_of_the_folder_or_of_the_repository() {
    let tree = WorkingTree::with(&FILES);
    tree.write("deep/er/README", "");
    tree.write("own/captain.yml", "inner: {build: Dockerfile, image: IMAGE/inner}\n");
    let apps = async |folder: &str| {
        let plan = tree.slipway_in(folder, &["plan", "--json"]).await.well().out;
        built(&serde_json::from_str(&plan).unwrap()).join(" ")
    };
    assert_eq!(apps("deep/er").await, "web");
    assert_eq!(apps("own").await, "inner");
}
