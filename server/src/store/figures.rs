//! How many there are of what, for Prometheus.

use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, rows};
use crate::{environments::Freeze, ids::EnvironmentId};

/// An environment that captain.yml names, and its newest release.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct Newest {
    pub(crate) id: EnvironmentId,
    pub(crate) repository: String,
    pub(crate) environment: String,
    pub(crate) frozen: Option<JsonText<Freeze>>,
    /// The newest release's state; none before the first.
    pub(crate) state: Option<String>,
    pub(crate) started_at: Option<i64>,
    pub(crate) finished_at: Option<i64>,
}

/// All environments, in no order.
pub(crate) async fn environments(conn: &mut Conn<'_>) -> Result<Vec<Newest>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT environment.id, repository.name AS repository, environment.name AS environment, environment.frozen,
                newest.state, newest.started_at, newest.finished_at
         FROM environment
         JOIN repository ON repository.id = environment.repository_id
         LEFT JOIN release newest
                ON newest.environment_id = environment.id AND newest.number = environment.last_release_number
         WHERE environment.removed_at IS NULL"
    )?)
}

/// How many releases of each environment are held, wait, or roll: environment, state, count.
pub(crate) async fn unsettled(conn: &mut Conn<'_>) -> Result<Vec<(EnvironmentId, String, i64)>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT environment_id, state, COUNT(*) FROM release WHERE state IN ('held', 'queued', 'rolling')
         GROUP BY environment_id, state"
    )?)
}

/// How many notifications wait to be sent: state, count.
pub(crate) async fn waiting(conn: &mut Conn<'_>) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(rows!(conn, "SELECT state, COUNT(*) FROM notification WHERE state = 'waiting' GROUP BY state")?)
}

/// How many reports to forges wait to be sent: state, count.
pub(crate) async fn reports_waiting(conn: &mut Conn<'_>) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(rows!(conn, "SELECT state, COUNT(*) FROM forge_report WHERE state = 'waiting' GROUP BY state")?)
}

/// How the reports to forges ended that did since a moment (unix milliseconds): state, count.
pub(crate) async fn reports_ended(conn: &mut Conn<'_>, since: i64) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT state, COUNT(*) FROM forge_report WHERE ended_at IS NOT NULL AND ended_at > $1 GROUP BY state",
        since
    )?)
}

/// How the notifications ended that did since a moment (unix milliseconds): state, count.
pub(crate) async fn ended(conn: &mut Conn<'_>, since: i64) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT state, COUNT(*) FROM notification WHERE ended_at IS NOT NULL AND ended_at > $1 GROUP BY state",
        since
    )?)
}
