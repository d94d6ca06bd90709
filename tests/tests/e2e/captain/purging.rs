//! Purging.

use slipway_tests::{engine::docker, working_tree::WorkingTree};

use super::FILES;

#[tokio::test(flavor = "multi_thread")]
async fn stale_names_go() {
    let tree = WorkingTree::with(&FILES);
    let image = tree.image("web");
    let first = tree.git(&["rev-parse", "HEAD"]);
    let _ = tree.slipway(&["build", "-t", "old"]).await.well();
    tree.git(&["branch", "other"]);
    let _ = tree.slipway(&["build", "-B"]).await.well();
    let second = tree.commit();
    let _ = tree.slipway(&["build"]).await.well();
    let tagged = tree.commit();
    tree.git(&["tag", "-a", "v1.0.0", "-m", "first"]);
    let _ = tree.slipway(&["build"]).await.well();
    let last = tree.commit();
    let _ = tree.slipway(&["build"]).await.well();

    let said = tree.slipway(&["purge"]).await.well().out;
    let mut kept = [&first[..7], &tagged[..7], &last[..7], "latest", "main", "other", "v1.0.0"];
    kept.sort_unstable();
    assert_eq!(tree.tags(&image), kept, "{said}");
    let mut deleted =
        [format!("[slipway] deleting {image}:{}", &second[..7]), format!("[slipway] deleting {image}:old")];
    deleted.sort_unstable();
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn dangling_images_go() {
    let tree = WorkingTree::with(&FILES);
    let _ = tree.slipway(&["build"]).await.well();
    let id = docker(&["images", "--quiet", "--no-trunc", &tree.image("web")]).remove(0);
    tree.write("captain.yml", &format!("{}# changed\n", tree.read("captain.yml")));
    for tag in tree.tags(&tree.image("web")).iter().filter(|tag| *tag != "latest") {
        drop(docker(&["rmi", &format!("{}:{tag}", tree.image("web"))]));
    }
    let _ = tree.slipway(&["build"]).await.well();
    let there = || docker(&["images", "--all", "--quiet", "--no-trunc"]).contains(&id);
    assert!(there());
    let _ = tree.slipway(&["purge", "-d"]).await.well();
    assert!(!there());
}
