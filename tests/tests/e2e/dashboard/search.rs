//! Looking for text in logs: on their pages, by the API, and at the command line.

use std::process::Stdio;

use reqwest::{Response, header};
use slipway_runner::coordinator::StepKind;
use slipway_tests::slipway::Setup;

use super::scene::{Scene, client};

const STEP: &str = "/repositories/acme/shop/builds/1/steps/0";
const LINES: usize = 5_000;

/// A step that runs, with many lines, one of them in colours.
async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.push("main", 1, "Many lines").await;
    let lease = scene.claim().await;
    scene.declare(&lease, &[(StepKind::Pre, "web", "seq 5000")]).await;
    scene.runner_starts(&lease, 0).await;
    let mut texts: Vec<String> = (1..LINES).map(|number| format!("line {number}.")).collect();
    texts.push("\u{1b}[31mFatal\u{1b}[0m: <disk> full".to_owned());
    for (seq, part) in (0..).zip(texts.chunks(1_000)) {
        let lines: Vec<&str> = part.iter().map(String::as_str).collect();
        scene.log(&lease, 0, seq, seq * 1_000 + 1, &lines).await;
    }
    scene
}

async fn api(scene: &Scene, of: &str) -> Response {
    let request = client().get(scene.url(&format!("/api/v1{STEP}/{of}"))).bearer_auth(scene.token());
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_page_lists_the_lines_that_were_looked_for() {
    let scene = scene().await;
    let whole = scene.page(STEP).await;
    assert!(
        whole.contains("Search this log")
            && whole.contains("href=\"/repositories/acme/shop/builds/1/steps/0/log.txt\" download")
    );
    let found = scene.page(&format!("{STEP}?search=fatal%3A%20%3CDISK&any_case=true")).await;
    assert!(found.contains("1 line holds <q>fatal: &#60;DISK</q>."), "{found}");
    assert!(found.contains(&format!("href=\"{STEP}?line=5000#L5000\"")), "{found}");
    assert_eq!(found.matches("<time>").count(), 1, "{found}");
    assert!(!found.contains("data-follow"), "what was found stays as it is");
    let cased = scene.page(&format!("{STEP}?search=fatal")).await;
    assert!(cased.contains("No line holds <q>fatal</q>."), "{cased}");

    let first = scene.page(&format!("{STEP}?search=line&any_case=true")).await;
    assert!(first.contains("500 lines hold") && first.contains("and the log goes on"), "{first}");
    let further = first.split('"').find(|part| part.contains("&amp;from=") || part.contains("&#38;from=")).unwrap();
    let further = further.replace("&#38;", "&").replace("&amp;", "&");
    let second = scene.page(&further).await;
    assert!(second.contains("id=\"L501\"") && second.contains("id=\"L1000\"") && !second.contains("id=\"L500\""));
}

#[tokio::test]
async fn the_api_gives_them_with_their_numbers_and_the_whole_as_text() {
    let scene = scene().await;
    let found = api(&scene, "log?search=line%20499&any_case=false").await;
    assert!(!found.headers().contains_key("slipway-next-line"), "the log ends there by now");
    let text = found.text().await.unwrap();
    assert_eq!(text.lines().count(), 11, "{text}");
    assert!(text.starts_with("499:line 499.\n4990:line 4990.\n"), "{text}");
    let first = api(&scene, "log?search=line").await;
    assert_eq!(first.headers()["slipway-next-line"], "1001");
    assert_eq!(api(&scene, "log?search=").await.status(), 400);
    assert_eq!(api(&scene, &format!("log?search={}", "x".repeat(401))).await.status(), 400);

    let whole = api(&scene, "log.txt").await;
    assert_eq!(whole.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    let whole = whole.text().await.unwrap();
    assert_eq!((whole.lines().count(), whole.lines().nth(4_000)), (LINES, Some("line 4001.")));
    assert_eq!(api(&scene, "log.txt?attempt=2").await.status(), 404);
}

#[tokio::test]
async fn the_command_line_does_so_too() {
    let (scene, setup) = (scene().await, Setup::new());
    let logs = async |arguments: &[&str]| {
        let mut command = setup.command();
        command.args(["logs", "acme/shop", "1", "0"]).args(arguments);
        command.env("SLIPWAY_URL", scene.url("")).env("SLIPWAY_TOKEN", scene.token()).stdin(Stdio::null());
        let output = command.output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let (done, whole, said) = logs(&[]).await;
    assert!(done && whole.lines().count() == LINES && whole.starts_with("line 1.\nline 2.\n"), "{said}");
    let (done, found, _) = logs(&["--search", "FATAL: <disk>", "-i"]).await;
    assert!(done && found == "5000:\u{1b}[31mFatal\u{1b}[0m: <disk> full\n", "{found}");
    let (done, found, _) = logs(&["--search", "line"]).await;
    assert!(done && found.lines().count() == LINES - 1, "all pages of them: {}", found.lines().count());
    let (done, found, said) = logs(&["--search", "FATAL"]).await;
    assert!(!done && found.is_empty() && said.contains("no line holds “FATAL”"), "{said}");
}
