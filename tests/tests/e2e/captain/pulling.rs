//! Pulling.

use slipway_tests::{engine::docker, registry::RegistryFixture, working_tree::WorkingTree};

use super::{FILES, HELLO};

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_chosen() {
    let registry = RegistryFixture::open().await;
    let tree = WorkingTree::with(&FILES);
    let own = registry.image(tree.namespace());
    tree.write("captain.yml", &HELLO.replace("IMAGE", &own));
    let commit = tree.commit();
    let image = format!("{own}/web");
    let _ = tree.slipway(&["push", "-c"]).await.well();
    let commit = &commit[..7];
    let forget = || {
        let names: Vec<String> = tree.tags(&image).iter().map(|tag| format!("{image}:{tag}")).collect();
        let mut arguments = vec!["rmi", "--force"];
        arguments.extend(names.iter().map(String::as_str));
        drop(docker(&arguments));
    };

    forget();
    let said = tree.slipway(&["pull"]).await.well().out;
    assert_eq!(tree.tags(&image), ["latest", "main"], "{said}");
    forget();
    let _ = tree.slipway(&["pull", "-b=false", "-c", "web"]).await.well();
    let mut expected = [commit, "latest"];
    expected.sort_unstable();
    assert_eq!(tree.tags(&image), expected);
    let missing = tree.slipway(&["pull", "-t", "missing"]).await.with(4);
    assert!(missing.err.contains(":missing"), "{}", missing.err);
}
