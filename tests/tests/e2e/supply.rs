//! What an image says of where it comes from, and who says so.

use std::{path::Path, process::Command};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use serde_json::{Value, json};
use slipway_tests::{
    api::http_client,
    build_house::BuildHouse,
    engine::docker,
    house::{House, LONG},
    images::web_app,
    wait::until,
};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_base_is_what_its_registry_has_and_not_what_the_engine_was_made_to_believe() {
    let mut house = BuildHouse::new().await;
    let base = format!("{}:1", house.image("base"));
    docker(&["tag", "busybox:latest", &base]);
    docker(&["push", &base]);
    let digest = house.pushed(&base).await.unwrap();
    // Somebody gives the engine another image under the name: one with the file that must not be there.
    let planted = house.build(&house.commit("web: {build: Dockerfile, image: IMAGE}\n", &[])).await;
    let planted = &planted.artifacts()[0];
    docker(&["tag", &format!("{}@{}", planted.image, planted.digest), &base]);
    let dockerfile = format!("FROM {base}\nRUN test ! -e /app/captain.yml\n");
    let captain = "web: {build: Dockerfile, image: IMAGE, pin: true}\n";
    let build = house.build(&house.commit(captain, &[("Dockerfile", &dockerfile)])).await;
    assert_eq!(build.artifacts().len(), 1);
    let log = build.step("build ").text();
    assert!(log.contains(&format!("{base} is pinned to {digest}")), "{log}");
    let missing = format!("FROM {}:2\n", house.image("base"));
    let build = house.build(&house.commit(captain, &[("Dockerfile", &missing)])).await;
    assert!(build.failure().contains("cannot be pinned: no registry has"), "{}", build.failure());
    let _ = docker(&["rmi", &base]);
    // Busybox itself was pushed under that name, and must not keep it: other tests look at what the engine has.
    let pushed = format!("{}@{digest}", house.image("base"));
    let _ = std::process::Command::new("docker").args(["rmi", &pushed]).output();
}

/// The version of an app that answers on dev.localhost.
async fn push(house: &House, version: &str) -> i64 {
    let image = house.image();
    let captain = format!(
        "web:\n  build: Dockerfile\n  image: {image}\n  attest: [provenance, sbom]\n  release: {{port: 8080, health: {{http: /health, interval: 100ms}}}}\n\
         environments:\n  dev: {{from: {{branch: main}}, apps: {{web: {{domain: dev.localhost}}}}}}\n"
    );
    let mut files = web_app(version, true);
    files.push(("captain.yml", captain));
    files[0].1.insert_str("FROM busybox:latest\n".len(), "COPY installed /lib/apk/db/\n");
    files.push(("installed", "P:musl\nV:1.2.5-r0\nA:x86_64\n".to_owned()));
    files.push((".dockerignore", "captain.yml\nnotes\n".to_owned()));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    house.push("main", &files).await
}

/// What the registry has under a name below the repository of the image, as any client gets it.
async fn fetch(house: &House, what: &str) -> Vec<u8> {
    let url = format!("http://{}/v2/shop/web/{what}", house.registry.host());
    let kinds = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
    let answer = http_client().get(&url).header("accept", kinds).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{url}");
    answer.bytes().await.unwrap().to_vec()
}

async fn manifest(house: &House, reference: &str) -> Value {
    serde_json::from_slice(&fetch(house, &format!("manifests/{reference}")).await).unwrap()
}

async fn layer(house: &House, manifest: &Value) -> Vec<u8> {
    fetch(house, &format!("blobs/{}", manifest["layers"][0]["digest"].as_str().unwrap())).await
}

/// Whether OpenSSL, which knows nothing of Slipway, takes a signature for the key's.
fn openssl_verifies(key: &str, text: &[u8], signature: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        std::fs::write(folder.path().join(name), content).unwrap();
        folder.path().join(name)
    };
    let (key, text) = (file("key.pem", key.as_bytes()), file("text", text));
    let signature = file("signature", &BASE64.decode(signature).unwrap());
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-verify"]).arg(key).arg("-signature").arg(signature).arg(text);
    openssl.output().unwrap().status.success()
}

/// The file of a public key that OpenSSL made.
fn another_key(folder: &Path) -> String {
    let (private, public) = (folder.join("key"), folder.join("key.pub").display().to_string());
    let run = |arguments: &[&str], file: &Path, out: &str| {
        let mut openssl = Command::new("openssl");
        assert!(openssl.args(arguments).arg(file).args(["-out", out]).output().unwrap().status.success());
    };
    let made = private.display().to_string();
    run(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-rand"], Path::new("/dev/urandom"), &made);
    run(&["ec", "-pubout", "-in"], &private, &public);
    public
}

async fn command(house: &House, arguments: &[&str]) -> String {
    let output = house.slipway.command(arguments, "").await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn what_is_pushed_says_where_it_comes_from_is_signed_and_goes_live_only_so() {
    let house = House::open().await;
    let repository = house.webhook.repository.as_str();
    // 1. Without a key an image has its provenance, and goes live.
    let first = house.build_in(push(&house, "one").await, "succeeded").await;
    house.live("dev", 1).await;
    let artifact = &first["artifacts"][0];
    let digest = artifact["digest"].as_str().unwrap();
    let attached = artifact["attached"].as_object().unwrap();
    assert_eq!(attached.keys().collect::<Vec<_>>(), ["provenance", "sbom"]);
    let referrers = manifest(&house, &digest.replace(':', "-")).await;
    assert_eq!(referrers["manifests"][0]["digest"], attached["provenance"]);
    assert_eq!(referrers["manifests"][0]["artifactType"], "application/vnd.in-toto+json");
    let attachment = manifest(&house, attached["provenance"].as_str().unwrap()).await;
    assert_eq!(attachment["subject"]["digest"], digest);
    let statement: Value = serde_json::from_slice(&layer(&house, &attachment).await).unwrap();
    assert_eq!(statement["subject"][0]["digest"]["sha256"], digest.trim_start_matches("sha256:"));
    let made = &statement["predicate"]["buildDefinition"];
    assert_eq!(made["resolvedDependencies"][0]["digest"]["gitCommit"], first["commit"]);
    assert_eq!(made["resolvedDependencies"][1]["uri"], "docker://busybox:latest");
    assert_eq!(made["externalParameters"]["dockerfile"], "Dockerfile");
    let run = &statement["predicate"]["runDetails"];
    let page = run["metadata"]["invocationId"].as_str().unwrap();
    assert!(page.ends_with(&format!("/repositories/{repository}/builds/1")), "{page}");

    let attachment = manifest(&house, attached["sbom"].as_str().unwrap()).await;
    assert_eq!(
        (&attachment["artifactType"], &attachment["subject"]["digest"]),
        (&json!("application/spdx+json"), &json!(digest))
    );
    let contents: Value = serde_json::from_slice(&layer(&house, &attachment).await).unwrap();
    assert_eq!(contents["packages"][1]["externalRefs"][0]["referenceLocator"], "pkg:apk/apk/musl@1.2.5-r0?arch=x86_64");

    // 2. With a key it is signed as well, and that is asked for from then on.
    let refused = house.slipway.command(&["protect", repository, "dev", "--signed-by", "server"], "").await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("slipway signing create"), "there is no key yet");
    let key = command(&house, &["signing", "create"]).await;
    command(&house, &["protect", repository, "dev", "--signed-by", "server"]).await;
    let second = house.build_in(push(&house, "two").await, "succeeded").await;
    house.live("dev", 2).await;
    let signed = second["artifacts"][0]["digest"].as_str().unwrap();
    let signatures = manifest(&house, &format!("{}.sig", signed.replace(':', "-"))).await;
    let payload = layer(&house, &signatures).await;
    let signature = signatures["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap();
    assert!(openssl_verifies(&key, &payload, signature));
    assert!(!openssl_verifies(&key, &[&payload[..], b" "].concat(), signature));
    let said: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(said["critical"]["image"]["docker-manifest-digest"], signed);

    // 3. What is not signed is refused before anything is touched, also on the way back.
    let rollbacks = format!("/api/v1/repositories/{repository}/environments/dev/rollbacks");
    house.slipway.api().post(&rollbacks, &json!({})).await.expect(202);
    let failed = until("the rollback to be refused", LONG, async || {
        house.release("dev", 3).await.filter(|release| release["state"] == "failed")
    })
    .await;
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.contains(digest) && reason.contains("is not signed") && reason.contains("cosign"), "{reason}");
    assert!(house.visit("dev.localhost").await.contains("two"));

    // 4. A taken-over image is not signed twice; and the signature of one key is none of another's.
    let folder = tempfile::tempdir().unwrap();
    let other = another_key(folder.path());
    command(&house, &["protect", repository, "dev", "--signed-by", &other]).await;
    house.push("main", &[("notes", "nothing of the image")]).await;
    let third = house.build_in(3, "succeeded").await;
    assert_eq!(third["artifacts"][0]["digest"], signed);
    assert_eq!(third["artifacts"][0]["attached"], second["artifacts"][0]["attached"]);
    let failed = until("the other key's signature to be missed", LONG, async || {
        house.release("dev", 4).await.filter(|release| release["state"] == "failed")
    })
    .await;
    assert!(failed["reason"].as_str().unwrap().contains("signed by another key"), "{failed:#}");
}
