//! How pages look and how hands use them: on a phone, in the dark, by keyboard and mouse.

use slipway_runner::coordinator::StepKind;
use slipway_tests::{browser::Browser, inbox::Inbox};

use super::scene::Scene;

const PAGES: [&str; 16] = [
    "/",
    "/repositories/acme/shop",
    "/repositories/acme/shop?branch=main&status=failed&author=Ana+Pereira",
    "/repositories/acme/shop/plan",
    "/repositories/acme/shop/builds/2",
    "/repositories/acme/shop/builds/3/steps/0",
    "/repositories/acme/shop/builds/3/steps/0?search=colour",
    "/repositories/acme/shop/environments",
    "/repositories/acme/shop/environments/staging",
    "/repositories/acme/shop/environments/dev/releases/1",
    "/alerts",
    "/deliveries",
    "/jump?q=shop",
    "/repositories/acme/shop/environments/dev/releases/1/rollback",
    "/repositories/acme/shop/environments/dev/compare?from=1&to=2",
    "/login",
];

/// The least contrast of text against what it stands on that WCAG 2.2 (1.4.3) asks for is 4.5; returns what is below.
const PALE_TEXTS: &str = r"
const rgb = (text) => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d');
  canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] > 250) return c; } return [255, 255, 255]; };
const pale = [];
for (const e of document.querySelectorAll('main *, .top *')) {
  if (![...e.childNodes].some((n) => n.nodeType === 3 && n.nodeValue.trim()) || !e.getClientRects().length || e.closest('svg')) continue;
  const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
  const contrast = (a + 0.05) / (b + 0.05);
  if (contrast < 4.5) pale.push(`${e.className || e.nodeName} '${e.textContent.trim().slice(0, 30)}' ${contrast.toFixed(2)}`);
}
return pale;";

#[tokio::test]
async fn every_page_fits_a_phone_and_can_be_read_in_any_light() {
    let scene = shop().await;
    let browser = Browser::open().await;
    for path in PAGES {
        browser.goto(&scene.url(path)).await;
        for scheme in ["light", "dark"] {
            browser.prefer(scheme).await;
            let pale = browser.eval(PALE_TEXTS).await;
            assert_eq!(pale, serde_json::json!([]), "{path} in the {scheme}");
        }
        browser.resize(390, 844).await;
        let width = browser.eval("return document.documentElement.scrollWidth").await;
        assert_eq!(width, 390, "{path} scrolls sideways");
        browser.resize(1240, 900).await;
        assert_eq!(browser.complaints().await, Vec::<String>::new(), "{path}");
    }
    browser.prefer("dark").await;
    browser.goto(&scene.url("/")).await;
    let dark = browser.eval("return getComputedStyle(document.body).backgroundColor").await;
    browser.click("#theme").await;
    let light = browser.eval("return getComputedStyle(document.body).backgroundColor").await;
    assert_ne!(dark, light, "the button turns the light on");
    browser.client().refresh().await.unwrap();
    assert_eq!(browser.eval("return getComputedStyle(document.body).backgroundColor").await, light, "and it stays on");
}

#[tokio::test]
async fn hands_promote_and_roll_back() {
    let scene = shop().await;
    let browser = Browser::open().await;
    browser.goto(&scene.url("/login?next=/repositories/acme/shop/environments")).await;
    browser.type_into("#token", &format!("{}\u{e007}", scene.token())).await;
    browser.until("location.pathname.endsWith('/environments')").await;

    browser.click("#promote-production summary").await;
    browser.shows("#promote-production .changes", "web").await;
    browser.click("#promote-production button").await;
    browser.until("location.pathname.endsWith('/production/releases/1')").await;
    browser.shows("#facts", "promoted from staging #1").await;
    scene.roll_out().await;
    browser.shows("#facts", "live").await;

    // Another release, and back to the first.
    browser.goto(&scene.url("/repositories/acme/shop/environments/staging")).await;
    browser.click("#promote-staging summary").await;
    browser.click("#promote-staging button").await;
    browser.until("location.pathname.endsWith('/staging/releases/2')").await;
    scene.roll_out().await;
    browser.goto(&scene.url("/repositories/acme/shop/environments/staging")).await;
    browser.click("#r1 .button").await;
    browser.shows("dialog", "Commits that go").await;
    browser.press("Roll staging back to #1").await;
    browser.until("location.pathname.endsWith('/staging/releases/3')").await;
    browser.shows("#facts", "rolled back to #1").await;
}

#[tokio::test]
async fn a_few_letters_lead_anywhere() {
    let scene = shop().await;
    let browser = Browser::open().await;
    browser.goto(&scene.url("/alerts")).await;
    browser.press("Jump to").await;
    browser.type_into(".palette input", "shop stag").await;
    browser.until("document.querySelectorAll('.palette a').length === 1").await;
    browser.shows(".palette a[aria-selected=true]", "acme/shop staging").await;
    browser.type_into(".palette input", "\u{e007}").await;
    browser.until("location.pathname.endsWith('/environments/staging')").await;

    // By the keyboard alone, and with an arrow.
    browser.type_into("body", "\u{e009}k\u{e000}").await;
    browser.type_into(".palette input", "shop 2").await;
    browser.until("document.querySelector('.palette a[aria-selected=true]')?.textContent.includes('#2')").await;
    browser.type_into(".palette input", "\u{e015}\u{e007}").await;
    browser.until("location.pathname.endsWith('/builds/2')").await;
    // Without JavaScript it is a page.
    assert!(scene.page("/jump?q=shop+stag").await.contains("/repositories/acme/shop/environments/staging"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn hands_say_who_is_told_of_what() {
    let (scene, inbox) = (Scene::new().await, Inbox::open().await);
    let browser = Browser::open().await;
    browser.goto(&scene.url("/login?next=/alerts")).await;
    browser.type_into("#token", &format!("{}\u{e007}", scene.token())).await;
    browser.until("location.pathname === '/alerts'").await;

    browser.click("#new-channel summary").await;
    browser.type_into("#new-channel [name=name]", "ops").await;
    browser.type_into("#new-channel [name=address]", &inbox.url("/geheim")).await;
    browser.click("#new-channel [value=release-live]").await;
    browser.type_into("#new-channel [name=environments]", "production*, staging").await;
    browser.click("#new-channel button").await;
    browser.shows("#channels table", "127.0.0.1").await;
    let told = browser.text("#channels table").await;
    assert!(told.contains("release-live") && told.contains("to production*, staging"), "{told}");
    assert!(!browser.client().source().await.unwrap().contains("geheim"), "what was given is never given back");

    // What it is told is changed, and where it leads stays.
    browser.click("#channels details summary").await;
    browser.click("#channels details [value=release-live]").await;
    browser.click("#channels details button").await;
    browser.until("!document.querySelector('#channels table').innerText.includes('release-live')").await;
    browser.shows("#channels table", "127.0.0.1").await;
    // Whether messages get there is tried at once.
    browser.click("#channels details summary").await;
    browser.click("[formaction='/alerts/channels/ops/test']").await;
    browser.shows("#channels", "A test was sent to ops").await;
    assert_eq!(inbox.posts().len(), 1);
    browser.click("#channels details summary").await;
    browser.click("[formaction='/alerts/channels/ops/remove']").await;
    browser.shows("#channels", "Nobody yet").await;
}

/// Two commits in dev, the first of them in staging, a failed build and a build that runs.
pub(super) async fn shop() -> Scene {
    let scene = Scene::new().await;
    scene.ship(1, "Cache product pictures for a day").await;
    scene.promote("staging").await;
    scene.roll_out().await;
    scene.ship(2, "Show the delivery date on the basket page").await;
    scene.push("fix/a-branch-with-a-rather-long-name-that-goes-on-and-on", 3, "Round cents half to even").await;
    let failing = scene.claim().await;
    let long = "docker run --rm -v ~/.m2:/root/.m2 -v \"$PWD\":/app -w /app maven:3.9 mvn clean install -DskipTests";
    scene.declare(&failing, &[(StepKind::Test, "web", long)]).await;
    scene.runner_starts(&failing, 0).await;
    let colours = (30..38).chain(90..98).map(|code| format!("\u{1b}[{code}mcolour {code}\u{1b}[0m"));
    let grounds = (40..48).chain(100..108).map(|code| format!("\u{1b}[{code}m ground {code} \u{1b}[0m"));
    let mut texts: Vec<String> = colours.chain(grounds).collect();
    texts.push("https://registry.example.com/v2/".repeat(12));
    texts.push("! AssertionError: expected 12.34 but got 12.35".to_owned());
    let lines: Vec<&str> = texts.iter().map(String::as_str).collect();
    scene.log(&failing, 0, 0, 1, &lines).await;
    scene.fail(&failing, 0, "The test of web ended with exit code 1. Nothing was pushed.").await;
    scene.push("feature/gift-cards", 4, "Let gift cards expire a year after they were bought").await;
    let running = scene.claim().await;
    scene.declare(&running, &[(StepKind::Checkout, "", "feature/gift-cards"), (StepKind::Pre, "web", "npm ci")]).await;
    scene.runner_starts(&running, 0).await;
    scene.log(&running, 0, 0, 1, &["# fetching"]).await;
    scene.ping().await;
    scene
}
