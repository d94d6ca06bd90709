//! Measurements in both databases: who may tell them, what becomes of them, and when they go.

use slipway_runner::coordinator::{
    Condition, Coordinator as _, CoordinatorError, EnvironmentReport, HostMeasurement, Measurements,
    ReplicaMeasurement, ReplicaReport,
};
use slipway_server::{
    measurements::{HostFigures, MOMENT_MS, Point, SUM_MS, Series, Window, of_environment, of_host},
    retention::{Collected, Limits, Round, collect_now},
};
use slipway_tests::{databases::TestDatabase, on_both_databases, pipeline::Pipeline};

on_both_databases!(
    what_is_measured_is_kept_and_summed_up,
    a_repeated_report_and_a_hasty_runner_change_nothing,
    a_runner_tells_of_its_own_alone,
    old_measurements_go,
);

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

async fn live(database: TestDatabase) -> (Pipeline, String) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    // At the beginning of a span that is summed up.
    pipeline.clock.advance(SUM_MS - pipeline.store.clock().now().rem_euclid(SUM_MS));
    let environment = pipeline.environment("dev").await.id.to_string();
    (pipeline, environment)
}

/// What the runner `one` tells of the app `web`, one container that uses so many CPUs, and of its host.
fn measured(environment: &str, cpu: f64) -> Measurements {
    let container = ReplicaMeasurement {
        environment: environment.to_owned(),
        app: "web".to_owned(),
        cpu,
        cpu_limit: 1.0,
        memory: 64_000_000,
        memory_limit: 256_000_000,
        restarts: 1,
    };
    let host = HostMeasurement {
        cpus: 4,
        cpu: 2.0,
        memory: 3_000_000_000,
        memory_limit: 8_000_000_000,
        disk: 10_000_000_000,
        disk_limit: 40_000_000_000,
    };
    Measurements {
        runner: "one".to_owned(),
        incarnation: "first life".to_owned(),
        host: Some(host),
        replicas: Some(vec![container]),
    }
}

async fn apps(pipeline: &Pipeline, window: Window) -> Vec<Series> {
    let environment = pipeline.environment("dev").await;
    let now = pipeline.store.clock().now();
    of_environment(&mut pipeline.store.read().await.unwrap().conn(), &environment.id, window, now).await.unwrap()
}

async fn host(pipeline: &Pipeline, window: Window) -> Vec<Point<HostFigures>> {
    let now = pipeline.store.clock().now();
    of_host(&mut pipeline.store.read().await.unwrap().conn(), "one", window, now).await.unwrap()
}

async fn what_is_measured_is_kept_and_summed_up(database: TestDatabase) {
    let (pipeline, environment) = live(database).await;
    let live = pipeline.live("dev").await.unwrap();
    let replica = ReplicaReport {
        app: "web".to_owned(),
        replica: 1,
        container: "web-1".to_owned(),
        address: None,
        condition: Condition::Healthy,
        trouble: None,
        lasts: false,
        // Of the same containers one was measured, a moment before: they do not count twice.
        restarts: 2,
    };
    let report = EnvironmentReport {
        runner: "one".to_owned(),
        environment: environment.clone(),
        release: live.id.to_string(),
        replicas: vec![replica],
        breach: None,
    };
    pipeline.coordinator.report_environment(report).await.unwrap();
    let began = pipeline.store.clock().now();
    for cpu in [0.25, 0.75] {
        pipeline.coordinator.report_measurements(measured(&environment, cpu)).await.unwrap();
        pipeline.clock.advance(15_000);
    }
    let hour = apps(&pipeline, Window::Hour).await;
    let points: Vec<(i64, f64)> = hour[0].points.iter().map(|point| (point.at, point.figures.cpu)).collect();
    assert_eq!((hour.len(), hour[0].app.as_str()), (1, "web"));
    assert_eq!(points, [(began, 0.25), (began + 15_000, 0.75)]);
    let last = &hour[0].points[1].figures;
    assert_eq!((last.memory, last.restarts, last.healthy, last.wanted), (64_000_000, 2, 1, 1));

    let day = apps(&pipeline, Window::Day).await;
    let sum = &day[0].points[0];
    assert_eq!((day[0].points.len(), sum.at, sum.figures.samples), (1, began, 2));
    assert_eq!((sum.figures.cpu, sum.figures.cpu_max, sum.figures.cpu_share), (0.5, 0.75, 75.0));
    let hosts = host(&pipeline, Window::Week).await;
    assert_eq!((hosts.len(), hosts[0].figures.samples, hosts[0].figures.cpus), (1, 2, 4));
    assert_eq!(host(&pipeline, Window::Hour).await.len(), 2);

    // An app none of whose containers runs uses nothing; while the engine does not tell, nothing is known.
    pipeline.coordinator.report_measurements(Measurements { replicas: None, ..measured("", 0.0) }).await.unwrap();
    assert_eq!(apps(&pipeline, Window::Hour).await[0].points.len(), 2);
    pipeline.clock.advance(15_000);
    let nothing = Measurements { replicas: Some(Vec::new()), ..measured("", 0.0) };
    pipeline.coordinator.report_measurements(nothing).await.unwrap();
    let last = apps(&pipeline, Window::Hour).await[0].points.pop().unwrap();
    assert_eq!((last.figures.cpu, last.figures.memory, last.figures.wanted), (0.0, 0, 1));
}

async fn a_repeated_report_and_a_hasty_runner_change_nothing(database: TestDatabase) {
    let (pipeline, environment) = live(database).await;
    for cpu in [0.5, 0.5, 0.9] {
        pipeline.coordinator.report_measurements(measured(&environment, cpu)).await.unwrap();
        pipeline.clock.advance(1);
    }
    assert_eq!(apps(&pipeline, Window::Hour).await[0].points.len(), 1);
    let sum = apps(&pipeline, Window::Day).await[0].points[0].figures.clone();
    assert_eq!((sum.samples, sum.cpu_max), (1, 0.5));
    pipeline.clock.advance(MOMENT_MS);
    pipeline.coordinator.report_measurements(measured(&environment, 0.9)).await.unwrap();
    assert_eq!(apps(&pipeline, Window::Hour).await[0].points.len(), 2);
}

async fn a_runner_tells_of_its_own_alone(database: TestDatabase) {
    let (pipeline, environment) = live(database).await;
    pipeline.announce("other", "a life", &[]).await;
    let of_other =
        Measurements { runner: "other".to_owned(), incarnation: "a life".to_owned(), ..measured(&environment, 9.0) };
    pipeline.coordinator.report_measurements(of_other).await.unwrap();
    let of_before = Measurements { incarnation: "the life before".to_owned(), ..measured(&environment, 9.0) };
    pipeline.coordinator.report_measurements(of_before).await.unwrap();
    let nobody = Measurements { runner: "nobody".to_owned(), ..measured(&environment, 9.0) };
    pipeline.coordinator.report_measurements(nobody).await.unwrap();
    assert_eq!(apps(&pipeline, Window::Hour).await, []);
    assert_eq!(host(&pipeline, Window::Hour).await, []);

    // Apps that nobody released are left out, and what no machine has is not believed.
    let mut strange = measured(&environment, f64::MAX);
    let containers = strange.replicas.as_mut().unwrap();
    containers.push(ReplicaMeasurement { app: "x".repeat(100_000), ..containers[0].clone() });
    pipeline.coordinator.report_measurements(strange).await.unwrap();
    let kept = apps(&pipeline, Window::Hour).await;
    assert_eq!((kept.len(), kept[0].app.as_str()), (1, "web"));
    assert!(kept[0].points[0].figures.cpu.is_finite(), "{kept:?}");

    let one = measured(&environment, 1.0).replicas.unwrap().remove(0);
    let endless = Measurements { replicas: Some(vec![one; 20_001]), ..measured(&environment, 1.0) };
    let refused = pipeline.coordinator.report_measurements(endless).await;
    assert!(matches!(refused, Err(CoordinatorError::Refused { .. })), "{refused:?}");
}

async fn old_measurements_go(database: TestDatabase) {
    let (pipeline, environment) = live(database).await;
    for _ in 0..3 {
        pipeline.coordinator.report_measurements(measured(&environment, 0.5)).await.unwrap();
        pipeline.clock.advance(15_000);
    }
    assert_eq!(collect(&pipeline).await, 0, "everything is young");
    pipeline.clock.advance(DAY_MS);
    assert_eq!(collect(&pipeline).await, 6, "three of the app and three of the host, as they came");
    assert_eq!(apps(&pipeline, Window::Week).await[0].points.len(), 1, "their sum stays");
    pipeline.clock.advance(7 * DAY_MS);
    assert_eq!(collect(&pipeline).await, 2, "the sums");
    assert_eq!(collect(&pipeline).await, 0);
}

/// Collects, and tells how many measurements went.
async fn collect(pipeline: &Pipeline) -> i64 {
    let round = Round::choose(&pipeline.store, Limits::default(), pipeline.store.clock().now()).await.unwrap();
    match collect_now(&pipeline.store, &round).await.unwrap() {
        Collected::Done(going) => going.iter().filter(|it| it.what == "measurements").map(|it| it.count).sum(),
        Collected::UnderWay => panic!("nobody else collects here"),
    }
}
