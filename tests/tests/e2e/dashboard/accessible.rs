//! Whether every page can be used by everybody: looked at by axe, which nobody here wrote (scripts/setup fetches it).

use std::{fs, path::Path};

use serde_json::{Value, json};
use slipway_tests::browser::Browser;

use super::{looks::shop, settings::set_password};

/// Every page, as an administrator sees it.
const PAGES: [&str; 26] = [
    "/",
    "/jump?q=shop",
    "/services",
    "/alerts",
    "/deliveries",
    "/runners",
    "/queue",
    "/connect",
    "/settings/secrets",
    "/settings/registries",
    "/settings/github",
    "/settings/tokens",
    "/settings/users",
    "/settings/schedules",
    "/settings/audit",
    "/repositories/acme/shop",
    "/repositories/acme/shop/plan",
    "/repositories/acme/shop/settings",
    "/repositories/acme/shop/setup",
    "/repositories/acme/shop/builds/2",
    "/repositories/acme/shop/builds/3",
    "/repositories/acme/shop/builds/3/steps/0",
    "/repositories/acme/shop/environments",
    "/repositories/acme/shop/environments/staging",
    "/repositories/acme/shop/environments/dev/releases/1",
    "/repositories/acme/shop/environments/dev/releases/1/rollback",
];

/// What WCAG 2.2 asks for at the levels A and AA, and what axe holds to be good practice besides.
const LOOK: &str = "
const done = arguments[arguments.length - 1];
// The numbers of a log's lines stand as close as its lines: the keyboard and an address lead to each as well (WCAG 2.5.8, equivalent).
const counts = (v, n) => v.id !== 'target-size' || !document.querySelector(n.target[0])?.closest('.log');
const told = (v) => [v.id, v.nodes.filter((n) => counts(v, n)).slice(0, 3).map((n) => n.target.join(' ')).join(' | ')];
axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
  .then((found) => done(found.violations.map(told).filter((v) => v[1]).map((v) => v.join(': '))), (error) => done([String(error)]));";

/// The script of axe, as the package for Python brings it.
fn axe() -> String {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/lib");
    let versions = fs::read_dir(&packages).unwrap_or_else(|error| panic!("{error}: run scripts/setup test first"));
    let found = versions.flatten().map(|version| version.path().join("site-packages/axe_playwright_python/axe.min.js"));
    fs::read_to_string(found.into_iter().find(|file| file.exists()).unwrap()).unwrap()
}

#[tokio::test]
async fn nobody_is_kept_out_of_any_page() {
    let scene = shop().await;
    let (browser, axe) = (Browser::open().await, axe());
    browser.goto(&scene.url("/login?next=/jump")).await;
    browser.type_into("#token", &format!("{}\u{e007}", scene.token())).await;
    browser.until("location.pathname === '/jump'").await;
    let mut found = Vec::new();
    let mut addresses: Vec<(&str, String)> = PAGES.iter().map(|path| (*path, scene.url(path))).collect();
    let link = scene.invite("ana", "developer", None).await;
    addresses.push(("/welcome", link.clone()));
    addresses.push(("/account", scene.url("/account")));
    for (path, address) in addresses {
        if path == "/account" {
            browser.goto(&link).await;
            set_password(&browser).await;
        }
        browser.goto(&address).await;
        for scheme in ["light", "dark"] {
            browser.prefer(scheme).await;
            browser.client().execute(&axe, vec![]).await.unwrap();
            let told = browser.client().execute_async(LOOK, vec![]).await.unwrap();
            for violation in told.as_array().into_iter().flatten() {
                found.push(format!("{path} in the {scheme}: {}", violation.as_str().unwrap_or_default()));
            }
        }
        browser.resize(390, 844).await;
        let width = browser.eval("return document.documentElement.scrollWidth").await;
        if width != json!(390) {
            found.push(format!("{path} scrolls sideways on a phone: {width}"));
        }
        browser.resize(1240, 900).await;
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    assert_ne!(browser.eval("return axe.version").await, Value::Null);
}
