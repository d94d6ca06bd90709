//! Repositories without a captain.yml.

use slipway_tests::working_tree::WorkingTree;

const FILES: [(&str, &str); 6] = [
    ("Dockerfile", ""),
    ("Web/Dockerfile", ""),
    ("Web/Dockerfile.Test", ""),
    ("Dockerfile.dockerignore", ""),
    ("target/Dockerfile", ""),
    (".gitignore", "target\n"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_dockerfile_is_an_app_named_as_captain_names_it() {
    let tree = WorkingTree::with(&FILES);
    let expected = "ada/hello:\n  build: Dockerfile\n  image: ada/hello\n\
                    ada/web:\n  build: Web/Dockerfile\n  image: ada/web\n\
                    ada/web.test:\n  build: Web/Dockerfile.Test\n  image: ada/web.test\n";
    assert_eq!(tree.slipway(&["detect"]).await.well().out, expected);
    let plain = WorkingTree::without_git(&FILES[..3]);
    assert_eq!(plain.slipway(&["detect"]).await.well().out, expected, "without git as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_namespace_may_be_set() {
    let tree = WorkingTree::with(&FILES[..1]);
    for namespace in ["127.0.0.1:5000/shop", "127.0.0.1:5000/shop/"] {
        let out = tree.slipway(&["detect", "-N", namespace]).await.well().out;
        assert_eq!(out, "shop/hello:\n  build: Dockerfile\n  image: \"127.0.0.1:5000/shop/hello\"\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_detected_can_be_written_once() {
    let tree = WorkingTree::with(&FILES[..3]);
    let printed = tree.slipway(&["detect"]).await.well().out;
    let _ = tree.slipway(&["detect", "--write"]).await.well();
    assert_eq!(tree.read("captain.yml"), printed);
    let _ = tree.slipway(&["lint"]).await.well();
    let again = tree.slipway(&["detect", "--write"]).await.with(1);
    assert!(again.err.contains("there is a captain.yml already"), "{}", again.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_detected_is_built() {
    let tree = WorkingTree::with(&[("Dockerfile", "FROM busybox:latest\nCOPY Dockerfile /\n")]);
    let namespace = tree.namespace().to_owned();
    let _ = tree.slipway(&["-N", &namespace, "build"]).await.well();
    assert_eq!(tree.tags(&tree.image("hello")).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_without_a_file_is_looked_through_all_the_same() {
    let tree = WorkingTree::with(&FILES[..1]);
    let said = tree.slipway(&["lint"]).await.well().out;
    assert_eq!(said, "no captain.yml; its Dockerfiles can be planned\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tree_changed_counts_for_the_branch_that_is_checked_out() {
    let tree = WorkingTree::with(&[
        ("captain.yml", "web:\n  image: shop/web\n  when: {paths: [web/**]}\n"),
        ("Dockerfile", ""),
        ("web/a", ""),
    ]);
    tree.write("docs", "changed");
    let _ = tree.commit();
    let here = tree.slipway(&["plan"]).await.well().out;
    assert!(here.contains("changed since") && here.contains("○ build shop/web"), "{here}");
    let tag = tree.slipway(&["plan", "--tag", "v1"]).await.well().out;
    assert!(tag.contains("what changed is not known") && tag.contains("● build shop/web"), "{tag}");
    let _ = tree.slipway(&["plan", "shop"]).await.with(2);
    tree.write("captain.yml", "a:\n  image: shop/web\nb:\n  image: shop/web\n");
    let _ = tree.slipway(&["plan"]).await.with(8);
}
