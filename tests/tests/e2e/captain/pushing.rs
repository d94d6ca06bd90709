//! Pushing.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use slipway_runner::registry::Registry;
use slipway_tests::{
    registry::{PASSWORD, RegistryFixture, USERNAME},
    working_tree::WorkingTree,
};

use super::{FILES, HELLO};

/// A repository whose image lies in the registry, and the image's name.
fn with(registry: &RegistryFixture, more: &str) -> (WorkingTree, String) {
    let tree = WorkingTree::with(&FILES);
    let own = registry.image(tree.namespace());
    tree.write("captain.yml", &format!("{}{more}", HELLO.replace("IMAGE", &own)));
    tree.commit();
    let image = format!("{own}/web");
    (tree, image)
}

async fn held(registry: &RegistryFixture, image: &str, tags: &[&str]) -> Vec<bool> {
    let asked = Registry::new(&registry.credentials());
    let mut held = Vec::new();
    for tag in tags {
        held.push(asked.digest(&format!("{image}:{tag}")).await.unwrap().is_some());
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_may_not_be_pushed() {
    let plain = WorkingTree::without_git(&FILES);
    let _ = plain.slipway(&["push"]).await.with(6);
    let tree = WorkingTree::with(&FILES);
    tree.write("new", "");
    let _ = tree.slipway(&["push"]).await.with(7);
    assert_eq!(tree.tags(&tree.image("web")), [""; 0], "nothing was built");
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_come_first() {
    let registry = RegistryFixture::open().await;
    let (tree, image) = with(&registry, "");
    tree.write("captain.yml", &tree.read("captain.yml").replace("echo testing", "\"false\""));
    tree.commit();
    let _ = tree.slipway(&["push"]).await.with(5);
    assert_eq!(held(&registry, &image, &["latest"]).await, [false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_chosen() {
    let registry = RegistryFixture::open().await;
    let (tree, image) = with(&registry, "");
    tree.git(&["checkout", "--quiet", "-b", "feature/one"]);
    let commit = tree.git(&["rev-parse", "--short=7", "HEAD"]);
    let all = [commit.as_str(), "latest", "feature.one", "v1", "mine"];
    tree.git(&["tag", "v1"]);

    let _ = tree.slipway(&["push", "-b=false"]).await.well();
    assert_eq!(held(&registry, &image, &all).await, [false, true, false, false, false]);
    let _ = tree.slipway(&["push"]).await.well();
    assert_eq!(held(&registry, &image, &all).await, [false, true, true, true, false]);
    let _ = tree.slipway(&["push", "-c", "-t", "mine"]).await.well();
    assert_eq!(held(&registry, &image, &all).await, [true; 5]);

    let (tree, image) = with(&registry, "  tags: [semver]\n");
    tree.git(&["checkout", "--quiet", "--detach"]);
    tree.git(&["branch", "--quiet", "-D", "main"]);
    tree.git(&["tag", "v1.2.3"]);
    let _ = tree.slipway(&["push"]).await.well();
    assert_eq!(held(&registry, &image, &["v1.2.3", "1.2", "latest"]).await, [true, true, false], "its own tags");
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_dockers() {
    let registry = RegistryFixture::protected().await;
    let (tree, image) = with(&registry, "");
    let refused = tree.slipway(&["push"]).await.with(4);
    assert!(refused.err.contains(&registry.host()), "{}", refused.err);

    let login = STANDARD.encode(format!("{USERNAME}:{PASSWORD}"));
    let file = serde_json::json!({"auths": {registry.host(): {"auth": login}}}).to_string();
    std::fs::create_dir_all(tree.home().join(".docker")).unwrap();
    std::fs::write(tree.home().join(".docker/config.json"), file).unwrap();
    let _ = tree.slipway(&["push"]).await.well();
    assert_eq!(held(&registry, &image, &["latest", "main"]).await, [true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_may_come_from_a_helper() {
    let registry = RegistryFixture::protected().await;
    let (tree, image) = with(&registry, "");
    let programs = tree.home().join("bin");
    std::fs::create_dir_all(&programs).unwrap();
    let answer = serde_json::json!({"ServerURL": registry.host(), "Username": USERNAME, "Secret": PASSWORD});
    let helper = programs.join("docker-credential-test");
    std::fs::write(&helper, format!("#!/bin/sh\n[ \"$1 $(cat)\" = 'get {}' ] && echo '{answer}'\n", registry.host()))
        .unwrap();
    std::fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let file = serde_json::json!({"credHelpers": {registry.host(): "test"}}).to_string();
    std::fs::write(tree.home().join("config.json"), file).unwrap();

    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display());
    let home = tree.home().display().to_string();
    let tree = tree.variable("PATH", &path).variable("DOCKER_CONFIG", &home);
    let _ = tree.slipway(&["push"]).await.well();
    assert_eq!(held(&registry, &image, &["latest"]).await, [true]);
}
