//! What an image says of where it comes from.

use serde_json::Value;
use slipway_tests::{build_house::BuildHouse, engine::docker};

/// A Dockerfile that claims to be of another source.
const CLAIMS: &str = "FROM busybox:latest\nCOPY . /app\n\
    LABEL org.opencontainers.image.source=https://elsewhere.example org.opencontainers.image.title=Web \
    org.opencontainers.image.version=9\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_image_names_its_commit_whatever_its_dockerfile_says() {
    let mut house = BuildHouse::new().await;
    let commit = house.commit("web: {build: Dockerfile, image: IMAGE}\n", &[("Dockerfile", CLAIMS)]);
    let build = house.build(&commit).await;
    let [artifact] = build.artifacts() else { panic!("one image") };
    let image = format!("{}@{}", artifact.image, artifact.digest);
    let labels: Value =
        serde_json::from_str(&docker(&["inspect", "-f", "{{json .Config.Labels}}", &image])[0]).unwrap();
    let said = |name: &str| labels[format!("org.opencontainers.image.{name}")].as_str().unwrap_or_default().to_owned();
    let path = house.repository.url().rsplit_once('/').unwrap().1;
    assert_eq!(said("source"), format!("https://127.0.0.1/{path}"), "as a browser is given it");
    assert_eq!(said("revision"), commit);
    assert_eq!((said("title"), said("version")), ("Web".to_owned(), "9".to_owned()));
    assert!(said("created").ends_with('Z'), "{labels}");
    assert_eq!(labels["slipway.source"], house.name());
    // The same commit once more makes the very same image.
    assert_eq!(house.build(&commit).await.artifacts()[0].digest, artifact.digest);
}
