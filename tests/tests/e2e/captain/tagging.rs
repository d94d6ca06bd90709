//! The names of a working tree's images.

use slipway_tests::working_tree::WorkingTree;

use super::FILES;

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_tree_has_all_its_names() {
    let tree = WorkingTree::with(&FILES);
    let commit = tree.git(&["rev-parse", "HEAD"]);
    tree.git(&["tag", "v1.0"]);
    let ended = tree.slipway(&["build"]).await.well();
    let mut expected = [&commit[..7], "latest", "main", "v1.0"];
    expected.sort_unstable();
    assert_eq!(tree.tags(&tree.image("web")), expected);
    for said in ["web pre | preparing", "web post | finished", "3 done of 3 steps"] {
        assert!(ended.out.contains(said), "{said} in {}", ended.out);
    }
    assert!(!ended.out.contains('\x1b'), "no colours in a pipe");
    assert!(!ended.out.contains("testing"), "build does not test");
}

#[tokio::test(flavor = "multi_thread")]
async fn local_changes_give_latest_only() {
    let tree = WorkingTree::with(&FILES);
    tree.write("new", "");
    let said = tree.slipway(&["build", "-t", "mine"]).await.well().out;
    assert!(said.contains("there are local changes"), "{said}");
    assert_eq!(tree.tags(&tree.image("web")), ["latest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_git_there_is_latest() {
    let tree = WorkingTree::without_git(&FILES);
    let _ = tree.slipway(&["build", "--tag=mine"]).await.well();
    assert_eq!(tree.tags(&tree.image("web")), ["latest", "mine"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_add_names() {
    let tree = WorkingTree::with(&FILES);
    let commit = tree.git(&["rev-parse", "HEAD"]);
    tree.git(&["branch", "other"]);
    let _ = tree.slipway(&["build", "-l", "-B", "-t", "mine"]).await.well();
    let mut expected = [commit.as_str(), "latest", "main", "mine", "other"];
    expected.sort_unstable();
    assert_eq!(tree.tags(&tree.image("web")), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_become_tags() {
    let tree = WorkingTree::with(&FILES);
    tree.git(&["checkout", "--quiet", "-b", "feature/one"]);
    let _ = tree.slipway(&["build"]).await.well();
    assert!(tree.tags(&tree.image("web")).contains(&"feature.one".to_owned()));
    tree.git(&["checkout", "--quiet", "-b", "fix#2"]);
    let _ = tree.slipway(&["build"]).await.well();
    assert!(tree.tags(&tree.image("web")).iter().any(|tag| tag.starts_with("fix.2-")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_commit_has_no_branch() {
    let tree = WorkingTree::with(&FILES);
    let first = tree.git(&["rev-parse", "HEAD"]);
    tree.commit();
    tree.git(&["checkout", "--quiet", &first]);
    let _ = tree.slipway(&["build"]).await.well();
    let mut expected = [&first[..7], "latest"];
    expected.sort_unstable();
    assert_eq!(tree.tags(&tree.image("web")), expected);
}
