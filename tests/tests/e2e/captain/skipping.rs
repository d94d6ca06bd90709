//! Images that are there already.

use slipway_tests::working_tree::WorkingTree;

use super::FILES;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_built_is_not_built_again() {
    let tree = WorkingTree::with(&FILES);
    let _ = tree.slipway(&["build"]).await.well();
    tree.git(&["checkout", "--quiet", "-b", "other"]);
    let again = tree.slipway(&["test"]).await.well().out;
    assert!(again.contains("is already built; -f builds it again") && !again.contains("web pre |"), "{again}");
    assert!(again.contains("web post | finished") && again.contains("web test | testing"), "{again}");
    assert!(tree.tags(&tree.image("web")).contains(&"other".to_owned()), "the new branch is named, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn force_builds_again() {
    let tree = WorkingTree::with(&FILES);
    let _ = tree.slipway(&["build"]).await.well();
    let again = tree.slipway(&["build", "--force"]).await.well().out;
    assert!(again.contains("web pre | preparing") && !again.contains("already built"), "{again}");
    assert!(!again.contains("COPY captain.yml / CACHED"), "{again}");
}
