//! What Prometheus is told of the house: what was measured, what is live, what waits and what is wrong.

mod exposition;
mod releases;

use std::collections::BTreeMap;

use exposition::Exposition;
use slipway_runner::coordinator::Condition;

use crate::{
    environments::{Service, directory},
    measurements::{AppFigures, FRESH_MS, HostFigures},
    runners::Presence,
    store::{Conn, StoreError, alerts, jobs, measurements as stored, runners, standing},
};

/// The most open alerts that are counted.
const MOST_ALERTS: i64 = 10_000;

/// An app of an environment, by the names that its metrics carry.
type App = (String, String, String);

/// A family of gauges: its name, what it means, and how it is read from figures.
type Gauge<F> = (&'static str, &'static str, fn(&F) -> f64);

/// Everything there is to tell at `now` (unix milliseconds; `lease_time` is the database's), as Prometheus reads it.
///
/// # Errors
/// When the database fails.
pub async fn exposition(conn: &mut Conn<'_>, now: i64, lease_time: i64) -> Result<String, StoreError> {
    let mut text = Exposition::default();
    apps(conn, &mut text, now, lease_time).await?;
    hosts(conn, &mut text, now, lease_time).await?;
    releases::releases(conn, &mut text, now).await?;
    let waiting = jobs::queued_count(conn).await?;
    text.family("slipway_jobs_waiting", "Jobs that wait for a runner.");
    text.sample(&[], whole(waiting));
    let leased = jobs::leased(conn).await?.len();
    text.family("slipway_jobs_running", "Jobs that runners work on.");
    text.sample(&[], whole(i64::try_from(leased).unwrap_or(i64::MAX)));
    let alerts = alerts::open(conn, None, MOST_ALERTS).await?.len();
    text.family("slipway_alerts_open", "Alerts that are not over.");
    text.sample(&[], whole(i64::try_from(alerts).unwrap_or(i64::MAX)));
    Ok(text.finish())
}

async fn apps(conn: &mut Conn<'_>, text: &mut Exposition, now: i64, lease_time: i64) -> Result<(), StoreError> {
    let mut wanted: BTreeMap<App, (u32, u32)> = BTreeMap::new();
    for service in directory(conn, lease_time).await? {
        let Service { repository, environment, app, condition, .. } = service;
        let (wanted, healthy) = wanted.entry((repository, environment, app)).or_default();
        *wanted += 1;
        *healthy += u32::from(condition == Condition::Healthy.word());
    }
    let mut measured: BTreeMap<App, AppFigures> = BTreeMap::new();
    for place in standing::places(conn).await? {
        let figures: Option<Vec<AppFigures>> = stored::latest(conn, place.id.as_str(), now - FRESH_MS).await?;
        for figures in figures.into_iter().flatten() {
            measured.insert((place.repository.clone(), place.environment.clone(), figures.app.clone()), figures);
        }
    }
    text.family("slipway_app_replicas_wanted", "Containers that the app should have.");
    for (app, (wanted, _)) in &wanted {
        text.sample(&labels(app), f64::from(*wanted));
    }
    text.family("slipway_app_replicas_healthy", "Containers of the app that are healthy.");
    for (app, (_, healthy)) in &wanted {
        text.sample(&labels(app), f64::from(*healthy));
    }
    let families: [Gauge<AppFigures>; 5] = [
        ("slipway_app_cpu_cores", "CPUs that the app's containers use together.", |it| it.cpu),
        ("slipway_app_cpu_limit_ratio", "The largest share of its CPUs that a container uses.", |it| {
            it.cpu_share / 100.0
        }),
        ("slipway_app_memory_bytes", "Memory that the app's containers use together.", |it| exact(it.memory)),
        ("slipway_app_memory_limit_ratio", "The largest share of its memory that a container uses.", |it| {
            it.memory_share / 100.0
        }),
        ("slipway_app_restarts", "How often the engine started the app's present containers again by itself.", |it| {
            f64::from(it.restarts)
        }),
    ];
    for (name, help, value) in families {
        text.family(name, help);
        for (app, figures) in &measured {
            text.sample(&labels(app), value(figures));
        }
    }
    Ok(())
}

fn labels((repository, environment, app): &App) -> [(&'static str, &str); 3] {
    [("repository", repository), ("environment", environment), ("app", app)]
}

async fn hosts(conn: &mut Conn<'_>, text: &mut Exposition, now: i64, lease_time: i64) -> Result<(), StoreError> {
    let (mut present, mut measured) = (Vec::new(), Vec::new());
    for runner in runners::list(conn).await? {
        let is_there = Presence::of(&runner, lease_time).is_there();
        let figures: Option<HostFigures> = stored::latest(conn, &runner.id, now - FRESH_MS).await?;
        measured.extend(figures.map(|figures| (runner.name.clone(), figures)));
        present.push((runner.name, is_there));
    }
    text.family("slipway_runner_up", "Whether the runner is there.");
    for (runner, is_there) in &present {
        text.sample(&[("runner", runner)], f64::from(u8::from(*is_there)));
    }
    let families: [Gauge<HostFigures>; 6] = [
        ("slipway_host_cpu_cores", "CPUs of the runner's host that are in use.", |it| it.cpu),
        ("slipway_host_cpus", "CPUs of the runner's host.", |it| f64::from(it.cpus)),
        ("slipway_host_memory_bytes", "Memory of the runner's host that is in use.", |it| exact(it.memory)),
        ("slipway_host_memory_limit_bytes", "Memory of the runner's host.", |it| exact(it.memory_limit)),
        ("slipway_host_disk_bytes", "What is taken of the runner's disk.", |it| exact(it.disk)),
        ("slipway_host_disk_limit_bytes", "The size of the runner's disk.", |it| exact(it.disk_limit)),
    ];
    for (name, help, value) in families {
        text.family(name, help);
        for (runner, figures) in &measured {
            text.sample(&[("runner", runner)], value(figures));
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn exact(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn whole(count: i64) -> f64 {
    count as f64
}
