//! Whoever looks at a release's page sees a canary fail while it does.

use serde_json::json;
use slipway_runner::coordinator::{
    Coordinator as _, CoordinatorError, LeaseKey, MOST_READINGS, Measure, Reading, Readings,
};
use slipway_tests::{
    browser::Browser,
    databases::TestDatabase,
    house::{House, LONG},
    images::{failing_app, web_app},
    load::Load,
    on_both_databases,
    pipeline::{Pipeline, step},
    registry::RegistryFixture,
    slipway::Setup,
    wait::until,
};

on_both_databases!(what_is_measured_is_told_by_whoever_holds_the_rollout_alone);

const DOMAIN: &str = "watched.localhost";
/// What the page shows of the measurements, line by line.
const ROWS: &str = r"Array.from(document.querySelectorAll('#measured tbody tr')).map(row => row.innerText.replace(/\s+/g, ' ').trim())";

async fn push(house: &House, mut files: Vec<(&'static str, String)>) {
    let captain = format!(
        "web:\n  build: Dockerfile\n  image: {}\n  release:\n    port: 8080\n    domain: {DOMAIN}\n    \
         health: {{http: /health, interval: 500ms, timeout: 5s, retries: 20, start: 30s}}\n\
         environments:\n  dev: {{from: {{branch: main}}, strategy: {{canary: [50%], bake: 30m, max_errors: 1%}}}}\n",
        house.image()
    );
    files.push(("captain.yml", captain));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    house.push("main", &files).await;
}

#[tokio::test]
async fn a_canary_fails_before_the_eyes_of_whoever_looks_at_its_page() {
    let setup = Setup::new().with("SLIPWAY_PUBLIC_READ", "true");
    let house = House::furnished(TestDatabase::sqlite(), RegistryFixture::open().await, setup).await;
    push(&house, web_app("one", true)).await;
    house.live("dev", 1).await;
    push(&house, failing_app("two")).await;
    until("the second release to be there", LONG, async || house.release("dev", 2).await).await;

    let browser = Browser::open().await;
    let page = format!("/repositories/{}/environments/dev/releases/2", house.webhook.repository);
    browser.goto(&format!("{}{page}", house.slipway.url())).await;
    browser.eval("window.marker = 1").await;
    // Nobody has come yet, and that is what is seen.
    browser.until(&format!("{ROWS}.includes('Requests 0 0 –')")).await;
    browser.until(&format!("{ROWS}.some(row => row.startsWith('Ends 0 – 0'))")).await;
    // What it uses stands beside what the stable version does, and what is allowed.
    browser.until(&format!("{ROWS}.some(row => /^CPU \\d+ % \\d+ % \\d+ %$/.test(row))")).await;

    let load = Load::gentle(&house.caddy.url(), DOMAIN);
    browser.shows("#reason", "answers were 5xx").await;
    browser.until(&format!("{ROWS}.includes('Answers 5xx too much 100.0 % 0.0 % 1.0 %')")).await;
    browser.until("document.querySelectorAll('#measured tr.bad').length === 1").await;
    assert_eq!(browser.eval("return window.marker").await, 1, "the page was never loaded anew");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    let answers = load.finish().await;
    assert!(answers.failed.iter().all(|failed| failed.starts_with("500")), "{:?}", answers.failed);
    assert!(house.visit(DOMAIN).await.contains("one"));

    // It is remembered, by the page that comes without any script, and by the API.
    let read = house.slipway.api().with("accept", "text/html").get(&page).await.expect(200).body;
    assert!(read.contains("<b>too much</b>") && read.contains("100.0 %"), "{read}");
    let release = house.release("dev", 2).await.unwrap();
    let steps = release["attempts"][0]["steps"].as_array().unwrap();
    let canary = steps.iter().find(|step| step["kind"] == "canary").unwrap();
    let errors = canary["readings"].as_array().unwrap().iter().find(|reading| reading["measure"] == "errors").unwrap();
    assert_eq!((&errors["value"], &errors["limit"], &errors["app"]), (&json!(100.0), &json!(1.0), &json!("web")));
}

async fn what_is_measured_is_told_by_whoever_holds_the_rollout_alone(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    pipeline.promote("production").await.unwrap();
    let (lease, _) = pipeline.claim_rollout().await;
    pipeline.coordinator.declare_steps(&lease, vec![step(0)]).await.unwrap();
    let reading = |value: f64| Reading {
        app: "web".to_owned(),
        measure: Measure::Errors,
        replica: None,
        value,
        stable: Some(0.0),
        limit: Some(1.0),
    };
    let tell = async |lease: &LeaseKey, readings: Vec<Reading>| {
        pipeline.coordinator.report_readings(lease, 0, Readings { readings }).await
    };
    let refusal = |told| match told {
        Err(CoordinatorError::Refused { reason }) => reason,
        other => panic!("it was not refused: {other:?}"),
    };
    assert_eq!(refusal(tell(&lease, vec![reading(0.0)]).await), "step 0 has not begun");
    pipeline.coordinator.start_step(&lease, 0).await.unwrap();
    for value in [0.5, 7.5] {
        tell(&lease, vec![reading(value)]).await.unwrap();
    }
    assert_eq!(pipeline.event_kinds("step.measured").await.len(), 2, "each is told to those who watch");
    let too_many = vec![reading(0.0); MOST_READINGS + 1];
    assert_eq!(refusal(tell(&lease, too_many).await), "a step tells of at most 350 measurements");
    let stale = LeaseKey { epoch: lease.epoch - 1, ..lease.clone() };
    assert!(matches!(tell(&stale, vec![reading(0.0)]).await, Err(CoordinatorError::LeaseLost { .. })));
}
