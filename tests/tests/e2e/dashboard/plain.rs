//! Pages as they are without JavaScript, and what protects them.

use reqwest::header;
use slipway_runner::coordinator::StepKind;

use super::scene::{Scene, client};

const ATTACK: &str = "</title><script>alert(1)</script><img src=x onerror=alert(2)>";

#[tokio::test]
async fn every_fact_is_there_without_javascript() {
    let scene = Scene::new().await;
    assert!(scene.page("/").await.contains("No build yet"));
    let number = scene.ship(1, "Show the delivery date\n\nThe warehouse tells it.").await;
    scene.promote("staging").await;
    scene.roll_out().await;
    scene.ping().await;

    let home = scene.page("/").await;
    assert_says(
        &home,
        &["acme/shop", "Show the delivery date", "dev", "staging", "nothing live", "Nothing is running"],
    );
    let repository = scene.page("/repositories/acme/shop?branch=main").await;
    assert_says(&repository, &["Builds of <code>main</code>", "#1", "https://github.com/acme/shop.git"]);
    let build = scene.page(&format!("/repositories/acme/shop/builds/{number}")).await;
    assert_says(
        &build,
        &["Ana Pereira", "The warehouse tells it.", "npm ci", "checkout", "74.2 MB", "latest", "staging #1"],
    );
    let log = scene.page("/repositories/acme/shop/builds/1/steps/5").await;
    assert_says(&log, &["id=\"L1\"", "<span class=\"bold\">basket</span>", "holds what was put in"]);
    let text = scene.page("/repositories/acme/shop/builds/1/steps/1/log.txt").await;
    assert_eq!(text, "added 212 packages in 4s\n");
    let environments = scene.page("/repositories/acme/shop/environments").await;
    assert_says(
        &environments,
        &["staging.shop.example.com", "from branch <code>main</code>", "Promote what is live in staging"],
    );
    let staging = scene.page("/repositories/acme/shop/environments/staging").await;
    assert_says(&staging, &["promoted from dev #1", "Runs the same as dev #1"]);
    let release = scene.page("/repositories/acme/shop/environments/staging/releases/1").await;
    assert_says(&release, &["2 replicas", "registry.example.com/shop/worker", "administrator"]);
    assert_says(&scene.page("/deliveries").await, &["ping", "a ping asks for nothing", "ignored"]);
    assert_says(
        &scene.page("/repositories/acme/shop/plan?branch=nowhere").await,
        &["Nothing is planned yet", "nowhere"],
    );
    assert_says(&scene.page("/runners").await, &["embedded", "0.1.0", "No job waits"]);
    let waiting = scene.push("topic", 9, "Wait for a runner").await;
    let queue = scene.page("/queue?repository=acme/shop").await;
    assert_says(&queue, &["Nothing runs", &format!("acme/shop #{waiting}"), "Wait for a runner"]);
    assert_says(&scene.page("/queue").await, &["Waiting for a free runner."]);
}

#[tokio::test]
async fn what_attackers_write_stays_text() {
    let scene = Scene::new().await;
    let number = scene.push(ATTACK, 2, ATTACK).await;
    let lease = scene.claim().await;
    scene.declare(&lease, &[(StepKind::Pre, ATTACK, ATTACK)]).await;
    scene.runner_starts(&lease, 0).await;
    scene.log(&lease, 0, 0, 1, &[ATTACK, &format!("\u{1b}[31m{ATTACK}\u{1b}[0m")]).await;
    scene.fail(&lease, 0, ATTACK).await;
    scene.ping().await;
    let build = format!("/repositories/acme/shop/builds/{number}");
    for path in ["/", "/repositories/acme/shop", &build, &format!("{build}/steps/0"), "/deliveries"] {
        let page = scene.page(path).await;
        let own = page.matches("<script src=\"/assets/").count();
        assert_eq!(page.matches("<script").count(), own, "{path}: {page}");
        assert!(!page.contains("<img"), "{path}");
        assert!(page.contains("onerror") || path == "/deliveries", "{path} does not show it at all");
    }
}

#[tokio::test]
async fn long_logs_are_read_in_windows() {
    let scene = Scene::new().await;
    scene.push("main", 1, "Many lines").await;
    let lease = scene.claim().await;
    scene.declare(&lease, &[(StepKind::Pre, "web", "seq 5000")]).await;
    scene.runner_starts(&lease, 0).await;
    let texts: Vec<String> = (1..=5000).map(|number| format!("line {number}.")).collect();
    let lines: Vec<&str> = texts.iter().map(String::as_str).collect();
    scene.log(&lease, 0, 0, 1, &lines).await;
    let log = "/repositories/acme/shop/builds/1/steps/0";
    let end = scene.page(log).await;
    assert_says(&end, &["id=\"L4501\"", "id=\"L5000\"", "?until=4500", "?from=1\"", "/stream/"]);
    assert!(!end.contains("id=\"L4500\"") && end.len() < 100_000);
    let middle = scene.page(&format!("{log}?line=1500")).await;
    assert_says(&middle, &["id=\"L1251\"", "id=\"L1500\"", "id=\"L1750\"", "?until=1250", "?from=1751"]);
    assert!(!middle.contains("id=\"L1751\""));
    let part = end.split('"').find(|part| part.starts_with("/logs/")).unwrap();
    let whole = scene.get(&format!("{part}/lines/3")).await;
    assert_eq!(whole.headers()[header::CACHE_CONTROL], "no-store");
    let whole = whole.text().await.unwrap();
    assert!(whole.starts_with("<p id=\"L751\">") && whole.contains("id=\"L1000\"") && !whole.contains("id=\"L1001\""));
    let beyond = scene.get(&format!("{part}/lines/20")).await;
    assert_eq!(beyond.headers()[header::CACHE_CONTROL], "no-store", "it may still grow");
    assert_eq!(scene.page(&format!("{part}/text?from=7&to=8")).await, "line 7.\nline 8.");
    assert_eq!(scene.get(&format!("{part}/text?from=1&to=900000")).await.status(), 400);
    assert_eq!(scene.page(&format!("{log}/log.txt")).await, texts.join("\n") + "\n");
}

#[tokio::test]
async fn pages_may_load_only_their_own_and_assets_stay_for_ever() {
    let scene = Scene::new().await;
    let response = scene.get("/").await;
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("no-store"));
    let page = response.text().await.unwrap();
    assert!(page.len() < 100_000);
    let style = page.split('"').find(|part| part.starts_with("/assets/") && part.ends_with(".css")).unwrap();
    let style = scene.get(style).await;
    assert_eq!(style.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    assert_eq!(style.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
    assert_eq!(scene.get("/assets/000000000000/slipway.css").await.status(), 404);
}

#[tokio::test]
async fn refusals_are_pages_for_people_and_problems_for_programs() {
    let scene = Scene::new().await;
    let missing = scene.get("/repositories/acme/none").await;
    assert_eq!(missing.status(), 404);
    let page = missing.text().await.unwrap();
    assert_says(&page, &["<!doctype html>", "There is nothing here", "404"]);
    assert_eq!(scene.get("/no/such/page").await.status(), 404);
    let program = client().get(scene.url("/repositories/acme/none")).send().await.unwrap();
    assert_eq!(program.headers()[header::CONTENT_TYPE], "application/problem+json");
}

#[tokio::test]
async fn changing_needs_a_login_and_then_works_by_plain_forms() {
    let scene = Scene::new().await;
    let refused = scene.get("/connect").await;
    assert_eq!(refused.headers()[header::LOCATION], "/login?next=%2Fconnect");
    assert_says(&scene.page("/login?problem=unknown-token&next=//evil.example").await, &["not known", "value=\"/\""]);

    let cookie = scene.log_in().await;
    let form = "name=acme/mailer&clone_url=https://github.com/acme/mailer.git&default_branch=main";
    assert_eq!(scene.post("/connect", form, None).await.headers()[header::LOCATION], "/login");
    let wrong = scene.post("/connect", "name=mailer&clone_url=x&default_branch=main", Some(&cookie)).await;
    assert_eq!(wrong.status(), 422);
    assert_says(&wrong.text().await.unwrap(), &["The name must be owner/name", "value=\"mailer\""]);
    let connected = scene.post("/connect", form, Some(&cookie)).await;
    assert_eq!(connected.status(), 201);
    let page = connected.text().await.unwrap();
    assert_says(&page, &["/webhooks/github/", "application/json", "https://github.com/acme/mailer/settings/hooks/new"]);

    let number = scene.push("main", 3, "Slow").await;
    let build = format!("/repositories/acme/shop/builds/{number}");
    let cancelled = scene.post(&format!("{build}/cancel"), "", Some(&cookie)).await;
    assert_eq!((cancelled.status().as_u16(), &cancelled.headers()[header::LOCATION]), (303, &build.parse().unwrap()));
    assert_says(&scene.page(&build).await, &["cancelled by administrator"]);
    let again = scene.post(&format!("{build}/cancel"), "", Some(&cookie)).await;
    assert_eq!(again.status(), 409);
    assert_says(&again.text().await.unwrap(), &["This cannot be done now", "is over already"]);
}

#[tokio::test]
async fn a_failed_build_is_tried_again_and_each_attempt_keeps_its_page() {
    let scene = Scene::new().await;
    let number = scene.push("main", 3, "Flaky").await;
    let build = format!("/repositories/acme/shop/builds/{number}");
    let lease = scene.claim().await;
    scene.declare(&lease, &[(StepKind::Test, "web", "npm test")]).await;
    scene.runner_starts(&lease, 0).await;
    scene.log(&lease, 0, 0, 1, &["the network is down"]).await;
    scene.fail(&lease, 0, "npm test failed").await;
    let page = scene.page(&build).await;
    assert!(!page.contains("Try again"), "that is for those who may change something");

    let cookie = scene.log_in().await;
    let retried = scene.post(&format!("{build}/retry"), "", Some(&cookie)).await;
    assert_eq!((retried.status().as_u16(), &retried.headers()[header::LOCATION]), (303, &build.parse().unwrap()));
    assert_says(&scene.page(&build).await, &["Administrator tried it again. Waiting for"]);
    let twice = scene.post(&format!("{build}/retry"), "", Some(&cookie)).await;
    assert_eq!(twice.status(), 409);
    assert_says(&twice.text().await.unwrap(), &["cannot be tried again: it is under way"]);

    let lease = scene.claim().await;
    scene.declare(&lease, &[(StepKind::Test, "web", "npm test")]).await;
    scene.run(&lease, 0, &["the network is back"]).await;
    let earlier = format!("{build}/attempts/1");
    assert_says(&scene.page(&build).await, &["Attempt 2", &format!("href=\"{earlier}\"")]);
    assert_says(&scene.page(&earlier).await, &["npm test failed", "the network is down"]);
    assert_says(&scene.page(&format!("{earlier}/steps/0")).await, &["attempt 1", "the network is down"]);
    assert_eq!(scene.page(&format!("{earlier}/steps/0/log.txt")).await, "the network is down\n");
    assert_eq!(scene.page(&format!("{build}/steps/0/log.txt")).await, "the network is back\n");
    assert_eq!(scene.get(&format!("{build}/attempts/7")).await.status(), 404);
}

#[tokio::test]
async fn what_was_seen_is_what_is_promoted() {
    let scene = Scene::new().await;
    scene.ship(1, "One").await;
    let cookie = scene.log_in().await;
    let address = "/repositories/acme/shop/environments/staging/promote";
    let stale = scene.post(address, "release=7", Some(&cookie)).await;
    assert_eq!(stale.status(), 409);
    assert_says(&stale.text().await.unwrap(), &["Another release went live there since"]);
    assert!(scene.page("/repositories/acme/shop/environments/staging").await.contains("None yet."));
}

#[tokio::test]
async fn what_a_rollback_changes_is_said_before_it_is_asked_for() {
    let scene = Scene::new().await;
    scene.ship(1, "Take gift cards").await;
    scene.ship(2, "Take cheques").await;
    let dev = "/repositories/acme/shop/environments/dev";
    let asked = scene.page(&format!("{dev}/releases/1/rollback")).await;
    assert_says(&asked, &["Roll dev back to #1", "Commits that go", "Take cheques", "Runs now", "Log in</a> to roll"]);
    assert!(!asked.contains("<button class=\"primary\">"), "who may not change anything has no button");
    let own = scene.page(&format!("{dev}/releases/2/rollback")).await;
    assert_says(&own, &["dev runs just that already, as #2."]);
    assert_says(&scene.page(&format!("{dev}/releases/2")).await, &["What it changed", "Against", "Take cheques"]);
    let compared = scene.page(&format!("{dev}/compare?from=2&to=1")).await;
    assert_says(&compared, &["#2 and #1", "Commits that go", "Take cheques"]);
    assert_eq!(scene.get(&format!("{dev}/compare?from=2&to=9")).await.status(), 404);

    // What was seen is what is left.
    let cookie = scene.log_in().await;
    let stale = scene.post(&format!("{dev}/rollback"), "to=1&live=1", Some(&cookie)).await;
    assert_eq!(stale.status(), 409);
    assert_says(&stale.text().await.unwrap(), &["Another release went live there since"]);
    assert_eq!(scene.post(&format!("{dev}/rollback"), "to=1&live=2", Some(&cookie)).await.status(), 303);
}

fn assert_says(page: &str, facts: &[&str]) {
    for fact in facts {
        assert!(page.contains(fact), "“{fact}” is not in:\n{page}");
    }
}
