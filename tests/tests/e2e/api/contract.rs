//! Whether the server does what its document says, by schemathesis, which knows nothing but the document.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use crate::dashboard::scene::Scene;

/// What it looks for. That what fits the document is taken is not among it: the document cannot say which names there are.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
    negative_data_rejection,missing_required_header,unsupported_method,allow_header_conformance,ignored_auth";

#[tokio::test]
async fn the_server_does_what_its_document_says() {
    let schemathesis = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/schemathesis");
    assert!(schemathesis.exists(), "scripts/setup test installs schemathesis");
    let scene = Scene::closed().await;
    scene.ship(1, "Basket").await;
    scene.ship(2, "Checkout").await;
    scene.promote("staging").await;
    scene.roll_out().await;
    scene.push("topic", 3, "Search").await;
    scene.ping().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("schemathesis.toml");
    std::fs::write(&config, config_of(&first_delivery(&scene).await)).unwrap();
    let run = Command::new(&schemathesis)
        .current_dir(folder.path())
        .arg("--config-file")
        .arg(&config)
        .args([
            "run",
            &scene.url("/api/v1/openapi.json"),
            "--header",
            &format!("Authorization: Bearer {}", scene.token()),
        ])
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "12", "--seed", "1"])
        .args(["--no-shrink", "--request-timeout", "30", "--continue-on-failure"])
        // It would take its own token away, or what all others look at.
        .args(["--exclude-operation-id", "revokeToken", "--exclude-operation-id", "disconnectRepository"])
        // It waits for a runner, and there is none that answers.
        .args(["--exclude-operation-id", "getContainerLog"])
        .output();
    let run = run.await.unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("generated,"), "it tried nothing: {said}");
    scene.stop().await;
}

async fn first_delivery(scene: &Scene) -> String {
    let asked = crate::dashboard::scene::client().get(scene.url("/api/v1/deliveries")).bearer_auth(scene.token());
    let found: Value = asked.send().await.unwrap().json().await.unwrap();
    found["items"][0]["id"].as_str().unwrap().to_owned()
}

/// Names of what is there, so that it gets past "there is no such thing".
fn config_of(delivery: &str) -> String {
    format!(
        r#"
[parameters]
"path.owner" = "acme"
"path.environment" = "dev"
"path.number" = 1
"path.index" = 1
"path.secret" = "TOKEN"
"path.host" = "registry.example.com"

[[operations]]
include-path-regex = "/repositories/"
parameters = {{ "path.name" = "shop" }}

[[operations]]
include-path-regex = "/runners/"
parameters = {{ "path.name" = "embedded" }}

[[operations]]
include-path-regex = "/(channels|forges)/"
parameters = {{ "path.name" = "ops" }}

[[operations]]
include-path-regex = "/deliveries/"
parameters = {{ "path.id" = "{delivery}" }}
"#
    )
}
