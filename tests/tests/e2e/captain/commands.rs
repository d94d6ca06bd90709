//! The command line itself.

use std::time::Duration;

use slipway_tests::{engine::docker, wait::until, working_tree::WorkingTree};

use super::{DOCKERFILE, FILES, HELLO};

#[tokio::test(flavor = "multi_thread")]
async fn version() {
    let tree = WorkingTree::without_git(&[]);
    assert_eq!(tree.slipway(&["version"]).await.well().out, format!("v{}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test(flavor = "multi_thread")]
async fn self_update() {
    let ended = WorkingTree::without_git(&[]).slipway(&["self-update"]).await.with(1);
    assert!(ended.err.contains("does not replace itself"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_may_stand_before_the_command() {
    let tree = WorkingTree::with(&[("Dockerfile", "")]);
    let after = tree.slipway(&["detect", "--namespace", "shop"]).await.well().out;
    for before in [&["-N", "shop", "detect"][..], &["--namespace=shop", "-n", "-l", "-D=true", "detect"]] {
        assert_eq!(tree.slipway(before).await.well().out, after);
    }
    let _ = tree.slipway(&["-N", "shop", "token", "list"]).await.with(2);
    let _ = tree.slipway(&["build", "--frce"]).await.with(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_may_be_bundled() {
    let tree = WorkingTree::with(&FILES);
    tree.git(&["branch", "other"]);
    let _ = tree.slipway(&["build", "-fB"]).await.well();
    assert!(tree.tags(&tree.image("web")).contains(&"other".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_tells_what_is_sent() {
    let tree = WorkingTree::with(&FILES);
    let out = tree.slipway(&["build", "-D"]).await.well().out;
    assert!(out.contains("debug: web step 2: build Dockerfile in ."), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_printed() {
    let out = WorkingTree::without_git(&[]).slipway(&["schema"]).await.well().out;
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(schema["$schema"].is_string(), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_come_from_the_environment_or_a_file() {
    let with_secret = HELLO.replace("pre: [echo preparing]", "pre: [{run: 'echo $TOKEN-end', secrets: [TOKEN]}]");
    let tree = WorkingTree::with(&[("captain.yml", &with_secret), ("Dockerfile", DOCKERFILE)]);
    let missing = tree.slipway(&["build"]).await.with(1);
    assert!(missing.err.contains("not set: TOKEN"), "{}", missing.err);
    std::fs::write(tree.home().join("token"), "from-a-file\n").unwrap();
    let from = format!("TOKEN={}", tree.home().join("token").display());
    let told = tree.slipway(&["build", "-f", "--secret", &from]).await.well().out;
    assert!(!told.contains("from-a-file") && told.contains("-end"), "masked: {told}");
    let tree = tree.variable("TOKEN", "from-a-variable");
    let _ = tree.slipway(&["build", "-f"]).await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_cleans_up() {
    let slow = HELLO.replace("echo preparing", "echo begun; sleep 600");
    let tree = WorkingTree::with(&[("captain.yml", &slow), ("Dockerfile", DOCKERFILE)]);
    let label = format!("label=slipway.repository=shop/{}", tree.namespace());
    let running = || docker(&["ps", "--all", "--quiet", "--filter", &label]);
    let child = tree.command(".", &["build"]).spawn().unwrap();
    until("a running step", Duration::from_secs(60), async || (!running().is_empty()).then_some(())).await;
    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ended = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(running(), [""; 0]);
    let networks = docker(&["network", "ls", "--quiet", "--filter", &label]);
    assert_eq!(networks, [""; 0]);
}
