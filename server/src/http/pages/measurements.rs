//! What was measured, as charts.

use serde::Deserialize;
use slipway_web::{
    chart::{Chart, Sample, Span, Unit},
    measurements::{MeasuredRow, Measurements},
    parts::size,
    timeline::{Passage, Timeline},
};

use crate::{
    ids::EnvironmentId,
    measurements::{AppFigures, HostFigures, Point, Series, Window, of_environment, of_host, unmeasured},
    store::{Conn, StoreError, releases, runners::Runner},
};

/// How many releases are looked at for those that were live in the time that is shown, the newest.
const RELEASES: i64 = 200;

/// Which time a page is asked to show.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asking {
    pub(super) window: Option<Window>,
}

/// The charts of an environment's apps, on the page with this address.
pub(super) async fn of_apps(
    conn: &mut Conn<'_>,
    environment: &EnvironmentId,
    address: &str,
    window: Window,
    now: i64,
) -> Result<Measurements, StoreError> {
    let series = of_environment(conn, environment, window, now).await?;
    let rows = series.iter().map(|series| app_row(series, span(window, now))).collect();
    let note = unmeasured(conn, environment).await?;
    let lately = releases::lately(conn, environment, RELEASES).await?;
    let passages: Vec<Passage> = lately.into_iter().filter_map(|moment| passage(address, &moment)).collect();
    let timeline = Timeline::draw(span(window, now), &passages);
    Ok(Measurements { windows: windows(address, window), timeline, note, rows })
}

/// None for a release whose rollout has not ended.
fn passage(environment: &str, moment: &releases::Moment) -> Option<Passage> {
    Some(Passage {
        number: moment.number,
        address: format!("{environment}/releases/{}", moment.number),
        state: moment.state.into(),
        since: moment.finished_at?,
        until: moment.retired_at,
    })
}

/// The charts of runners' hosts. One of which nothing is known is left out.
pub(super) async fn of_hosts(
    conn: &mut Conn<'_>,
    runners: &[Runner],
    address: &str,
    window: Window,
    now: i64,
) -> Result<Measurements, StoreError> {
    let mut rows = Vec::new();
    for runner in runners {
        let points = of_host(conn, &runner.id, window, now).await?;
        rows.extend(host_row(&runner.name, &points, span(window, now)));
    }
    Ok(Measurements { windows: windows(address, window), timeline: None, note: None, rows })
}

fn windows(address: &str, chosen: Window) -> Vec<(&'static str, String, bool)> {
    let named = |window: &Window| {
        let name = match window {
            Window::Hour => "Hour",
            Window::Day => "Day",
            Window::Week => "Week",
        };
        (name, format!("{address}?window={window}#measurements"), *window == chosen)
    };
    Window::ALL.iter().map(named).collect()
}

/// What is told more seldom than a few times in a row is a gap.
fn span(window: Window, now: i64) -> Span {
    Span { since: now - window.length_ms(), until: now, gap: window.span_ms().max(30_000) * 3, name: window.as_str() }
}

fn app_row(series: &Series, span: Span) -> MeasuredRow {
    let chart = |title, unit, limit, value: fn(&AppFigures) -> (f64, f64)| {
        Chart::draw(title, unit, span, &samples(&series.points, value), limit)
    };
    let wanted = series.points.last().map(|last| f64::from(last.figures.wanted));
    let cpu = chart("CPU", Unit::Cpus, None, |it| (it.cpu, it.cpu_max));
    let memory = chart("Memory", Unit::Bytes, None, |it| (exact(it.memory), exact(it.memory_max)));
    let healthy = chart("Healthy", Unit::Pieces, wanted, |it| twice(it.healthy));
    let restarts = chart("Restarts", Unit::Pieces, None, |it| twice(it.restarts));
    MeasuredRow {
        name: series.app.clone(),
        facts: series.points.last().map(|last| app_facts(&last.figures)).unwrap_or_default(),
        charts: [cpu, memory, healthy, restarts].into_iter().flatten().collect(),
    }
}

fn twice(count: u32) -> (f64, f64) {
    (f64::from(count), f64::from(count))
}

fn app_facts(last: &AppFigures) -> Vec<(String, bool)> {
    let restarts = match last.restarts {
        0 => "no restarts".to_owned(),
        1 => "1 restart".to_owned(),
        many => format!("{many} restarts"),
    };
    let healthy = format!("{} of {} healthy", last.healthy, last.wanted);
    vec![(healthy, last.healthy >= last.wanted), (restarts, last.restarts == 0)]
}

fn host_row(name: &str, points: &[Point<HostFigures>], span: Span) -> Option<MeasuredRow> {
    let last = &points.last()?.figures;
    let chart = |title, unit, limit, value: fn(&HostFigures) -> (f64, f64)| {
        Chart::draw(title, unit, span, &samples(points, value), Some(limit))
    };
    let cpu = chart("CPU", Unit::Cpus, f64::from(last.cpus), |it| (it.cpu, it.cpu_max));
    let limit = exact(last.memory_limit);
    let memory = chart("Memory", Unit::Bytes, limit, |it| (exact(it.memory), exact(it.memory_max)));
    let bytes = |bytes: u64| size(i64::try_from(bytes).unwrap_or(i64::MAX));
    let disk = format!("disk {} of {}", bytes(last.disk), bytes(last.disk_limit));
    // A tenth of a disk is little.
    let has_room = last.disk <= last.disk_limit / 10 * 9;
    let charts = cpu.into_iter().chain(memory).collect();
    Some(MeasuredRow { name: name.to_owned(), facts: vec![(disk, has_room)], charts })
}

fn samples<F>(points: &[Point<F>], value: fn(&F) -> (f64, f64)) -> Vec<Sample> {
    let sample = |point: &Point<F>| {
        let (value, most) = value(&point.figures);
        Sample { at: point.at, value, most }
    };
    points.iter().map(sample).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a chart needs no more digits")]
fn exact(bytes: u64) -> f64 {
    bytes as f64
}
