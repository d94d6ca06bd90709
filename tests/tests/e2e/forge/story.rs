//! The whole way, on the real server: a credential by the command line, a push, a kill, and what GitHub shows then.

use std::time::Duration;

use serde_json::{Value, json};
use slipway_tests::{
    forge::{Push, commit},
    git_server::GitServer,
    github::{GitHub, Next},
    slipway::{Setup, Slipway},
    wait::until,
};

use super::scene::PUSH;

const PATIENCE: Duration = Duration::from_secs(60);

/// What a command says that does what it should.
async fn cli(slipway: &Slipway, arguments: &[&str], input: &str) -> String {
    let done = slipway.command(arguments, input).await;
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn github_shows_a_build() {
    let github = GitHub::open().await;
    github.admit("ghp_geheim");
    let slipway = Setup::new().with_runner().start().await;
    let git = GitServer::start().await;
    let repository = git.repository("acme/shop");
    let hook = slipway.connect("acme/shop", repository.url()).await;
    let set = ["forge", "set", "github", "--api", github.url(), "--repository", "acme/*"];
    let said = cli(&slipway, &set, "ghp_geheim\n").await;
    assert!(said.contains("slipway forge check github"), "{said}");
    cli(&slipway, &["forge", "check", "github", "acme/shop"], "").await;

    let commit = repository.commit("main", &[("captain.yml", "web: {build: Nowhere, image: web}\n")]);
    Push::to_branch("acme/shop", "main", &commit).delivery().send(&hook).await.expect(202);
    let api = slipway.api();
    let shown = github.shows(&commit, PUSH, "failure").await;
    assert!(shown.target_url.ends_with("/repositories/acme/shop/builds/1"), "{shown:?}");
    assert!(shown.target_url.starts_with(slipway.url()), "{shown:?}");

    // GitHub shows it before the server has its answer.
    let report = until("the report to be sent", PATIENCE, async || {
        let reports = api.get("/api/v1/repositories/acme/shop/builds/1/reports").await.expect(200).json();
        Some(reports["items"][0].clone()).filter(|report| report["state"] == "sent")
    });
    assert_eq!(report.await["wanted"]["status"]["context"], PUSH);

    let page = api.get("/repositories/acme/shop/builds/1").await.expect(200).body;
    assert!(page.contains("<dt>GitHub</dt><dd>told</dd>"), "{page}");

    // What was given is never given back.
    let listed: Value = api.get("/api/v1/forges").await.expect(200).json();
    assert_eq!(listed["items"][0]["repositories"], json!(["acme/*"]));
    let audit = api.get("/api/v1/audit").await.expect(200).json().to_string();
    assert!(audit.contains("forge.set"), "{audit}");
    for text in [listed.to_string(), audit, slipway.output()] {
        assert!(!text.contains("geheim"), "{text}");
    }
    let metrics = api.get("/metrics").await.expect(200).body;
    assert!(metrics.contains("slipway_forge_reports_last_hour{outcome=\"sent\"}"), "{metrics}");
    cli(&slipway, &["forge", "remove", "github"], "").await;
    assert_eq!(cli(&slipway, &["forge", "list"], "").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_was_not_told_before_a_kill_it_is_told_after_it() {
    let github = GitHub::open().await;
    github.admit("ghp_geheim");
    let mut slipway = Setup::new().start().await;
    let hook = slipway.connect("acme/shop", "https://forge.example/acme/shop.git").await;
    let body = json!({"token": "ghp_geheim", "api": github.url(), "repositories": ["acme/shop"]});
    slipway.api().put("/api/v1/forges/github", &body).await.expect(200);
    github.next(Next::Refuse(500, vec![], "Server Error"));
    let commit = commit("one");
    Push::to_branch("acme/shop", "main", &commit).delivery().send(&hook).await.expect(202);
    let api = slipway.api();
    until("the report to wait for another try", PATIENCE, async || {
        let reports = api.get("/api/v1/repositories/acme/shop/builds/1/reports").await.expect(200).json();
        reports["items"][0]["reason"].as_str().filter(|reason| reason.contains("500")).map(drop)
    })
    .await;
    slipway.kill().await;
    slipway.restart().await;
    github.shows(&commit, PUSH, "pending").await;
}

#[tokio::test]
async fn what_cannot_be_a_credential_is_refused_in_words() {
    let slipway = Setup::new().start().await;
    let api = slipway.api();
    let refused = async |body: Value| api.put("/api/v1/forges/github", &body).await.expect(422).detail();
    for (body, said) in [
        (json!({"all_repositories": true}), "either `token`, or `app`"),
        (json!({"token": "a", "key": "b", "all_repositories": true}), "either `token`, or `app`"),
        (json!({"token": "a"}), "for which repositories"),
        (json!({"token": "two words", "all_repositories": true}), "one word"),
        (json!({"token": "a", "api": "http://github.example.com", "all_repositories": true}), "must be https://"),
        (json!({"app": "Iv1", "key": "nonsense", "all_repositories": true}), ".pem file"),
    ] {
        let text = refused(body).await;
        assert!(text.contains(said), "{text}");
    }
    let odd = api.put("/api/v1/forges/a%20b", &json!({"token": "a", "all_repositories": true})).await.expect(422);
    assert!(odd.detail().contains("letters, digits"), "{}", odd.body);

    // An address that does not answer is said so when it is tried.
    slipway.connect("acme/shop", "https://forge.example/acme/shop.git").await;
    let api_url = format!("http://127.0.0.1:{}", slipway_tests::ports::free());
    let body = json!({"token": "geheim", "api": api_url, "repositories": ["acme/*"]});
    api.put("/api/v1/forges/github", &body).await.expect(200);
    let shop = json!({"repository": "acme/shop"});
    let said = api.post("/api/v1/forges/github/check", &shop).await.expect(409).detail();
    assert!(said.contains("cannot be reached") && !said.contains("geheim"), "{said}");
    let missing = json!({"repository": "acme/other"});
    api.post("/api/v1/forges/github/check", &missing).await.expect(404);
    api.delete("/api/v1/forges/github").await.expect(200);
    api.delete("/api/v1/forges/github").await.expect(404);
}
