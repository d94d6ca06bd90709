//! Pages that follow what happens.

use futures_util::StreamExt as _;
use slipway_runner::coordinator::{StepKind, StepOutcome};
use slipway_tests::browser::Browser;

use super::scene::{Scene, client, ended};

#[tokio::test]
async fn a_running_log_is_followed_to_its_end() {
    let scene = Scene::new().await;
    let number = scene.push("main", 1, "Slow tests").await;
    let build = scene.url(&format!("/repositories/acme/shop/builds/{number}"));
    let browser = Browser::open().await;
    browser.goto(&build).await;
    browser.eval("window.marker = 1").await;
    browser.shows("#facts", "queued").await;

    // The steps appear, and the log of the one that runs is open and grows.
    let lease = scene.claim().await;
    scene
        .declare(&lease, &[(StepKind::Pre, "web", "make test"), (StepKind::Push, "web", "registry.example/web")])
        .await;
    scene.runner_starts(&lease, 0).await;
    scene.log(&lease, 0, 0, 1, &["\u{1b}[32mfirst line", "second line"]).await;
    browser.until("document.querySelectorAll('#tail-1-0 p').length === 2").await;
    scene.log(&lease, 0, 1, 3, &["\u{1b}[0m<b>third</b> line"]).await;
    browser.until("document.querySelectorAll('#tail-1-0 p').length === 3").await;
    let second = browser.eval("return document.querySelector('#s1-0-L2 .f2') !== null").await;
    assert_eq!(second, true, "the colour holds over the end of a line");
    browser.shows("#s1-0-L3", "<b>third</b> line").await;
    browser.shows("#facts", "running").await;

    // The log's own page joins in the middle and goes on.
    browser.goto(&format!("{build}/steps/0")).await;
    browser.eval("window.marker = 2").await;
    browser.shows("#L3", "third").await;
    scene.log(&lease, 0, 2, 4, &["! fourth line"]).await;
    browser.until("document.querySelector('#L4.err')").await;
    let outcome = ended(StepOutcome::Failed, Some("make test ended with exit code 2"));
    scene.runner_ends(&lease, 0, outcome).await;
    browser.shows("#facts", "failed").await;
    browser.shows("#total", "4").await;
    browser.shows("#reason", "exit code 2").await;
    assert_eq!(browser.eval("return document.querySelectorAll('#log p').length").await, 4, "no line is doubled");
    assert_eq!(browser.eval("return window.marker").await, 2, "the page was never loaded anew");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_and_ends_with_the_server() {
    let scene = Scene::new().await;
    let number = scene.push("main", 1, "Many lines").await;
    let lease = scene.claim().await;
    scene.declare(&lease, &[(StepKind::Pre, "web", "seq 1200")]).await;
    scene.runner_starts(&lease, 0).await;
    let texts: Vec<String> = (1..=1200).map(|number| format!("line {number}.")).collect();
    let lines: Vec<&str> = texts.iter().map(String::as_str).collect();
    scene.log(&lease, 0, 0, 1, &lines).await;

    let address = scene.url(&format!("/stream/repositories/acme/shop/builds/{number}/steps/0?from=0;1-0=701"));
    let first = read_until(&address, None, "line 1200.").await;
    assert!(first.contains("line 701.") && !first.contains("line 700."), "{first}");
    // A browser that was cut off after some event sends its id: it gets what follows, each line once.
    let id = first.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
    assert!(id.contains("1-0=1201"), "{id}");
    scene.log(&lease, 0, 1, 1201, &["line 1201."]).await;
    let second = read_until(&address, Some(id), "line 1201.").await;
    assert!(!second.contains("line 1200."), "{second}");

    let mut open = client().get(&address).send().await.unwrap().bytes_stream();
    open.next().await.unwrap().unwrap();
    scene.stop().await;
    while let Some(Ok(_)) = open.next().await {}
}

/// Reads a stream until a text has come.
async fn read_until(address: &str, last_id: Option<&str>, text: &str) -> String {
    let mut request = client().get(address);
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut stream = response.bytes_stream();
    let mut read = String::new();
    while !read.contains(text) {
        read.push_str(&String::from_utf8_lossy(&stream.next().await.expect("more of the stream").unwrap()));
    }
    read
}
