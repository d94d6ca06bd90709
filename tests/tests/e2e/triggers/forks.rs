//! Pull requests from forks: a person looks at what would run, and approves one commit; and whatever runs then, leaves
//! nothing that a trusted build takes.

use serde_json::{Value, json};
use slipway_tests::{
    databases::TestDatabase,
    forge::{PullRequest, Webhook, commit},
    house::{House, LONG},
    on_both_databases,
    slipway::Slipway,
    wait::until,
};

on_both_databases!(a_person_approves_one_commit_of_a_fork_having_seen_what_would_run);

const MALLORY: (&str, i64) = ("mallory", 583_231);

/// The same in the fork and on the branch: what it leaves depends on a proxy and on a cache mount, neither of which is among
/// what BuildKit knows a layer by.
const DOCKERFILE: &str = "FROM busybox:latest\n\
    RUN --mount=type=cache,id=left,target=/kept echo \"${HTTP_PROXY:-no proxy}, $(ls /kept)\" > /seen; touch /kept/left\n";

fn captain(house: &House, more: &str) -> String {
    format!(
        "defaults: {{step_image: \"busybox:latest\"}}\n\
         web:\n  build: Dockerfile\n  image: {}\n  secrets: [TOKEN]\n  pre:\n    \
         - {{run: \"echo token=${{TOKEN:-none}} kept=$(ls /kept); touch /kept/left\", cache: [/kept]}}\n{more}  \
         test: [docker run --rm {} cat /seen]\n  \
         release: {{port: 8080}}\nenvironments: {{dev: {{from: {{branch: main}}}}}}\n",
        house.image(),
        house.image()
    )
}

async fn opened(webhook: &Webhook, pull: &PullRequest, action: &str, tip: &str) -> i64 {
    let answer = pull.delivery(action, tip).send(webhook).await.expect(202).json();
    answer["build"].as_i64().unwrap_or_else(|| panic!("a build: {answer:#}"))
}

async fn said(house: &House, build: &Value, part: &str) -> Vec<String> {
    let attempt = build["attempts"].as_array().unwrap().last().unwrap();
    let steps = attempt["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"].as_str().unwrap().contains(part));
    let step = step.unwrap_or_else(|| panic!("no step is named like {part}: {build:#}"));
    let number = attempt["attempt"].as_i64().unwrap();
    house.log(&format!("builds/{}", build["number"]), number, step["index"].as_i64().unwrap()).await
}

async fn a_person_approves_one_commit_of_a_fork_having_seen_what_would_run(database: TestDatabase) {
    let mut house = House::on(database).await;
    let repository = house.webhook.repository.clone();
    let secret = format!("/api/v1/repositories/{repository}/secrets/TOKEN");
    house.slipway.api().put(&secret, &json!({"value": "hunter22-horse"})).await;
    let home = [("captain.yml", captain(&house, "")), ("Dockerfile", DOCKERFILE.to_owned())];
    house.git.commit("main", &home.each_ref().map(|(path, text)| (*path, text.as_str())));
    // The stranger's proxy answers nothing, and need not: the command does not use it, but tells of it.
    let foul = captain(&house, "    - echo theirs\n  build_arg: {HTTP_PROXY: \"http://mallory.invalid\"}\n");
    let tip = house.git.branch_off("theirs", "main", &[("captain.yml", &foul)]);
    house.git.merge_pull_request(7, "theirs", "main");

    let pull = PullRequest::new(&repository, 7, "theirs", "main").by(MALLORY.0, MALLORY.1).from_fork();
    let number = opened(&house.webhook, &pull, "opened", &tip).await;
    let build = house.build_in(number, "awaiting").await;
    let approval = &build["approval"];
    assert_eq!(approval["opened_by"], json!({"id": MALLORY.1, "login": MALLORY.0}));
    assert_eq!((&approval["fork"], &approval["commit"]), (&json!("mallory/web"), &json!(tip)));
    let steps = approval["look"]["preview"]["steps"].as_array().unwrap();
    let line = |text: &str| {
        let lines = steps.iter().flat_map(|step| step["lines"].as_array().unwrap());
        lines.clone().find(|line| line["text"] == text).unwrap_or_else(|| panic!("{text}: {steps:#?}"))["is_new"]
            .clone()
    };
    assert_eq!(line("$ echo theirs"), true, "what main does not run is marked");
    assert_eq!(line("argument HTTP_PROXY=http://mallory.invalid"), true);
    assert_eq!(line("image busybox:latest"), false);
    assert_eq!(approval["look"]["changed"], json!(["captain.yml"]));
    assert_eq!(build["attempts"][0]["steps"].as_array().unwrap().len(), 1, "its checkout alone: {build:#}");
    assert!(house.step_containers().is_empty(), "nothing of it has run");
    let address = format!("/repositories/{repository}/builds/{number}");
    let page = house.slipway.api().with("accept", "text/html").get(&address).await.expect(200).body;
    for shown in ["It waits for an approval", "account 583231", "mallory/web", "<code>$ echo theirs</code>"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }

    // Nobody loses it by a kill; an approval is for the commit that was seen, and for the one that the pull request stands at.
    house.slipway.kill().await;
    house.slipway.restart().await;
    let approve = format!("/api/v1/repositories/{repository}/builds/{number}/approve");
    let other = house.slipway.api().post(&approve, &json!({"commit": commit("another")})).await.expect(409);
    assert!(other.body.contains("an approval is for one commit"), "{}", other.body);
    let next = house.git.commit("theirs", &[("more", "")]);
    house.git.merge_pull_request(7, "theirs", "main");
    let moved = pull.pushed(&tip, &next).send(&house.webhook).await.expect(202).json()["build"].as_i64().unwrap();
    house.build_in(number, "cancelled").await;
    house.slipway.api().post(&approve, &json!({"commit": tip})).await.expect(409);
    house.build_in(moved, "awaiting").await;
    let approve = format!("/api/v1/repositories/{repository}/builds/{moved}/approve");
    for _ in 0..2 {
        let approved = house.slipway.api().post(&approve, &json!({"commit": next})).await.expect(200).json();
        assert_eq!(approved["approval"], "given");
    }
    let audit = house.slipway.api().get("/api/v1/audit?action=build.approve").await.expect(200).json();
    assert_eq!(audit["items"].as_array().unwrap().len(), 1, "{audit:#}");

    // It runs, without what a stranger must not have.
    let build = house.build_in(moved, "succeeded").await;
    assert_eq!(said(&house, &build, "echo token").await, ["token=none kept="]);
    assert_eq!(said(&house, &build, "cat /seen").await, ["http://mallory.invalid, "]);
    assert_eq!((&build["artifacts"], house.release("dev", 1).await), (&json!([]), None));

    // Neither its volumes nor its cache mounts nor its layers reach the next stranger, a colleague or the branch.
    let tip = house.git.branch_off("others", "main", &[("others", "")]);
    house.git.merge_pull_request(8, "others", "main");
    let colleague = PullRequest::new(&repository, 8, "others", "main");
    let colleague = opened(&house.webhook, &colleague, "opened", &tip).await;
    house.git.merge_pull_request(9, "others", "main");
    let stranger = PullRequest::new(&repository, 9, "others", "main").by("eve", 99).from_fork();
    let stranger = opened(&house.webhook, &stranger, "opened", &tip).await;
    house.build_in(stranger, "awaiting").await;
    let approve = format!("/api/v1/repositories/{repository}/builds/{stranger}/approve");
    house.slipway.api().post(&approve, &json!({"commit": tip})).await.expect(200);
    let pushed = house.push("main", &[("ours", "")]).await;
    for (number, token) in [(colleague, "none"), (stranger, "none"), (pushed, "***")] {
        let build = house.build_in(number, "succeeded").await;
        assert_eq!(said(&house, &build, "echo token").await, [format!("token={token} kept=")], "build {number}");
        assert_eq!(said(&house, &build, "cat /seen").await, ["no proxy, "], "build {number}");
    }
    house.is_tidy(0).await;
}

/// A frontend of its own may use any cache mount of the engine: it is refused, before it is fetched.
#[tokio::test]
async fn a_fork_names_no_frontend_and_who_is_trusted_by_its_account_needs_no_approval() {
    let house = House::open().await;
    let repository = house.webhook.repository.clone();
    let captain = format!("web: {{build: Dockerfile, image: {}}}\n", house.image());
    house.git.commit("main", &[("captain.yml", &captain), ("Dockerfile", "FROM busybox:latest\n")]);
    let foul = "# syntax=mallory.invalid/frontend\nFROM busybox:latest\n";
    let tip = house.git.branch_off("theirs", "main", &[("Dockerfile", foul)]);
    house.git.merge_pull_request(7, "theirs", "main");
    let trust = ["repository", "trust", &repository, "--account", "583231", "--login", "mallory"];
    assert!(house.slipway.command(&trust, "").await.status.success());
    let pull = PullRequest::new(&repository, 7, "theirs", "main").by(MALLORY.0, MALLORY.1).from_fork();
    let number = opened(&house.webhook, &pull, "opened", &tip).await;
    let build = house.build_in(number, "failed").await;
    assert_eq!(build["approval"], Value::Null, "its account is trusted");
    assert!(build["reason"].as_str().unwrap().contains("mallory.invalid/frontend"), "{build:#}");

    // A name is no account, and whoever else pushes to it is not trusted by it.
    for (at, stranger) in [pull.clone().by("mallory", 7), pull.clone().sent_by("eve", 99)].into_iter().enumerate() {
        let next = house.git.commit("theirs", &[("more", &at.to_string())]);
        house.git.merge_pull_request(7, "theirs", "main");
        let number = stranger.pushed(&tip, &next).send(&house.webhook).await.expect(202).json()["build"].as_i64();
        house.build_in(number.unwrap(), "awaiting").await;
    }
    let shown = house.slipway.command(&["approve-build", &repository, "3"], "").await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("opened by   mallory (account 583231)") && shown.contains("approve-build"), "{shown}");
    let refused = house.slipway.command(&["refuse-build", &repository, "3"], "").await;
    assert!(refused.status.success());
    let build = house.build_in(3, "cancelled").await;
    assert!(build["reason"].as_str().unwrap().starts_with("refused by "), "{build:#}");
    house.is_tidy(0).await;
}

/// Anybody may open pull requests.
#[tokio::test]
async fn so_many_wait_for_an_approval_and_no_more_and_the_rule_is_the_repository_s() {
    let slipway = Slipway::start().await;
    let webhook = slipway.connect("shop/web", "https://git.example/shop/web.git").await;
    let open = async |number: i64| {
        let pull = PullRequest::new("shop/web", number, "main", "main").by("eve", 99).from_fork();
        pull.delivery("opened", &commit(&number.to_string())).send(&webhook).await.expect(202).json()
    };
    for number in 1..=50 {
        assert_eq!(open(number).await["build"], number);
    }
    let crowded = open(51).await;
    assert_eq!(crowded["build"], Value::Null);
    assert!(crowded["ignored"].as_str().unwrap().contains("wait for an approval"), "{crowded:#}");
    let refuse = "/api/v1/repositories/shop/web/builds/50/refuse";
    slipway.api().post(refuse, &json!({})).await.expect(200);
    assert_eq!(open(52).await["build"], 51, "one was decided on");

    let rule = "/api/v1/repositories/shop/web/approvals";
    slipway.api().put(rule, &json!({"rule": "nobody"})).await.expect(200);
    let build = open(53).await["build"].as_i64().unwrap();
    let build = slipway.api().get(&format!("/api/v1/repositories/shop/web/builds/{build}")).await.expect(200).json();
    assert_eq!(build["approval"], Value::Null);
    until("the page to say so", LONG, async || {
        let page = slipway.api().with("accept", "text/html").get("/repositories/shop/web/settings").await.expect(200);
        page.body.contains("value=\"nobody\" selected").then_some(())
    })
    .await;
}
