//! The exit codes.

use slipway_tests::working_tree::WorkingTree;

use super::{DOCKERFILE, FILES, HELLO};

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_test() {
    let failing = HELLO.replace("echo testing", "sh -c 'echo wrong; exit 3'");
    let tree = WorkingTree::with(&[("captain.yml", &failing), ("Dockerfile", DOCKERFILE)]);
    let ended = tree.slipway(&["test"]).await.with(5);
    assert!(ended.err.contains("failed: web: test docker run") && ended.err.contains("| wrong"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_pre_or_post() {
    for (command, runs_post) in [("echo preparing", false), ("echo finished", true)] {
        let failing = HELLO.replace(command, "\"false\"");
        let tree = WorkingTree::with(&[("captain.yml", &failing), ("Dockerfile", DOCKERFILE)]);
        let ended = tree.slipway(&["build"]).await.with(1);
        assert!(ended.out.contains("web: build"), "{}", ended.out);
        assert_eq!(!tree.tags(&tree.image("web")).is_empty(), runs_post, "an image after a failing pre");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_image() {
    let tree = WorkingTree::with(&[("captain.yml", HELLO), ("Dockerfile", "FROM busybox:latest\nCOPY missing /\n")]);
    let ended = tree.slipway(&["build"]).await.with(1);
    assert!(ended.err.contains("failed: web: build"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_file() {
    let tree = WorkingTree::with(&[("captain.yml", "web: {build: Dockerfile, imgae: x, psot: []}\n")]);
    for command in ["build", "test", "push", "pull", "purge", "plan"] {
        let ended = tree.slipway(&[command]).await.with(8);
        assert!(ended.err.contains("captain.yml:1:26") && ended.err.contains("\"image\""), "{}", ended.err);
        assert!(ended.err.contains("\"post\""), "every error at once: {}", ended.err);
    }
    let _ = tree.slipway(&["lint"]).await.with(1);
    let found = tree.slipway(&["lint", "--format", "json"]).await.with(1).out;
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found[0]["line"], 1);
    let _ = tree.slipway(&["lint", "missing.yml"]).await.with(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_format() {
    let old = "build:\n  images:\n    Dockerfile: IMAGE/web\ntest:\n  unit:\n    - docker run IMAGE/web echo tested\n";
    let tree = WorkingTree::with(&[("captain.yml", old), ("Dockerfile", "FROM busybox:latest\n")]);
    let ended = tree.slipway(&["build"]).await.with(10);
    assert!(ended.err.contains("lint --fix"), "{}", ended.err);
    let _ = tree.slipway(&["lint"]).await.with(1);
    let _ = tree.slipway(&["lint", "--fix"]).await.well();
    let tested = tree.slipway(&["test"]).await.well().out;
    assert!(tested.contains("| tested"), "{tested}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_build() {
    let tree = WorkingTree::with(&[("README", "")]);
    let _ = tree.slipway(&["build"]).await.with(9);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_away() {
    let tree = WorkingTree::with(&FILES).variable("DOCKER_HOST", "unix:///nowhere.sock");
    let ended = tree.slipway(&["build"]).await.with(1);
    assert!(ended.err.contains("unix:///nowhere.sock: is it running?"), "{}", ended.err);
}
