//! What was measured of environments' apps and of runners' hosts, over an hour, a day or a week.

use axum::{Json, extract::State};
use chrono::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{lookup, time::Time};
use crate::{
    access::{ApiRoutes, Permission},
    app::AppState,
    http::{
        errors::Problem,
        extract::{Asked, Named},
    },
    measurements::{AppFigures, HostFigures, Point, Series, Window, of_environment, of_host, unmeasured},
    store::{StoreError, runners},
};

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Measurements")
        .get(
            "/api/v1/repositories/{owner}/{name}/environments/{environment}/measurements",
            Permission::Read,
            "getEnvironmentMeasurements",
            "What was measured of the apps of an environment.",
            apps,
        )
        .get(
            "/api/v1/runners/{name}/measurements",
            Permission::Read,
            "getRunnerMeasurements",
            "What was measured of a runner's host.",
            host,
        )
}

/// Which time is asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asking {
    /// `hour` (unless said otherwise), `day` or `week`.
    window: Option<Window>,
    /// When it ends, as RFC 3339 has it; now, unless said otherwise.
    until: Option<String>,
}

impl Asking {
    fn read(&self, now: i64) -> Result<(Window, i64), Problem> {
        let until = match &self.until {
            None => now,
            Some(text) => DateTime::parse_from_rfc3339(text)
                .map_err(|_| Problem::bad_request("until: a time such as 2026-11-20T09:30:00Z was expected."))?
                .timestamp_millis(),
        };
        Ok((self.window.unwrap_or(Window::Hour), until))
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Measured{T}")]
struct Measured<T> {
    window: Window,
    since: Time,
    until: Time,
    /// How much time each point sums up, in milliseconds.
    span_ms: i64,
    #[serde(flatten)]
    what: T,
}

impl<T> Measured<T> {
    fn new(window: Window, until: i64, what: T) -> Json<Self> {
        let (since, until) = (Time(until - window.length_ms()), Time(until));
        Json(Measured { window, since, until, span_ms: window.span_ms(), what })
    }
}

#[derive(Serialize, JsonSchema)]
struct Apps {
    /// What is not measured, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    apps: Vec<AppView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MeasuredApp")]
struct AppView {
    app: String,
    points: Vec<AppPoint>,
}

/// All containers of the app together, at a moment or summed up.
#[derive(Serialize, JsonSchema)]
struct AppPoint {
    at: Time,
    /// CPUs in use: on average and at most.
    cpu: f64,
    cpu_max: f64,
    /// The most of what one container may use, in percent.
    cpu_share: f64,
    /// Bytes in use: on average and at most.
    memory: u64,
    memory_max: u64,
    /// The most of what one container may use, in percent.
    memory_share: f64,
    restarts: u32,
    healthy: u32,
    wanted: u32,
}

impl From<Point<AppFigures>> for AppPoint {
    fn from(Point { at, figures }: Point<AppFigures>) -> Self {
        AppPoint {
            at: Time(at),
            cpu: figures.cpu,
            cpu_max: figures.cpu_max,
            cpu_share: figures.cpu_share,
            memory: figures.memory,
            memory_max: figures.memory_max,
            memory_share: figures.memory_share,
            restarts: figures.restarts,
            healthy: figures.healthy,
            wanted: figures.wanted,
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct Host {
    points: Vec<HostPoint>,
}

#[derive(Serialize, JsonSchema)]
struct HostPoint {
    at: Time,
    /// CPUs in use: on average, at most, and how many there are.
    cpu: f64,
    cpu_max: f64,
    cpus: u32,
    /// Bytes in use: on average, at most, and how many there are.
    memory: u64,
    memory_max: u64,
    memory_limit: u64,
    disk: u64,
    disk_limit: u64,
}

impl From<Point<HostFigures>> for HostPoint {
    fn from(Point { at, figures }: Point<HostFigures>) -> Self {
        HostPoint {
            at: Time(at),
            cpu: figures.cpu,
            cpu_max: figures.cpu_max,
            cpus: figures.cpus,
            memory: figures.memory,
            memory_max: figures.memory_max,
            memory_limit: figures.memory_limit,
            disk: figures.disk,
            disk_limit: figures.disk_limit,
        }
    }
}

async fn apps(
    State(state): State<AppState>,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Asked(asking): Asked<Asking>,
) -> Result<Json<Measured<Apps>>, Problem> {
    let (window, until) = asking.read(state.store.clock().now())?;
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let environment = lookup::environment(&mut reader.conn(), &repository, &environment).await?;
    let series = of_environment(&mut reader.conn(), &environment.id, window, until).await?;
    let note = unmeasured(&mut reader.conn(), &environment.id).await?;
    let view =
        |series: Series| AppView { app: series.app, points: series.points.into_iter().map(AppPoint::from).collect() };
    Ok(Measured::new(window, until, Apps { note, apps: series.into_iter().map(view).collect() }))
}

async fn host(
    State(state): State<AppState>,
    Named(name): Named<String>,
    Asked(asking): Asked<Asking>,
) -> Result<Json<Measured<Host>>, Problem> {
    let (window, until) = asking.read(state.store.clock().now())?;
    let mut reader = state.store.read().await?;
    let runner = runners::named(&mut reader.conn(), &name).await?;
    let runner = runner.ok_or_else(|| StoreError::missing("runner", &name))?;
    let points = of_host(&mut reader.conn(), &runner.id, window, until).await?;
    Ok(Measured::new(window, until, Host { points: points.into_iter().map(HostPoint::from).collect() }))
}
