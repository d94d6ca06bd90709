//! The line of the talk, verbatim.

use slipway_tests::{engine::docker, working_tree::WorkingTree};

use super::DOCKERFILE;

const TALK: &str = r#"defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE/web
  pre:
    - docker run -it --rm -v ~/.m2:/root/.m2 -v "$PWD":/app -w /app maven:3.3.3 mvn clean install
"#;
const MVN: &str = "#!/bin/sh\necho \"mvn $* in $PWD\"\necho packaged > target.txt\necho run >> /root/.m2/repository\nwc -l < /root/.m2/repository\n";

/// A stand-in for Maven's image, under the name that the line has; removed when dropped.
struct Maven;

impl Drop for Maven {
    fn drop(&mut self) {
        drop(std::process::Command::new("docker").args(["rmi", "--force", "maven:3.3.3"]).output());
    }
}

fn maven(tree: &WorkingTree) -> Maven {
    let folder = tree.home().join("maven");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("mvn"), MVN).unwrap();
    std::fs::set_permissions(folder.join("mvn"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(folder.join("Dockerfile"), "FROM busybox:latest\nCOPY mvn /bin/mvn\n").unwrap();
    let built = std::process::Command::new("docker")
        .args(["build", "--quiet", "--tag", "maven:3.3.3"])
        .arg(&folder)
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Maven
}

#[tokio::test(flavor = "multi_thread")]
async fn the_talks_line_runs_verbatim_with_a_cache_and_the_workspace() {
    let tree = WorkingTree::with(&[("captain.yml", TALK), ("Dockerfile", DOCKERFILE), (".gitignore", "target.txt\n")]);
    let _maven = maven(&tree);
    let first = tree.slipway(&["build"]).await.well().out;
    assert!(first.contains("web pre | mvn clean install in /app") && first.contains("web pre | 1\n"), "{first}");
    assert_eq!(tree.read("target.txt"), "packaged\n", "it worked in the tree");
    let second = tree.slipway(&["build", "-f"]).await.well().out;
    assert!(second.contains("web pre | 2\n"), "~/.m2 is a cache that stays: {second}");
    assert!(!tree.home().join(".m2").exists(), "and nothing of the home");
    let label = format!("label=slipway.repository=shop/{}", tree.namespace());
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &label]), [""; 0]);
}
