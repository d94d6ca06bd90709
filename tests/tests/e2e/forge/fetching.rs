//! Private repositories are fetched by https with a forge's credential, by a runner on another machine, and nobody reads it.

use std::time::Duration;

use serde_json::{Value, json};
use slipway_tests::{
    api::Api,
    forge::{Push, Webhook},
    git_http::{GitHttp, Seen, WorkingClone},
    github::{AppKey, GitHub},
    remote_runner::RemoteRunner,
    slipway::{Setup, Slipway},
    wait::until,
};

const PATIENCE: Duration = Duration::from_secs(60);
const ID: &str = "Iv23liTest";

/// A GitHub of one's own with a private repository, a server that it tells of pushes, and a runner.
struct Scene {
    git: GitHttp,
    github: GitHub,
    api_url: String,
    shop: WorkingClone,
    slipway: Slipway,
    runner: RemoteRunner,
    hook: Webhook,
}

impl Scene {
    async fn new() -> Self {
        let (git, github) = (GitHttp::start().await, GitHub::open().await);
        let api_url = git.with_api(github.url());
        let url = git.repository("acme/shop");
        let shop = WorkingClone::of(&url);
        let slipway = Setup::new().start().await;
        let mut runner = RemoteRunner::admit(&slipway, "one", &[]).await;
        runner.start(&slipway).await;
        let hook = slipway.connect("acme/shop", &url).await;
        // Else GitHub is asked for more than is looked at here.
        let nothing = json!({"statuses": "none", "deployments": false});
        slipway.api().put("/api/v1/repositories/acme/shop/reports", &nothing).await.expect(200);
        Scene { git, github, api_url, shop, slipway, runner, hook }
    }

    async fn set(&self, mut body: Value) {
        body["api"] = json!(self.api_url);
        body["repositories"] = json!(["acme/*"]);
        self.slipway.api().put("/api/v1/forges/github", &body).await.expect(200);
    }

    /// Pushes a commit to the repository, which asks for this login afterwards, and answers with how its build's checkout ended,
    /// what that said, and what was asked of the repository.
    async fn build(&self, number: i64, login: &str) -> (String, String, Vec<Seen>) {
        self.git.ask_for_nothing();
        let text = format!("web: {{build: Nowhere, image: web}} # {number}\n");
        let commit = self.shop.push(&[("captain.yml", text.as_bytes())]);
        self.git.ask_for(login);
        let _ = self.git.seen();
        Push::to_branch("acme/shop", "main", &commit).delivery().send(&self.hook).await.expect(202);
        let (api, path) = (self.slipway.api(), format!("/api/v1/repositories/acme/shop/builds/{number}"));
        let over = until("the build to be over", PATIENCE, async || {
            Some(api.get(&path).await.expect(200).json()).filter(|build| build["state"] == "failed")
        });
        let checkout = over.await["attempts"][0]["steps"][0]["state"].as_str().unwrap().to_owned();
        (checkout, log(&api, &path).await, self.git.seen())
    }
}

async fn log(api: &Api, build: &str) -> String {
    api.get(&format!("{build}/steps/0/log?attempt=1")).await.expect(200).body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_repository_is_fetched_with_a_credential_that_is_for_it() {
    let scene = Scene::new().await;
    let login = "x-access-token:ghp_geheim";

    // 1. A credential that is to tell GitHub of builds fetches nothing.
    scene.set(json!({"token": "ghp_geheim"})).await;
    let (state, said, asked) = scene.build(1, login).await;
    assert_eq!(state, "failed", "{said}");
    assert!(said.contains("asks for a login and there is none") && said.contains("--fetch"), "{said}");
    assert!(asked.iter().all(|seen| seen.authorization.is_none()), "{asked:?}");

    // 2. One that is to fetch does, and stands nowhere that people look.
    scene.set(json!({"token": "ghp_geheim", "fetches": true})).await;
    let (state, second, asked) = scene.build(2, login).await;
    assert_eq!(state, "succeeded", "{second}");
    assert!(asked.iter().any(|seen| seen.authorization.is_some()), "{asked:?}");
    let page = scene.slipway.api().get("/repositories/acme/shop/builds/2").await.expect(200).body;
    let kept = std::process::Command::new("grep").args(["-rlF", "geheim"]).arg(scene.runner.data_dir()).output();
    let kept = String::from_utf8(kept.unwrap().stdout).unwrap();
    assert_eq!(kept, "", "the runner keeps it nowhere");
    for text in [said, second, page, scene.slipway.output(), scene.runner.output()] {
        assert!(!text.contains("geheim"), "{text}");
    }

    // 3. One that GitHub takes no more is refused, and not missing.
    let (state, said, _) = scene.build(3, "x-access-token:another").await;
    assert_eq!(state, "failed", "{said}");
    assert!(said.contains("the server refused the login") && !said.contains("geheim"), "{said}");

    // 4. An App reads this one repository with a token of its own for each build.
    let key = AppKey::new(true);
    scene.github.install(ID, &key, "acme/shop", json!({"contents": "read", "metadata": "read"}));
    scene.set(json!({"app": ID, "key": key.pem, "fetches": true})).await;
    let (state, said, _) = scene.build(4, "x-access-token:ghs_1").await;
    assert_eq!(state, "succeeded", "{said}");
    let asked = scene.github.calls().into_iter().rfind(|call| call.line.ends_with("/access_tokens")).unwrap();
    assert_eq!(asked.body, json!({"repositories": ["shop"], "permissions": {"contents": "read"}}));

    // 5. What it may not read is said, and who needs no login is served without.
    scene.github.install(ID, &key, "acme/shop", json!({"metadata": "read"}));
    let (state, said, _) = scene.build(5, login).await;
    assert_eq!(state, "failed", "{said}");
    assert!(said.contains("may read its contents there"), "{said}");
    scene.git.ask_for_nothing();
    scene.slipway.api().post("/api/v1/repositories/acme/shop/builds/5/retry", &json!({})).await.expect(200);
    let api = scene.slipway.api();
    let state = until("the second attempt's checkout", PATIENCE, async || {
        let build = api.get("/api/v1/repositories/acme/shop/builds/5").await.expect(200).json();
        Some(build["attempts"][1]["steps"][0]["state"].clone()).filter(|state| state == "succeeded")
    });
    state.await;
}
