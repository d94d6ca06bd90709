//! An app on a real engine: what it uses is on its page, in the API, on the command line and in `/metrics`.

use serde_json::Value;
use slipway_tests::{
    databases::TestDatabase,
    house::{House, LONG},
    images::web_app,
    registry::RegistryFixture,
    slipway::Setup,
    wait::until,
};

#[tokio::test]
async fn what_an_app_and_its_host_use_is_shown_and_exported() {
    let setup = Setup::new().with("SLIPWAY_RUNNER_MEASURE_SECONDS", "1");
    let house = House::furnished(TestDatabase::sqlite(), RegistryFixture::open().await, setup).await;
    let (repository, api) = (&house.webhook.repository, house.slipway.api());
    let captain = format!(
        "web:\n  build: Dockerfile\n  image: {}\n  release:\n    port: 8080\n    replicas: 2\n    \
         resources: {{cpus: 0.5, memory: 64M}}\n    health: {{http: /health, interval: 500ms, start: 20s}}\n\
         environments: {{dev: {{from: {{branch: main}}}}}}\n",
        house.image()
    );
    let mut files = web_app("one", true);
    files.push(("captain.yml", captain));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let number = house.push("main", &files).await;
    house.build_in(number, "succeeded").await;
    house.live("dev", 1).await;

    // The API tells what both containers use.
    let point = until("both containers to be measured and healthy", LONG, async || {
        let answer = house.ask("environments/dev/measurements").await.expect(200).json();
        assert_eq!((answer["window"].as_str(), answer["span_ms"].as_i64()), (Some("hour"), Some(5_000)));
        let points = answer["apps"][0]["points"].as_array()?;
        let last = points.last()?.clone();
        (last["healthy"] == 2 && last["memory"].as_i64()? > 0).then_some(last)
    })
    .await;
    assert_eq!((point["wanted"].as_i64(), point["restarts"].as_i64()), (Some(2), Some(0)), "{point:#}");
    let share = point["memory_share"].as_f64().unwrap();
    assert!(share > 0.0 && share <= 100.0, "of the 64 MB that each may use: {point:#}");
    assert!(point["cpu"].as_f64().unwrap() <= 2.0, "{point:#}");
    let day = house.ask("environments/dev/measurements?window=day").await.expect(200).json();
    assert_eq!(day["span_ms"], 300_000);
    assert!(!day["apps"][0]["points"].as_array().unwrap().is_empty(), "{day:#}");
    let before = house.ask("environments/dev/measurements?until=2020-01-01T00:00:00Z").await.expect(200).json();
    assert_eq!(before["apps"], Value::Array(Vec::new()));
    house.ask("environments/dev/measurements?window=year").await.expect(400);
    house.ask("environments/dev/measurements?until=yesterday").await.expect(400);
    let host = api.get("/api/v1/runners/embedded/measurements").await.expect(200).json();
    let host = host["points"].as_array().unwrap().last().unwrap().clone();
    assert!(host["cpus"].as_i64().unwrap() > 0 && host["memory"].as_i64().unwrap() > 0, "{host:#}");
    assert!(host["disk"].as_i64().unwrap() <= host["disk_limit"].as_i64().unwrap(), "{host:#}");
    api.get("/api/v1/runners/nobody/measurements").await.expect(404);

    // The pages draw it, for everybody to read.
    let page = api.get(&format!("/repositories/{repository}/environments/dev")).await.expect(200).body;
    for said in [
        "<h2>Measurements</h2>",
        "2 of 2 healthy",
        "no restarts",
        "CPU over the last hour: ",
        "Memory over",
        "Healthy over",
        "Restarts over",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let page = api.get(&format!("/repositories/{repository}/environments/dev?window=week")).await.expect(200).body;
    assert!(page.contains("Memory over the last week: "), "{page}");
    let page = api.get("/runners").await.expect(200).body;
    assert!(page.contains("<h2>Hosts</h2>") && page.contains("CPU over the last hour: "), "{page}");

    // Prometheus reads it, and needs a token where reading needs one.
    house.slipway.anonymous().get("/metrics").await.expect(401);
    let metrics = api.get("/metrics").await.expect(200);
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    let labels = format!("{{repository=\"{repository}\",environment=\"dev\",app=\"web\"}}");
    let value = |name: &str, labels: &str| -> f64 {
        let beginning = format!("{name}{labels} ");
        let line = metrics.body.lines().find_map(|line| line.strip_prefix(&beginning));
        line.unwrap_or_else(|| panic!("no {beginning}in {}", metrics.body)).parse().unwrap()
    };
    assert_eq!(value("slipway_app_replicas_wanted", &labels), 2.0);
    assert_eq!(value("slipway_app_replicas_healthy", &labels), 2.0);
    assert!(value("slipway_app_memory_bytes", &labels) > 0.0 && value("slipway_app_cpu_cores", &labels) >= 0.0);
    assert_eq!(value("slipway_app_restarts", &labels), 0.0);
    assert!(value("slipway_host_memory_bytes", "{runner=\"embedded\"}") > 0.0);
    assert_eq!(value("slipway_runner_up", "{runner=\"embedded\"}"), 1.0);
    assert_eq!(value("slipway_jobs_waiting", ""), 0.0);

    // Also of the release itself, of what was put right and of who was told.
    let place = format!("repository=\"{repository}\",environment=\"dev\"");
    let of = |name: &str, more: &str| value(name, &format!("{{{place}{more}}}"));
    assert_eq!(of("slipway_release_live", ""), 1.0);
    assert_eq!(of("slipway_releases_unsettled", ",state=\"rolling\""), 0.0);
    assert_eq!(of("slipway_rollout_last", ",outcome=\"live\""), 1.0);
    assert_eq!(of("slipway_rollout_last", ",outcome=\"failed\""), 0.0);
    assert!(of("slipway_rollout_last_seconds", "") > 0.0);
    assert_eq!(of("slipway_environment_frozen", ""), 0.0);
    assert!(of("slipway_environment_drifts_last_hour", "") >= of("slipway_environment_healed_last_hour", ""));
    assert_eq!(value("slipway_notifications_waiting", ""), 0.0);
    assert_eq!(value("slipway_notifications_last_hour", "{outcome=\"failed\"}"), 0.0);

    // So does the command line.
    let shown = house.slipway.command(&["measurements", repository, "dev"], "").await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.starts_with("web  CPU ") && shown.contains("healthy 2 of 2"), "{shown}");
    let shown = house.slipway.command(&["measurements", "--runner", "embedded", "--json"], "").await;
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert!(!shown["points"].as_array().unwrap().is_empty(), "{shown:#}");
}
