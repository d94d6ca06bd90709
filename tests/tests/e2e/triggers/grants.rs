//! What a runner is given with a build of a pull request, word by word as it crosses to another machine.

use serde_json::json;
use slipway_pipelines::plan;
use slipway_runner::coordinator::{BuildWork, ClaimReply, Lease, PROTOCOL, Work};
use slipway_tests::{
    api::Api,
    databases::TestDatabase,
    forge::{PullRequest, Push, commit},
    on_both_databases,
    slipway::{Setup, Slipway},
};

on_both_databases!(a_pull_request_s_build_carries_no_secret_and_no_login,);

const REPOSITORY: &str = "shop/web";

async fn runner(slipway: &Slipway) -> Api {
    let made = slipway.api().post("/api/v1/runners", &json!({"name": "far"})).await.expect(201).json();
    let api = slipway.anonymous().bearing(made["token"].as_str().unwrap());
    let hello = json!({
        "runner": "", "name": "far", "incarnation": "life", "capacity": 4, "version": "0.1.0", "resuming": [],
        "protocol": PROTOCOL
    });
    api.post("/api/runner/v1/register", &hello).await.expect(200);
    api
}

async fn claim(runner: &Api, holding: &[&Lease]) -> Lease {
    let holding: Vec<_> = holding.iter().map(|lease| &lease.key).collect();
    let ask = json!({"runner": "", "incarnation": "life", "free": 1, "holding": holding, "wait_ms": 20_000});
    let answer = runner.post("/api/runner/v1/claim", &ask).await.expect(200).json();
    match serde_json::from_value(answer).unwrap() {
        ClaimReply::Work { lease } => *lease,
        other => panic!("a job was expected: {other:?}"),
    }
}

fn work(lease: &Lease) -> &BuildWork {
    let Work::Build(work) = &lease.work else { panic!("a build was expected") };
    work
}

async fn a_pull_request_s_build_carries_no_secret_and_no_login(database: TestDatabase) {
    let slipway = Setup::new().with("SLIPWAY_DATABASE", database.url()).start().await;
    let webhook = slipway.connect(REPOSITORY, "https://git.example/shop/web.git").await;
    let api = slipway.api();
    let login = json!({"username": "robot", "password": "hunter22-horse", "repositories": ["shop/*"]});
    assert!(api.put("/api/v1/registries/registry.example.com", &login).await.status < 300);
    let other = json!({"username": "robot", "password": "hunter22-stable", "repositories": ["shop/webs", "*/other"]});
    assert!(api.put("/api/v1/registries/other.example.com", &other).await.status < 300);
    let secret = format!("/api/v1/repositories/{REPOSITORY}/secrets/TOKEN");
    assert!(api.put(&secret, &json!({"value": "hunter22-battery"})).await.status < 300);
    let runner = runner(&slipway).await;

    let pull = PullRequest::new(REPOSITORY, 7, "topic", "main");
    pull.delivery("opened", &commit("tip")).send(&webhook).await.expect(202);
    let foreign = claim(&runner, &[]).await;
    assert!(foreign.secrets.is_empty() && foreign.registries.is_empty());
    assert_eq!(foreign.withheld_registries, ["other.example.com", "registry.example.com"]);
    let given = work(&foreign);
    assert_eq!((given.event.as_str(), given.git_ref.as_str()), ("pull_request", "refs/pull/7/merge"));
    assert_eq!((given.commit.as_str(), given.known.len()), (commit("tip").as_str(), 0));
    let expected = plan::PullRequest { number: 7, head: "topic".to_owned(), base: "main".to_owned() };
    assert_eq!(given.pull_request, Some(expected));

    Push::to_branch(REPOSITORY, "main", &commit("one")).delivery().send(&webhook).await.expect(202);
    let own = claim(&runner, &[&foreign]).await;
    assert_eq!((own.secrets.len(), own.registries.len(), &work(&own).pull_request), (1, 1, &None));
    assert_eq!(own.registries[0].host, "registry.example.com", "the other is for other repositories");
    assert_eq!(own.withheld_registries, ["other.example.com"]);
}
