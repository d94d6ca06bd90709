//! The holes that others had, one test each: the advisories that Slipway was built with in mind. docs/SECURITY.md lists them.

mod siege;

use serde_json::{Value, json};
use slipway_runner::coordinator::{PROTOCOL, SecretValue};
use slipway_tests::{
    api::Answer,
    build_house::BuildHouse,
    forge::{Delivery, PullRequest, Push, Webhook, commit, sign},
    slipway::Slipway,
};

const REPOSITORY: &str = "shop/web";
const CLONE_URL: &str = "https://git.example/shop/web.git";

async fn server() -> (Slipway, Webhook) {
    let slipway = Slipway::start().await;
    let webhook = slipway.connect(REPOSITORY, CLONE_URL).await;
    (slipway, webhook)
}

fn push() -> Delivery {
    Push::to_branch(REPOSITORY, "main", &commit("one")).delivery()
}

async fn nothing_is_stored(slipway: &Slipway) {
    let stored = slipway.api().get("/api/v1/deliveries").await.expect(200).json();
    assert_eq!(stored["items"], json!([]));
}

fn list(answer: &Answer) -> Vec<Value> {
    answer.json()["items"].as_array().unwrap().clone()
}

/// Argo CD, CVE-2025-59537: which parser read a body was the sender's choice, and some asked for no secret.
#[tokio::test]
async fn cve_2025_59537_the_sender_chooses_no_parser() {
    let (slipway, webhook) = server().await;
    let foreign = [
        ("x-gitlab-event", "x-gitlab-token"),
        ("x-gitea-event", "x-gitea-signature"),
        ("x-event-key", "x-hub-signature"),
        ("x-gogs-event", "x-gogs-signature"),
    ];
    for (event, proof) in foreign {
        let request = slipway_tests::api::http_client().post(&webhook.url).body(push().body);
        let request = request.header("content-type", "application/json").header(event, "push");
        Answer::of(request.header(proof, &webhook.secret).send().await.unwrap()).await.expect(401);
    }
    for other in ["gitlab", "gitea", "bitbucket", "azure-devops", ""] {
        let elsewhere = webhook.url.replace("/github/", &format!("/{other}/"));
        push().send(&Webhook { url: elsewhere, ..webhook.clone() }).await.expect(404);
    }
    nothing_is_stored(&slipway).await;
}

/// Woodpecker, CVE-2023-40034: a payload changed the repository before it was validated.
#[tokio::test]
async fn cve_2023_40034_nothing_of_a_payload_is_used_before_its_signature_holds_and_none_of_its_addresses_after() {
    let (slipway, webhook) = server().await;
    let mut payload = Push::to_branch(REPOSITORY, "main", &commit("one")).payload();
    for field in ["clone_url", "ssh_url", "git_url", "url"] {
        payload["repository"][field] = json!("https://evil.example/shop/web.git");
    }
    payload["repository"]["default_branch"] = json!("evil");
    payload["repository"]["private"] = json!(true);
    let delivery = Delivery::new("push", &payload);
    let unsigned = Delivery { signature: Some(sign("another secret", &delivery.body)), ..delivery.clone() };
    let before = slipway.api().get("/api/v1/repositories/shop/web").await.expect(200).json();
    unsigned.send(&webhook).await.expect(401);
    nothing_is_stored(&slipway).await;

    delivery.send(&webhook).await.expect(202);
    let after = slipway.api().get("/api/v1/repositories/shop/web").await.expect(200).json();
    for field in ["name", "clone_url", "default_branch"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(after["clone_url"], CLONE_URL);
}

/// Woodpecker took a token in the hook's address for a proof.
#[tokio::test]
async fn a_hook_s_address_is_no_proof() {
    let (slipway, webhook) = server().await;
    let silent = Delivery { signature: Some(String::new()), ..push() };
    silent.send(&webhook).await.expect(401);
    for query in ["access_token", "token", "secret"] {
        let url = format!("{}?{query}={}", webhook.url, webhook.secret);
        silent.send(&Webhook { url, ..webhook.clone() }).await.expect(401);
    }
    nothing_is_stored(&slipway).await;
}

/// Komodo compared signatures with `==`, and took an empty secret. That the comparison takes equally long wherever it ends is
/// shown by `webhooks::timing`.
#[tokio::test]
async fn an_empty_secret_or_signature_never_holds() {
    let (slipway, webhook) = server().await;
    let body = push().body;
    let right = sign(&webhook.secret, &body);
    let wrong = [
        sign("", &body),
        "sha256=".to_owned(),
        "sha256".to_owned(),
        right.trim_start_matches("sha256=").to_owned(),
        right[..right.len() - 1].to_owned(),
        right.replace("sha256", "sha1"),
        format!("{right}00"),
    ];
    for signature in wrong {
        Delivery { signature: Some(signature), ..push() }.send(&webhook).await.expect(401);
    }
    nothing_is_stored(&slipway).await;
    assert!(webhook.secret.len() >= 32, "secrets are made by the server, long and by chance");
    push().send(&webhook).await.expect(202);
}

/// Woodpecker, CVE-2024-41121 and CVE-2024-41122: settings of a repository replaced what a privileged container ran.
#[tokio::test(flavor = "multi_thread")]
async fn cve_2024_41121_and_41122_a_repository_configures_nothing_privileged() {
    let mut house = BuildHouse::new().await;
    let mine = "defaults: {step_image: \"busybox:latest\"}\nweb: {build: Dockerfile, image: IMAGE, pre: [";
    let lines = [
        ("docker run --privileged busybox:latest true", "--privileged"),
        ("docker run --cap-add SYS_ADMIN busybox:latest true", "--cap-add"),
        ("docker run --pid host busybox:latest true", "--pid"),
        ("docker run --device /dev/mem busybox:latest true", "--device"),
        ("docker run -v /etc:/host busybox:latest true", "/etc"),
        ("docker run -v /var/run/docker.sock:/s busybox:latest true", "docker.sock"),
        ("docker run --security-opt seccomp=unconfined busybox:latest true", "--security-opt"),
    ];
    for (line, named) in lines {
        let commit = house.commit(&format!("{mine}\"{line}\"]}}\n"), &[]);
        let build = house.build(&commit).await;
        assert!(build.failure().contains(named) || build.failure().contains("captain.yml"), "{line}: {build:#?}");
        assert!(
            build.0.steps.values().all(|step| !step.declaration.name.starts_with("docker run")),
            "{line} was begun"
        );
    }

    // What it may set for its own steps gives them no rights, and changes nothing in those of Slipway's own.
    let captain = format!(
        "{mine}{{run: \"grep -e CapEff -e NoNewPrivs /proc/self/status\", env: {{LD_PRELOAD: ./evil.so, \
         GIT_SSH_COMMAND: ./evil.sh, DOCKER_HOST: tcp://evil.example, BASH_ENV: ./evil.sh}}}}]}}\n"
    );
    let evil = "#!/bin/sh\ntouch /workspace/evil-ran\n";
    let commit = house.commit(&captain, &[("evil.sh", evil), (".git-hooks/post-checkout", evil)]);
    let build = house.build(&commit).await;
    let rights = build.step("grep").text();
    let held = rights.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
    let held = u64::from_str_radix(held, 16).unwrap();
    let sys = [(12, "NET_ADMIN"), (16, "SYS_MODULE"), (19, "SYS_PTRACE"), (21, "SYS_ADMIN"), (27, "MKNOD")];
    for (bit, name) in sys {
        assert_eq!(held >> bit & 1, 0, "CAP_{name} of {held:x}");
    }
    assert!(rights.contains("NoNewPrivs:\t1"), "{rights}");
    house.leaves_nothing().await;
}

/// Woodpecker, CVE-2026-58370, and Concourse, CVE-2020-5415: whoever took the name of somebody trusted was trusted.
#[tokio::test]
async fn cve_2026_58370_and_2020_5415_a_commit_s_author_is_nobody() {
    let (slipway, webhook) = server().await;
    let foreign = PullRequest::new(REPOSITORY, 8, "main", "main").from_fork();
    let mut payload: Value = serde_json::from_slice(&foreign.delivery("opened", &commit("tip")).body).unwrap();
    // All that a stranger can choose says that it comes from the house.
    for name in ["shop", "administrator", "admin", "web"] {
        payload["pull_request"]["user"]["login"] = json!(name);
        payload["pull_request"]["head"]["user"]["login"] = json!(name);
        payload["pull_request"]["head"]["repo"]["full_name"] = json!(REPOSITORY);
        payload["pull_request"]["head"]["repo"]["name"] = json!("web");
        payload["pull_request"]["head"]["label"] = json!("shop:main");
        payload["pull_request"]["author_association"] = json!("OWNER");
        payload["sender"]["login"] = json!(name);
        Delivery::new("pull_request", &payload).send(&webhook).await.expect(202);
    }
    // It is looked at, and that is all until somebody has agreed.
    for build in list(&slipway.api().get("/api/v1/repositories/shop/web/builds").await.expect(200)) {
        let build = slipway.api().get(&format!("/api/v1/repositories/shop/web/builds/{}", build["number"])).await;
        assert_eq!(build.expect(200).json()["approval"]["state"], "wanted");
    }
}

/// Woodpecker 6283, 6308, 6567, 6759: a runner registered as another, and reported on others' jobs. `remote::fence` shows
/// the same of each thing that a runner can say.
#[tokio::test]
async fn a_runner_is_nobody_else() {
    let (slipway, webhook) = server().await;
    let mut runners = Vec::new();
    for name in ["one", "other"] {
        runners.push(slipway.api().post("/api/v1/runners", &json!({"name": name})).await.expect(201).json());
    }
    let [one, other] = &runners[..] else { panic!("two runners") };
    let of = |runner: &Value| slipway.anonymous().bearing(runner["token"].as_str().unwrap());
    let hello = |runner: &Value, life: &str| {
        json!({"runner": runner["id"], "name": runner["name"], "incarnation": life, "capacity": 1, "version": "0",
               "resuming": [], "protocol": PROTOCOL, "labels": {}, "builds_only": false})
    };
    of(one).with("slipway-life", "a").post("/api/runner/v1/register", &hello(one, "a")).await.expect(200);
    push().send(&webhook).await.expect(202);
    // The other one says that it is the first.
    of(other).post("/api/runner/v1/register", &hello(one, "b")).await;
    let told = list(&slipway.api().get("/api/v1/runners").await.expect(200));
    let names: Vec<&Value> = told.iter().map(|runner| &runner["name"]).collect();
    assert_eq!(names, ["one", "other"]);
    let job = slipway.api().get("/api/v1/repositories/shop/web/builds/1").await.expect(200).json();
    for (method, path) in [("PUT", "result"), ("POST", "resume"), ("PUT", "steps")] {
        let id = job["job"].as_str().or(job["id"].as_str()).unwrap_or("01K000000000000000000000A0");
        let path = format!("/api/runner/v1/jobs/{id}/1/{path}");
        let body = Some(("application/json", json!({"Failed": {"reason": "sabotage"}}).to_string().into_bytes()));
        let answer = of(other).send(method.parse().unwrap(), &path, body).await;
        assert!((400..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
    }
    let build = slipway.api().get("/api/v1/repositories/shop/web/builds/1").await.expect(200).json();
    assert_eq!(build["state"], "queued");
}

/// Coolify, CVE-2026-48742: what an address or a body named was taken for what the caller may. Concourse, CVE-2022-31683: the team
/// was. `roles::` walks every route with every role.
#[tokio::test]
async fn cve_2026_48742_and_2022_31683_what_is_named_gives_nobody_a_right_to_it() {
    let (slipway, webhook) = server().await;
    slipway.connect("tools/cli", CLONE_URL).await;
    push().send(&webhook).await.expect(202);
    let of_tools = json!({"name": "tools", "role": "administrator", "repository": "tools/cli"});
    let made = slipway.api().post("/api/v1/tokens", &of_tools).await.expect(201).json();
    let stranger = slipway.anonymous().bearing(made["token"].as_str().unwrap());
    stranger.get("/api/v1/repositories/tools/cli").await.expect(200);

    // By the path, by an id, and by a body and a query that name the one while the path names the other.
    let delivery = list(&slipway.api().get("/api/v1/deliveries").await.expect(200))[0]["id"].clone();
    stranger.get("/api/v1/repositories/shop/web").await.expect(404);
    stranger.get("/api/v1/repositories/SHOP/web/builds").await.expect(404);
    stranger.get("/api/v1/repositories/shop%2Fweb").await.expect(404);
    stranger.get(&format!("/api/v1/deliveries/{}", delivery.as_str().unwrap())).await.expect(404);
    let events = stranger.get("/api/v1/events?repository=shop/web").await;
    assert!(matches!(events.status, 403 | 404), "{}", events.status);
    let named =
        json!({"repository": "shop/web", "owner": "shop", "name": "web", "ref": "main", "commit": commit("one")});
    stranger.post("/api/v1/repositories/shop/web/builds", &named).await.expect(404);
    stranger.post("/api/v1/repositories/tools/cli/builds?repository=shop/web&owner=shop&name=web", &named).await;
    let wider = json!({"name": "wider", "role": "administrator"});
    stranger.post("/api/v1/tokens", &wider).await.expect(403);
    let seen = list(&stranger.get("/api/v1/repositories").await.expect(200));
    assert_eq!(seen.iter().map(|one| one["name"].clone()).collect::<Vec<_>>(), [json!("tools/cli")]);
    let builds = list(&slipway.api().get("/api/v1/repositories/shop/web/builds").await.expect(200));
    assert_eq!(builds.len(), 1, "nothing was built of it");
}

/// Concourse, CVE-2018-15798: a login led to any address.
#[tokio::test]
async fn cve_2018_15798_a_login_leads_nowhere_else() {
    let (slipway, _) = server().await;
    let browser = slipway.anonymous().with("sec-fetch-site", "same-origin");
    for next in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%0d%0aX: y",
        "javascript:0",
    ] {
        let answer = browser.submit("/login", &[("token", slipway.token()), ("next", next)]).await.expect(303);
        let location = answer.header("location");
        assert!(
            location.starts_with('/') && !location.starts_with("//") && !location.contains('\\'),
            "{next}: {location}"
        );
    }
}

/// Concourse, CVE-2019-3792: the version of a resource became SQL.
#[tokio::test]
async fn cve_2019_3792_no_word_becomes_sql() {
    let (slipway, webhook) = server().await;
    let word = "x' OR '1'='1' --";
    let mut payload = Push::to_branch(REPOSITORY, "main", &commit("one")).saying(word).payload();
    payload["ref"] = json!("refs/heads/x'OR'1'='1");
    Delivery::new("push", &payload).send(&webhook).await.expect(202);
    let escaped = "x%27%20OR%20%271%27=%271%27%20--";
    for address in [
        format!("/api/v1/repositories/{escaped}/web"),
        format!("/api/v1/repositories/shop/web/builds/{escaped}"),
        format!("/api/v1/builds/{escaped}"),
        format!("/api/v1/deliveries/{escaped}"),
    ] {
        let answer = slipway.api().get(&address).await;
        assert!(matches!(answer.status, 400 | 404 | 422), "{address}: {} {}", answer.status, answer.body);
    }
    for filter in ["ref", "author", "state"] {
        let address = format!("/api/v1/repositories/shop/web/builds?{filter}={escaped}");
        let answer = slipway.api().get(&address).await;
        assert!(
            matches!(answer.status, 400 | 422) || list(&answer.expect(200)).is_empty(),
            "{filter} found everything"
        );
    }
    let found = list(&slipway.api().get("/api/v1/repositories/shop/web/builds").await.expect(200));
    assert_eq!((found.len(), &found[0]["message"]), (1, &json!(word)));
}

/// actions/runner 284 and 291, Woodpecker: secrets got past the mask in other forms, in halves, by lines, and for being short.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_masked_in_every_form_and_across_every_border() {
    let mut house = BuildHouse::new().await;
    let secret =
        |name: &str, value: &str| SecretValue { name: name.to_owned(), version: None, value: value.to_owned() };
    house.secrets = vec![secret("TOKEN", "hunter22/ho\"rse&é"), secret("KEY", "line-one-of-it\nline-two-of-it")];
    // Each long line ends so that the secret lies across the border of a chunk, at another of its bytes each time.
    let captain = r#"
defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE
  pre:
    - run: |
        for n in 65520 65524 65528 65532 65535; do head -c $n /dev/zero | tr '\0' x; echo "$TOKEN"; done
        printf %s "$TOKEN" | base64; printf %s "a$TOKEN" | base64; printf %s "ab$TOKEN" | base64
        echo "https://x.example/?q=hunter22%2Fho%22rse%26%C3%A9"; echo '{"token":"hunter22/ho\"rse&é"}'; echo '"hunter22/ho\"rse&\u00e9"'
        printf hunter22; sleep 0.1; printf '/ho"rse&é\n'; echo "$KEY" >&2; echo end
      secrets: [TOKEN, KEY]
"#;
    let commit = house.commit(captain, &[]);
    let build = house.build(&commit).await;
    let said = build.step("for n in").text();
    assert!(said.contains("end\n"), "{said}");
    for part in ["hunter22", "ho\"rse", "rse&", "aHVudGVyMjIv", "h1bnRlcjIyL2", "odW50ZXIyMi9o", "line-one", "line-two"]
    {
        let through = said.lines().find(|line| line.contains(part));
        assert_eq!(through.map(|line| &line[line.len().saturating_sub(100)..]), None, "{part} came through");
    }
    house.leaves_nothing().await;

    let (slipway, _) = server().await;
    let short = slipway.command(&["secret", "set", REPOSITORY, "PIN"], "123").await;
    assert!(!short.status.success(), "a secret too short to be masked is refused");
}
