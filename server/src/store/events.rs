//! The events table: what happened, in order. Everything a person sees is fed from here.

use serde::Serialize;
use serde_json::{Map, Value, json};
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, execute, row, rows};
use crate::{
    events::NewEvent,
    ids::{BuildId, EnvironmentId, ReleaseId, RepositoryId, StepId},
};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, FromRow, Serialize)]
pub struct Event {
    /// Its number; later ones are greater.
    pub id: i64,
    /// When, in unix milliseconds.
    pub at: i64,
    /// What, such as `build.started`.
    pub kind: String,
    /// The repository that it is about.
    pub repository_id: Option<RepositoryId>,
    /// The build that it is about.
    pub build_id: Option<BuildId>,
    /// The step that it is about.
    pub step_id: Option<StepId>,
    /// The environment that it is about.
    pub environment_id: Option<EnvironmentId>,
    /// The release that it is about.
    pub release_id: Option<ReleaseId>,
    /// The particulars.
    pub data: JsonText<Map<String, Value>>,
}

/// Which events a follower wants. What is none is not asked for; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only of this repository.
    pub repository: Option<RepositoryId>,
    /// Only of this build.
    pub build: Option<BuildId>,
    /// Only of this environment.
    pub environment: Option<EnvironmentId>,
    /// Only of this release.
    pub release: Option<ReleaseId>,
}

/// Any constant: the lock that puts the events of concurrent PostgreSQL transactions in order.
const EVENT_ORDER_LOCK: i64 = 0x511b_0a7e;

pub(super) async fn append(conn: &mut Conn<'_>, now: i64, events: &[NewEvent]) -> Result<(), StoreError> {
    if let Conn::Postgres(connection) = conn {
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(EVENT_ORDER_LOCK).execute(&mut **connection).await?;
    }
    let events = JsonText(events.iter().map(told).collect::<Vec<Value>>());
    execute!(
        conn,
        sqlite: "INSERT INTO event (at, kind, repository_id, build_id, step_id, environment_id, release_id, data)
                 SELECT $1, value ->> 'kind', value ->> 'repository', value ->> 'build', value ->> 'step',
                        value ->> 'environment', value ->> 'release', value ->> 'data'
                 FROM json_each($2)",
        postgres: "INSERT INTO event (at, kind, repository_id, build_id, step_id, environment_id, release_id, data)
                   SELECT $1, value ->> 'kind', value ->> 'repository', value ->> 'build', value ->> 'step',
                          value ->> 'environment', value ->> 'release', value ->> 'data'
                   FROM pg_catalog.json_array_elements(CAST($2 AS JSON)) WITH ORDINALITY AS each (value, position)
                   ORDER BY position",
        now,
        events
    )?;
    Ok(())
}

/// An event as the statement that stores many reads it.
fn told(event: &NewEvent) -> Value {
    json!({
        "kind": event.kind,
        "repository": event.repository,
        "build": event.build,
        "step": event.step,
        "environment": event.environment,
        "release": event.release,
        // As text: what is in there is nothing that the statement must understand, and PostgreSQL reads no NUL.
        "data": Value::Object(event.data.clone()).to_string(),
    })
}

/// The events behind number `after` that the filter lets through, oldest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn after(
    conn: &mut Conn<'_>,
    after: i64,
    filter: &EventFilter,
    limit: i64,
) -> Result<Vec<Event>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, at, kind, repository_id, build_id, step_id, environment_id, release_id, data FROM event
         WHERE id > $1
           AND (CAST($2 AS TEXT) IS NULL OR repository_id = $2)
           AND (CAST($3 AS TEXT) IS NULL OR build_id = $3)
           AND (CAST($4 AS TEXT) IS NULL OR environment_id = $4)
           AND (CAST($5 AS TEXT) IS NULL OR release_id = $5)
         ORDER BY id LIMIT $6",
        after,
        filter.repository.as_ref(),
        filter.build.as_ref(),
        filter.environment.as_ref(),
        filter.release.as_ref(),
        limit
    )?)
}

/// The events that a follower reads at once, and where it goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Portion {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// Everything up to this number was looked at.
    pub seen: i64,
}

/// As [`after`], for those who follow: what the filter holds back counts as seen, so that whoever waits for something
/// rare does not read through all the rest again and again.
///
/// # Errors
/// When the database fails.
pub async fn portion(conn: &mut Conn<'_>, from: i64, filter: &EventFilter, limit: i64) -> Result<Portion, StoreError> {
    // Read first: ids become visible in their order, so that nothing up to this one can still come.
    let newest = last_id(conn).await?;
    let events = after(conn, from, filter, limit).await?;
    let last = events.last().map_or(from, |last| last.id);
    let is_all = i64::try_from(events.len()).is_ok_and(|found| found < limit);
    Ok(Portion { seen: if is_all { last.max(newest) } else { last }, events })
}

/// The number of the newest event; 0 before the first. A page reads it before its own queries and follows from there.
///
/// # Errors
/// When the database fails.
pub async fn last_id(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    let last: Option<(i64,)> = row!(conn, "SELECT id FROM event ORDER BY id DESC LIMIT 1")?;
    Ok(last.map_or(0, |(id,)| id))
}
