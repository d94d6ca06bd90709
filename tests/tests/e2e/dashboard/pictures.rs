//! The pictures of the documentation, taken of the real pages:
//! `cargo test -p slipway-tests --test e2e dashboard::pictures -- --ignored`.

use std::{fs, path::Path};

use slipway_tests::browser::Browser;

use super::scene::{SHOP_STEPS, Scene};

#[tokio::test]
#[ignore = "takes the pictures of docs/pictures anew"]
async fn pictures() {
    let scene = shop().await;
    let browser = Browser::open().await;
    browser.goto(&scene.url("/login")).await;
    let token = browser.client().find(fantoccini::Locator::Css("#token")).await.unwrap();
    token.send_keys(&format!("{}\u{e007}", scene.token())).await.unwrap();
    browser.until("location.pathname === '/'").await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    fs::create_dir_all(&folder).unwrap();
    let take = async |(name, path, height): (&str, &str, u32)| {
        browser.resize(1180, height).await;
        browser.goto(&scene.url(path)).await;
        browser.until("document.documentElement.dataset.live").await;
        fs::write(folder.join(format!("{name}.png")), browser.picture().await).unwrap();
    };
    for picture in [
        ("home", "/", 760),
        ("build", "/repositories/acme/shop/builds/44", 860),
        ("environments", "/repositories/acme/shop/environments", 900),
        ("environment", "/repositories/acme/shop/environments/production", 900),
        ("release", "/repositories/acme/shop/environments/staging/releases/34", 760),
    ] {
        take(picture).await;
    }
    // A canary at last, as it changes what the others show. The build that waits comes first.
    scene.claim().await;
    scene.promote("production").await;
    scene
        .fail_canary(
            "at 50 % of the traffic, web: 93 of its 1240 answers were 5xx (7.5 %; allowed 1.0 %, the stable version had 0.1 %)",
        )
        .await;
    for statement in CANARY_HISTORY {
        scene.rewrite(statement).await;
    }
    take(("canary", "/repositories/acme/shop/environments/production/releases/34", 860)).await;
}

/// A shop with a history: releases in three environments, a failure, and a build whose tests run.
pub(super) async fn shop() -> Scene {
    let scene = Scene::new().await;
    scene.rewrite("UPDATE repository SET last_build_number = 39").await;
    scene.ship(40, "Cache product pictures for a day").await;
    scene.rewrite("UPDATE environment SET last_release_number = 30 + position").await;
    for environment in ["staging", "production"] {
        scene.promote(environment).await;
        scene.roll_out().await;
    }
    scene.ship(41, "Let the basket forget after thirty days").await;
    scene.promote("staging").await;
    scene.roll_out().await;
    scene.push("fix/rounding", 42, "Round cents half to even").await;
    let failing = scene.claim().await;
    scene.declare(&failing, &SHOP_STEPS[..6]).await;
    scene.runner_starts(&failing, 0).await;
    scene.fail(&failing, 0, "docker run registry.example.com/shop/web npm test ended with exit code 1").await;
    scene.ship(43, "Send mails through the new relay").await;
    scene.promote("staging").await;
    scene.fail_rollout("web did not become healthy within 30 s: GET /health on port 8080 answered 503").await;

    let number = scene.push("main", 44, "Show the delivery date on the basket page").await;
    let running = scene.claim().await;
    scene.declare(&running, &SHOP_STEPS).await;
    for step in 0..5 {
        scene.run(&running, step, &["# done"]).await;
    }
    scene.runner_starts(&running, 5).await;
    let lines: Vec<&str> = TESTS.lines().collect();
    scene.log_at(&running, 5, (0, 1), &lines, |index| -12_400 + index * 870).await;
    scene.push("feature/gift-cards", 45, "Let gift cards expire a year after they were bought").await;
    assert_eq!(number, 44);
    for statement in HISTORY {
        scene.rewrite(statement).await;
    }
    scene
}

const TESTS: &str = "\
# runs registry.example.com/shop/web, container slipway-44-5
> shop@1.4.0 test
> mocha --recursive

  \u{1b}[1mbasket\u{1b}[0m
    \u{1b}[32m✔\u{1b}[0m \u{1b}[90mholds what was put in\u{1b}[0m
    \u{1b}[32m✔\u{1b}[0m \u{1b}[90mforgets after thirty days\u{1b}[0m \u{1b}[33m(41ms)\u{1b}[0m
    \u{1b}[32m✔\u{1b}[0m \u{1b}[90mshows the delivery date\u{1b}[0m
! (node:7) Warning: \u{1b}[33mthe option tz is deprecated, use timeZone\u{1b}[0m
    \u{1b}[32m✔\u{1b}[0m \u{1b}[90mshows it in the customer's zone\u{1b}[0m

  \u{1b}[1mcheckout\u{1b}[0m
    \u{1b}[32m✔\u{1b}[0m \u{1b}[90mrounds cents half to even\u{1b}[0m";

/// The canary happened within a moment; these give it the minutes that it takes.
const CANARY_HISTORY: [&str; 2] = [
    "UPDATE step SET
        started_at = started_at - CASE position WHEN 0 THEN 452000 WHEN 1 THEN 449000 WHEN 2 THEN 146000 ELSE 4000 END,
        finished_at = finished_at - CASE position WHEN 0 THEN 449000 WHEN 1 THEN 146000 WHEN 2 THEN 4000 ELSE 1500 END
        WHERE started_at IS NOT NULL AND job_id = (SELECT j.id FROM job j JOIN release r ON r.id = j.release_id
            JOIN environment e ON e.id = r.environment_id WHERE e.name = 'production' AND r.number = 34)",
    "UPDATE release SET started_at = started_at - 452000, finished_at = finished_at - 1500, created_at = created_at - 453000
        WHERE number = 34 AND environment_id = (SELECT id FROM environment WHERE name = 'production')",
];

/// Everything above happened within a second; these give it the times that such things take.
const HISTORY: [&str; 9] = [
    "UPDATE build SET created_at = created_at - (44 - number) * 2700000 - 34000,
        started_at = started_at - (44 - number) * 2700000 - 33000 WHERE number <= 44",
    "UPDATE build SET finished_at = started_at + 36200 + number % 7 * 1300 WHERE finished_at IS NOT NULL",
    "UPDATE release SET created_at = (SELECT finished_at FROM build WHERE id = build_id)
        + CASE kind WHEN 'build' THEN 100 ELSE 1600000 END",
    "UPDATE release SET started_at = created_at + 900, finished_at = created_at + 15300",
    "UPDATE step SET started_at = (SELECT b.started_at FROM build b JOIN job j ON j.build_id = b.id WHERE j.id = job_id)
        + CASE position WHEN 0 THEN 0 WHEN 1 THEN 1100 WHEN 2 THEN 1100 WHEN 3 THEN 12400 WHEN 4 THEN 17200 ELSE 20300 END
        WHERE job_id IN (SELECT id FROM job WHERE build_id IS NOT NULL) AND started_at IS NOT NULL",
    "UPDATE step SET finished_at = started_at
        + CASE position WHEN 0 THEN 1100 WHEN 1 THEN 11300 WHEN 2 THEN 16100 WHEN 3 THEN 7900 WHEN 4 THEN 8800 ELSE 9000 END
        WHERE job_id IN (SELECT id FROM job WHERE build_id IS NOT NULL) AND finished_at IS NOT NULL",
    "UPDATE build SET author = 'Jo Lindqvist' WHERE number % 3 = 0",
    "UPDATE job SET created_at = created_at - 20000 WHERE state = 'queued'",
    "UPDATE build SET created_at = created_at - 20000 WHERE state = 'queued'",
];
