//! The viewer of a log, with a log that is longer than any page could hold.
//!
//! What is measured is printed: `cargo test -p slipway-tests --test e2e dashboard::viewer -- --nocapture`

use std::io::Write as _;

use serde_json::Value;
use slipway_runner::coordinator::{LeaseKey, StepKind, StepOutcome};
use slipway_tests::browser::Browser;

use super::scene::{Scene, ended};

const LOG: &str = "/repositories/acme/shop/builds/1/steps/0";
const LINES: i64 = 200_000;

/// Sends lines as a runner does, a thousand at a time.
async fn write(scene: &Scene, lease: &LeaseKey, from: i64, to: i64) {
    let text = |number: i64| match number {
        777 | 150_000 => format!("here is a needle, in line {number}"),
        1_000 => "::group::Install what is needed".to_owned(),
        1_500 => "::endgroup::".to_owned(),
        number if number % 1_000 == 3 => "a line that is so long that no window shows it at once ".repeat(20),
        number => format!("\u{1b}[32mok\u{1b}[0m {number} compiled src/module_{}/part_{number}.c", number % 97),
    };
    for first in (from..=to).step_by(1_000) {
        let texts: Vec<String> = (first..=to.min(first + 999)).map(text).collect();
        let lines: Vec<&str> = texts.iter().map(String::as_str).collect();
        scene.log(lease, 0, first / 1_000, first, &lines).await;
    }
}

/// Whether a line is within what the log shows.
fn in_sight(line: i64) -> String {
    format!(
        "(() => {{ const row = document.getElementById('L{line}'), box = document.getElementById('log').getBoundingClientRect(); \
         if (!row) return false; const at = row.getBoundingClientRect(); \
         return at.height > 0 && at.top >= box.top - 1 && at.bottom <= box.bottom + 1; }})()"
    )
}

/// Scrolls for two seconds and a half, as a hand does that drags; tells of the frames and of the most rows at once.
const DRAG: &str = r"
const box = document.getElementById('log'), [from, to] = [box.scrollTop, arguments[0] * box.scrollHeight], frames = [], start = performance.now();
let last = start, rows = 0;
window.dragged = null;
(function frame(now) {
  frames.push(now - last); last = now;
  rows = Math.max(rows, box.querySelectorAll('p').length);
  const done = Math.min(1, (now - start) / 2500);
  box.scrollTop = from + (to - from) * done;
  if (done < 1) return requestAnimationFrame(frame);
  frames.sort((a, b) => a - b);
  window.dragged = { frames: frames.length, median: frames[frames.length >> 1], slow: frames[Math.floor(frames.length * 0.95)], rows };
})(start);";

fn tell(what: &str) {
    drop(writeln!(std::io::stderr(), "{what}"));
}

async fn drag(browser: &Browser, to: f64) -> Value {
    browser.client().execute(DRAG, vec![to.into()]).await.unwrap();
    browser.until("window.dragged").await;
    browser.eval("return window.dragged").await
}

#[tokio::test]
async fn a_log_of_200_000_lines_is_scrolled_linked_searched_folded_and_followed() {
    let scene = Scene::new().await;
    scene.push("main", 1, "Many lines").await;
    let lease = scene.claim().await;
    scene.declare(&lease, &[(StepKind::Pre, "web", "make -j8")]).await;
    scene.runner_starts(&lease, 0).await;
    write(&scene, &lease, 1, LINES).await;

    let browser = Browser::open().await;
    browser.goto(&scene.url(LOG)).await;
    browser.until(&in_sight(LINES)).await;
    let painted =
        "return performance.getEntriesByType('paint').find((e) => e.name === 'first-contentful-paint').startTime";
    tell(&format!("first lines painted after {} ms", browser.eval(painted).await));

    // To the middle and back to the end, by the scrollbar: it tells the true place, and few lines are there at once.
    let middle = drag(&browser, 0.5).await;
    tell(&format!("dragged to the middle: {middle}"));
    let shown = "(() => { const box = document.getElementById('log').getBoundingClientRect(); \
                 return [...document.querySelectorAll('#log p')].map((p) => [p.getBoundingClientRect(), Number(p.id.slice(1))]) \
                 .filter(([at]) => at.height && at.top >= box.top && at.bottom <= box.bottom).map(([, line]) => line); })()";
    browser.until(&format!("{shown}.length > 20")).await;
    let lines = browser.eval(&format!("return {shown}")).await;
    let first = lines[0].as_i64().unwrap();
    assert!((95_000..105_000).contains(&first), "half way is line {first}");
    assert!(middle["rows"].as_i64().unwrap() <= 2_500, "{middle}");

    // Who reads in the middle is not disturbed by lines that come.
    write(&scene, &lease, LINES + 1, LINES + 1_000).await;
    browser.shows("#to-end", "1000 new lines").await;
    assert_eq!(browser.eval(&format!("return {shown}")).await[0], lines[0], "nothing moved");
    browser.press("1000 new lines").await;
    browser.until(&in_sight(LINES + 1_000)).await;
    // Who is at the end stays there, until they scroll up.
    write(&scene, &lease, LINES + 1_001, LINES + 3_000).await;
    browser.until(&in_sight(LINES + 3_000)).await;
    browser.shows("#total", "203000").await;
    let rows = browser.eval("return document.querySelectorAll('#log p').length").await;
    assert!(rows.as_i64().unwrap() <= 2_500, "{rows} rows are held at the end");
    let back = drag(&browser, 0.0).await;
    tell(&format!("dragged to the beginning: {back}"));
    browser.until(&in_sight(1)).await;

    // A link to a line leads there, and a range of lines is picked by hand.
    browser.goto("about:blank").await;
    browser.goto(&scene.url(&format!("{LOG}#L123456"))).await;
    browser.until(&in_sight(123_456)).await;
    browser.until("document.querySelector('#L123456').classList.contains('picked')").await;
    browser.eval("document.querySelector('#L123460 a').dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true, shiftKey: true}))").await;
    browser
        .until("location.hash === '#L123456-L123460' && document.querySelectorAll('#log .picked').length === 5")
        .await;
    browser.shows("#log-tools", "Copy lines 123456–123460").await;

    // A search leads to each hit in its place.
    browser.eval("document.getElementById('log').focus()").await;
    browser.type_into("#log", "/").await;
    browser.type_into("[name=search]", "NEEDLE\u{e007}").await;
    browser.until(&format!("document.querySelector('#L150000.now') && {}", in_sight(150_000))).await;
    browser.shows("#found-now", "2 of 2").await;
    browser.press("Next").await;
    browser.until(&format!("document.querySelector('#L777.now') && {}", in_sight(777))).await;

    // A group is folded by its title, and a line within is found nevertheless.
    browser.goto(&scene.url(&format!("{LOG}#L1001"))).await;
    browser.until("document.querySelector('#L1000 [role=button]')").await;
    browser.click("#L1000 > span").await;
    browser.until(&format!("!{} && {}", in_sight(1_001), in_sight(1_501))).await;
    browser.goto(&scene.url(&format!("{LOG}#L1200"))).await;
    browser.until(&in_sight(1_200)).await;

    // Long lines are broken or not, as somebody wants it, and remembered.
    browser.press("Wrap").await;
    browser
        .until("document.querySelector('#log').scrollWidth > document.querySelector('#log').clientWidth + 400")
        .await;
    browser.press("Times: since the start").await;
    browser.until("/^\\d\\d:\\d\\d:\\d\\d$/.test(document.querySelector('#L1200 time').textContent)").await;
    scene.runner_ends(&lease, 0, ended(StepOutcome::Failed, Some("make ended with exit code 2"))).await;
    browser.shows("#facts", "failed").await;
    browser.until("document.querySelector('[data-do=follow]').hidden").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
