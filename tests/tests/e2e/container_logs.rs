//! What running containers write: asked of the runner that hosts them, and read by people.

use std::time::Duration;

use serde_json::Value;
use slipway_runner::coordinator::{
    ClaimReply, ContainerLine, ContainerLog, Coordinator as _, LogAnswer, LogQuestion, LogStream,
};
use slipway_server::environments::{LogWish, RecentLog, RecentLogError, recent_log};
use slipway_tests::{
    browser::Browser,
    databases::TestDatabase,
    engine::docker,
    house::{House, LONG},
    images::web_app,
    on_both_databases,
    pipeline::Pipeline,
    wait::until,
};

on_both_databases!(a_question_reaches_its_runner_once_and_silence_is_said_in_words);

const PATIENCE: Duration = Duration::from_secs(60);

async fn question(pipeline: &Pipeline, wait_ms: u64) -> Option<LogQuestion> {
    match pipeline.coordinator.claim(pipeline.request(wait_ms)).await.unwrap() {
        ClaimReply::Log { question } => Some(question),
        ClaimReply::Idle => None,
        other => panic!("there is no job: {other:?}"),
    }
}

fn lines(count: usize, text: &str) -> ContainerLog {
    let line = ContainerLine { at: 7, stream: LogStream::Err, text: text.to_owned() };
    ContainerLog::Lines { lines: vec![line; count], is_cut: true }
}

async fn a_question_reaches_its_runner_once_and_silence_is_said_in_words(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    let wish = LogWish { container: "web-1".to_owned(), lines: 50, since: Some(3) };
    let (store, dev) = (pipeline.store.clone(), pipeline.environment("dev").await);
    let ask = |patience| {
        let (store, dev, wish) = (store.clone(), dev.clone(), wish.clone());
        tokio::spawn(async move { recent_log(&store, &dev, &wish, patience).await })
    };
    let asking = ask(PATIENCE);
    let asked = question(&pipeline, 60_000).await.expect("the question");
    assert_eq!((&asked.environment, asked.environment_name.as_str()), (&dev.id.to_string(), "dev"));
    assert_eq!((asked.container.as_str(), asked.lines, asked.since), ("web-1", 50, Some(3)));
    assert_eq!(question(&pipeline, 0).await, None, "it was handed out");

    let answer = |runner: &str, log| {
        pipeline.coordinator.answer_log(LogAnswer { runner: runner.to_owned(), question: asked.id.clone(), log })
    };
    answer("one", lines(1_001, "")).await.unwrap_err();
    answer("one", lines(1, &"x".repeat(5_000))).await.unwrap_err();
    answer("one", lines(200, &"x".repeat(4_000))).await.unwrap_err();
    answer("another", lines(1, "not the runner's")).await.unwrap();
    answer("one", lines(1, "hello")).await.unwrap();
    answer("one", lines(1, "said twice")).await.unwrap();
    let said = asking.await.unwrap().unwrap();
    let hello = ContainerLine { at: 7, stream: LogStream::Err, text: "hello".to_owned() };
    assert_eq!(said, RecentLog { lines: vec![hello], is_cut: true });

    // Who does not answer is named, and asked no more.
    let soon = Duration::from_millis(10);
    let unanswered = ask(soon).await.unwrap().unwrap_err();
    assert!(unanswered.to_string().contains("did not answer within"), "{unanswered}");
    assert_eq!(question(&pipeline, 0).await, None, "nobody waits for it any more");
    // One that is away is not waited for, and there may be none.
    pipeline.clock.advance(120_000);
    let silent = ask(PATIENCE).await.unwrap().unwrap_err();
    assert!(silent.to_string().contains("was not heard of for a minute"), "{silent}");
    let production = pipeline.environment("production").await;
    let homeless = recent_log(&store, &production, &wish, PATIENCE).await.unwrap_err();
    assert!(matches!(homeless, RecentLogError::Homeless(_)), "{homeless}");
}

/// The container of an environment, once its runner has told of it.
async fn container(house: &House, environment: &str) -> String {
    house.live(environment, 1).await;
    until("a container to be told of", LONG, async || {
        let found: Value = house.ask(&format!("environments/{environment}")).await.expect(200).json();
        Some(found["replicas"][0]["container"].as_str()?.to_owned())
    })
    .await
}

/// Has the app write something: to standard output (1) or standard error (2).
fn write(container: &str, stream: u8, text: &str) {
    docker(&["exec", container, "sh", "-c", &format!("printf '{text}' > /proc/1/fd/{stream}")]);
}

#[tokio::test]
async fn people_read_what_a_live_container_writes_and_no_other_container() {
    let house = House::open().await;
    let captain = format!(
        "web:\n  build: Dockerfile\n  image: {}\n  release:\n    port: 8080\n    \
         health: {{http: /health, interval: 500ms, start: 30s}}\n\
         environments:\n  dev: {{from: {{branch: main}}}}\n  other: {{from: {{branch: main}}}}\n",
        house.image()
    );
    let mut files = web_app("one", true);
    files.push(("captain.yml", captain));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    house.push("main", &files).await;
    let (web, other) = (container(&house, "dev").await, container(&house, "other").await);
    write(&web, 2, r"\033[31mtoo hot\033[0m <b>\n\377\n");
    let log = async |container: &str, query: &str| {
        house.ask(&format!("environments/dev/containers/{container}/log{query}")).await
    };

    // The API tells both streams with their times, and goes on from there.
    let told = log(&web, "?lines=50").await.expect(200).json();
    let (first, second) = (&told["items"][0], &told["items"][1]);
    assert_eq!((&first["text"], &first["stream"]), (&"serving".into(), &"out".into()), "{told:#}");
    assert_eq!((&second["text"], &second["stream"]), (&"\u{1b}[31mtoo hot\u{1b}[0m <b>".into(), &"err".into()));
    assert_eq!(told["is_cut"], false);
    assert_eq!(log(&web, "?lines=1").await.expect(200).json()["is_cut"], true);
    let since = first["time"].as_str().unwrap();
    let later = log(&web, &format!("?since={since}")).await.expect(200).json();
    assert_eq!(later["items"][0], *second, "{later:#}");
    log(&web, "?lines=1001").await.expect(400);
    log(&web, "?since=yesterday").await.expect(400);

    // The runner shows no container but those of the environment's releases that it made itself.
    let environment = docker(&["inspect", "-f", "{{index .Config.Labels \"slipway.environment\"}}", &web]).remove(0);
    let foreign = format!("foreign-{}", house.runner().to_lowercase());
    let label = format!("slipway.environment={environment}");
    let labels = ["--label", "slipway=release", "--label", &label, "--label", "slipway.runner=somebody-else"];
    docker(&[&["create", "--name", &foreign], &labels[..], &["busybox:latest"]].concat());
    let refused = [log(&other, "").await, log(&foreign, "").await, log("..%2Fimages", "").await];
    docker(&["rm", &foreign]);
    for answer in refused {
        assert!(answer.expect(404).detail().contains("is not shown: it is no container of a release"));
    }
    assert!(log("gone", "").await.expect(404).detail().contains("There is no container gone any more"));
    let of_web = format!("/repositories/{}/environments/dev/containers/{web}", house.webhook.repository);
    house.slipway.anonymous().get(&format!("/api/v1{of_web}/log")).await.expect(401);
    assert_eq!(house.slipway.anonymous().get(&of_web).await.expect(303).header("location").find("/login"), Some(0));

    // So does the command line, which follows.
    let repository = house.webhook.repository.as_str();
    let shown = house.slipway.command(&["container", "log", repository, "dev"], "").await;
    assert_eq!(String::from_utf8_lossy(&shown.stdout).lines().next(), Some("serving"), "{shown:?}");
    let following = house.slipway.begin(&["container", "log", repository, "dev", "web", "--lines", "1", "--follow"]);
    following.says("\u{fffd}").await;
    write(&web, 1, r"for whoever follows\n");
    following.says("for whoever follows").await;
    drop(following);

    // The page is found from the environment's, shows colours and no markup, and goes on while somebody looks at its end.
    let browser = Browser::open().await;
    browser.goto(house.slipway.url()).await;
    browser.type_into("#token", house.slipway.token()).await;
    browser.click("form.form button").await;
    browser.until("document.querySelector('form[action=\"/logout\"]')").await;
    browser.goto(&format!("{}/repositories/{repository}/environments/dev", house.slipway.url())).await;
    browser.click(".replicas th a").await;
    browser.shows("h1", "web 1").await;
    browser.shows("#container-log .err .f1", "too hot").await;
    browser.shows("#container-log", "<b>").await;
    browser.shows("#following", "Following.").await;
    write(&web, 1, r"seen without a reload\n");
    browser.shows("#container-log", "seen without a reload").await;
    docker(&["exec", &web, "sh", "-c", "seq 1 300 > /proc/1/fd/1"]);
    browser.shows("#container-log p:last-child", "300").await;
    browser.eval("document.querySelector('#container-log').scrollTop = 0").await;
    browser.shows("#following", "Not following").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
