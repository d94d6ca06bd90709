//! The containers of what is live, as their runner last told of them.

use serde_json::Value;
use slipway_runner::coordinator::{Condition, ReplicaReport, Trouble};
use slipway_web::{
    links,
    pages::{DriftRow, ReplicaRow},
    time::When,
};

use crate::{
    environments::told,
    store::{Conn, StoreError, environments::Environment, events::Event, standing},
};

/// What was put right that is shown.
const DRIFTS: i64 = 20;
/// Among how much of what was put right in an environment that of one container is looked for.
const DRIFTS_OF_ALL: i64 = 200;

/// How the containers of an environment stand. With the name of its repository, each has the address of its page.
pub(super) async fn rows(
    conn: &mut Conn<'_>,
    environment: &Environment,
    repository: Option<&str>,
    now: i64,
) -> Result<Vec<ReplicaRow>, StoreError> {
    let told = told(conn, environment, now).await?;
    let rows = told.replicas.iter().map(|replica| {
        let good = is_good(replica.condition).filter(|_| told.is_of_now());
        let page = repository.map(|name| links::container(name, &environment.name, &replica.container));
        row(replica.clone(), page, told.condition(replica), good)
    });
    Ok(rows.collect())
}

fn row(report: ReplicaReport, page: Option<String>, condition: &str, good: Option<bool>) -> ReplicaRow {
    ReplicaRow {
        app: report.app,
        replica: report.replica,
        container: report.container,
        page,
        address: report.address,
        condition: condition.replace('_', " "),
        good,
        restarts: report.restarts,
        trouble: report.trouble.map(in_words),
    }
}

/// Whether a condition is as it should be; none of what is neither good nor bad.
pub(super) fn is_good(condition: Condition) -> Option<bool> {
    match condition {
        Condition::Healthy => Some(true),
        Condition::Starting => None,
        Condition::Sick | Condition::CrashLoop => Some(false),
    }
}

fn in_words(trouble: Trouble) -> String {
    let Trouble { found, done, times, .. } = trouble;
    if times > 1 { format!("{found}; {done}, {times} times") } else { format!("{found}; {done}") }
}

/// What was found amiss in an environment, newest first.
pub(super) async fn drift_rows(
    conn: &mut Conn<'_>,
    environment: &Environment,
    now: i64,
) -> Result<Vec<DriftRow>, StoreError> {
    let events = standing::drifts(conn, &environment.id, None, DRIFTS).await?;
    Ok(events.into_iter().map(|event| drift_row(&event, now)).collect())
}

/// What was found amiss with one replica of an app, newest first.
pub(super) async fn drifts_of(
    conn: &mut Conn<'_>,
    environment: &Environment,
    (app, replica): (&str, u32),
    now: i64,
) -> Result<Vec<DriftRow>, StoreError> {
    let events = standing::drifts(conn, &environment.id, None, DRIFTS_OF_ALL).await?;
    let is_of_it = |event: &&Event| {
        event.data.get("app").is_some_and(|of| of == app) && event.data.get("replica").is_some_and(|of| *of == replica)
    };
    let shown = usize::try_from(DRIFTS).unwrap_or(usize::MAX);
    Ok(events.iter().filter(is_of_it).take(shown).map(|event| drift_row(event, now)).collect())
}

fn drift_row(event: &Event, now: i64) -> DriftRow {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| event.data.get(name).and_then(Value::as_i64).unwrap_or_default();
    let done = match event.kind.as_str() {
        "environment.healed" => "is well again".to_owned(),
        "environment.crash_loop" => {
            format!("{}; it does not stay well, {} times by now", text("done"), number("times"))
        }
        _ => text("done"),
    };
    DriftRow {
        replica: format!("{} {}", text("app"), number("replica")),
        found: text("found"),
        done,
        when: When { at: event.at, now },
    }
}
