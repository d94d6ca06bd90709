//! Pull requests: the merge is built, without what a stranger must not have.

use serde_json::{Value, json};
use slipway_tests::{
    databases::TestDatabase,
    forge::{PullRequest, Push, commit},
    house::{House, LONG},
    on_both_databases,
    slipway::{Setup, Slipway},
    wait::until,
};

on_both_databases!(
    a_pull_request_s_merge_is_built_without_secrets_and_pushes_nothing,
    a_newer_commit_and_the_close_of_a_pull_request_cancel_its_builds,
    a_pull_request_on_another_machine_goes_on_in_its_runner_s_next_life,
);

/// The app with a step that looks around, and one to wait at.
fn captain(house: &House) -> String {
    let image = house.image();
    format!(
        "defaults: {{step_image: \"busybox:latest\"}}\n\
         web:\n  build: Dockerfile\n  image: {image}\n  secrets: [TOKEN]\n  pre:\n    \
         - {{run: \"cat ours theirs; echo $SLIPWAY_PULL_REQUEST $SLIPWAY_HEAD_BRANCH $SLIPWAY_BASE_BRANCH\"}}\n    \
         - {{run: \"echo $SLIPWAY_REF $SLIPWAY_COMMIT token=${{TOKEN:-none}}\"}}\n    \
         - {{run: \"test ! -e /kept/left && touch /kept/left && echo empty\", cache: [/kept]}}\n    \
         - {{run: echo main only, when: {{branch: main}}}}\n    \
         - {{run: echo theirs changed, when: {{paths: [theirs]}}}}\n    \
         - {{run: echo ours changed, when: {{paths: [ours]}}}}\n  \
         release: {{port: 8080}}\nenvironments: {{dev: {{from: {{branch: main}}}}}}\n"
    )
}

async fn house(database: TestDatabase) -> House {
    let house = House::on(database).await;
    let secret = format!("/api/v1/repositories/{}/secrets/TOKEN", house.webhook.repository);
    let set = house.slipway.api().put(&secret, &json!({"value": "hunter22-horse"})).await;
    assert!((200..300).contains(&set.status), "{}", set.body);
    house
}

/// The lines of the step whose name contains `part`.
async fn said(house: &House, build: &Value, part: &str) -> Vec<String> {
    let steps = build["attempts"].as_array().unwrap().last().unwrap()["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"].as_str().unwrap().contains(part));
    let step = step.unwrap_or_else(|| panic!("no step is named like {part}: {build:#}"));
    house.log(&format!("builds/{}", build["number"]), 1, step["index"].as_i64().unwrap()).await
}

async fn a_pull_request_s_merge_is_built_without_secrets_and_pushes_nothing(database: TestDatabase) {
    let house = house(database).await;
    let captain = captain(&house);
    let dockerfile = "FROM busybox:latest\nCOPY ours theirs /\n";
    house.git.commit("main", &[("captain.yml", &captain), ("Dockerfile", dockerfile), ("ours", "old"), ("theirs", "")]);
    let tip = house.git.branch_off("topic", "main", &[("theirs", "new\n")]);
    house.git.commit("main", &[("ours", "ours\n")]);

    // The forge is asked before it has merged.
    let pull = PullRequest::new(&house.webhook.repository, 7, "topic", "main");
    let answer = pull.delivery("opened", &tip).send(&house.webhook).await.expect(202).json();
    let number = answer["build"].as_i64().unwrap_or_else(|| panic!("a build: {answer:#}"));
    until("the runner to look for the merge", LONG, async || {
        let build = house.build(number).await;
        if build["state"] != "running" || build["attempts"][0]["steps"][0]["state"] != "running" {
            return None;
        }
        let said = house.log(&format!("builds/{number}"), 1, 0).await;
        said.iter().any(|line| line.contains("looking again")).then_some(())
    })
    .await;
    let merge = house.git.merge_pull_request(7, "topic", "main");

    let build = house.build_in(number, "succeeded").await;
    assert_eq!((&build["commit"], &build["ref"]), (&json!(tip), &json!("refs/pull/7/merge")));
    assert_eq!((&build["event"], &build["message"]), (&json!("pull_request"), &json!("Say more")));
    assert_eq!(build["pull_request"], json!({"number": 7, "head": "topic", "base": "main"}));
    assert_eq!(build["attempts"][0]["steps"][0]["output"]["commit"], merge);
    assert_eq!(said(&house, &build, "cat ours").await, ["ours", "new", "7 topic main"], "what the merge gives");
    assert_eq!(said(&house, &build, "token=").await, [format!("refs/pull/7/merge {tip} token=none")]);
    assert_eq!(said(&house, &build, "main only").await, ["main only"], "conditions are about the target");
    assert_eq!(said(&house, &build, "theirs changed").await, ["theirs changed"]);
    assert!(said(&house, &build, "ours changed").await.is_empty(), "what the target has already is no change");
    assert_eq!(build["artifacts"], json!([]));
    for tag in ["main", "latest", &tip[..7], &merge[..7]] {
        assert_eq!(house.pushed(tag, &[]).await, None, "{tag}");
    }
    assert_eq!(house.release("dev", 1).await, None);

    // What it left in its cache does not reach the branch, whose own build pushes.
    let head = house.git.commit("main", &[("ours", "ours again\n")]);
    let pushed = house.announce("main", &head).await;
    let pushed = house.build_in(pushed, "succeeded").await;
    assert_eq!(said(&house, &pushed, "/kept").await, ["empty"]);
    assert_eq!(said(&house, &pushed, "token=").await, [format!("refs/heads/main {head} token=***")]);
    assert!(house.pushed("main", &[]).await.is_some());
}

async fn a_newer_commit_and_the_close_of_a_pull_request_cancel_its_builds(database: TestDatabase) {
    let house = house(database).await;
    let captain = "defaults: {step_image: \"busybox:latest\"}\n\
                   web: {build: Dockerfile, image: x/web, pre: [until test -e go; do sleep 0.05; done]}\n";
    house.git.commit("main", &[("captain.yml", captain), ("Dockerfile", "FROM busybox:latest\n")]);
    let first = house.git.branch_off("topic", "main", &[("one", "")]);
    house.git.merge_pull_request(7, "topic", "main");
    let pull = PullRequest::new(&house.webhook.repository, 7, "topic", "main");
    let number = async |delivery: slipway_tests::forge::Delivery| {
        delivery.send(&house.webhook).await.expect(202).json()["build"].as_i64().expect("a build")
    };
    let one = number(pull.delivery("opened", &first)).await;
    house.step_runs(one, "pre", "until").await;

    let second = house.git.commit("topic", &[("two", "")]);
    house.git.merge_pull_request(7, "topic", "main");
    let two = number(pull.pushed(&first, &second)).await;
    let old = house.build_in(one, "cancelled").await;
    assert_eq!(old["reason"], format!("build {two} of a newer push took its place"));
    house.step_runs(two, "pre", "until").await;

    let closed = pull.delivery("closed", &second).send(&house.webhook).await.expect(202).json();
    assert_eq!(closed["ignored"], Value::Null, "it was acted upon");
    let closed = house.build_in(two, "cancelled").await;
    assert_eq!(closed["reason"], "its pull request was closed");

    let three = number(pull.delivery("reopened", &second)).await;
    house.step_runs(three, "pre", "until").await;
    pull.delivery("closed", &second).send(&house.webhook).await.expect(202);
    house.build_in(three, "cancelled").await;
    house.is_tidy(0).await;
}

/// Killed in the midst, the runner still knows of what it builds, and whose caches that may use.
async fn a_pull_request_on_another_machine_goes_on_in_its_runner_s_next_life(database: TestDatabase) {
    let mut house = House::remote(database, Setup::new(), async |url: &str| url.to_owned()).await;
    let captain = format!(
        "defaults: {{step_image: \"busybox:latest\"}}\n\
         web:\n  build: Dockerfile\n  image: {}\n  pre:\n    \
         - until test -e go; do sleep 0.05; done\n    \
         - {{run: \"echo of $SLIPWAY_PULL_REQUEST $SLIPWAY_HEAD_BRANCH; ls /kept; touch /kept/left\", cache: [/kept]}}\n",
        house.image()
    );
    house.git.commit("main", &[("captain.yml", &captain), ("Dockerfile", "FROM busybox:latest\n")]);
    let tip = house.git.branch_off("topic", "main", &[("topic", "")]);
    house.git.merge_pull_request(7, "topic", "main");
    let opened = PullRequest::new(&house.webhook.repository, 7, "topic", "main").delivery("opened", &tip);
    let number = opened.send(&house.webhook).await.expect(202).json()["build"].as_i64().expect("a build");
    house.step_runs(number, "pre", "until").await;
    house.runners[0].kill().await;
    house.runners[0].start(&house.slipway).await;
    for checkout in house.checkouts() {
        std::fs::write(checkout.join("go"), "").unwrap();
    }
    let build = house.build_in(number, "succeeded").await;
    assert_eq!(build["attempts"].as_array().unwrap().len(), 1, "it went on where it was");
    assert_eq!(said(&house, &build, "echo of").await, ["of 7 topic"]);
    assert_eq!((&build["artifacts"], house.pushed("topic", &[]).await), (&json!([]), None));

    let pushed = house.push("main", &[("go", "")]).await;
    let pushed = house.build_in(pushed, "succeeded").await;
    assert_eq!(said(&house, &pushed, "echo of").await, ["of"], "the branch has a cache of its own");
    house.is_tidy(0).await;
}

#[tokio::test]
async fn a_target_that_changes_is_built_again() {
    let slipway = Slipway::start().await;
    let webhook = slipway.connect("shop/web", "https://git.example/shop/web.git").await;
    let tip = commit("tip");
    let send =
        async |pull: &PullRequest, action: &str| pull.delivery(action, &tip).send(&webhook).await.expect(202).json();
    let pull = PullRequest::new("shop/web", 9, "topic", "main");
    assert_eq!(send(&pull, "opened").await["build"], 1);
    assert_eq!(send(&pull, "reopened").await["ignored"], "already built as #1", "nothing has changed");
    let branch = Push::to_branch("shop/web", "topic", &tip).delivery().send(&webhook).await.expect(202).json();
    assert_eq!(branch["build"], 2, "the branch itself is another thing to build than the merge");
    for (number, base) in [(3, "develop"), (4, "main")] {
        let mut delivery = PullRequest::new("shop/web", 9, "topic", base).delivery("edited", &tip);
        let mut payload: Value = serde_json::from_slice(&delivery.body).unwrap();
        payload["changes"] = json!({"base": {"ref": {"from": "another"}, "sha": {"from": commit("another")}}});
        delivery.body = payload.to_string().into_bytes();
        assert_eq!(delivery.send(&webhook).await.expect(202).json()["build"], number, "into {base}");
    }
    let page = slipway.api().with("accept", "text/html").get("/repositories/shop/web/builds/4").await.expect(200);
    assert!(page.body.contains("pull request 9: topic into main"), "{}", page.body);
}
