//! How the containers of environments stand, as their runners last told it, and what was put right there.

use slipway_runner::coordinator::{ReleasedApp, ReplicaReport};
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, events::Event, execute, row, rows};
use crate::ids::{EnvironmentId, ReleaseId, RepositoryId};

/// How the replicas of an environment's live release stand.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Standing {
    /// The environment.
    pub environment_id: EnvironmentId,
    /// The release that they belong to.
    pub release_id: ReleaseId,
    /// Who told it.
    pub runner_id: String,
    /// The replicas.
    pub replicas: JsonText<Vec<ReplicaReport>>,
    /// When it was told, in unix milliseconds.
    pub at: i64,
}

/// An environment that a runner is to look after.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Hosted {
    /// The environment.
    pub id: EnvironmentId,
    /// Its name.
    pub name: String,
    /// The repository.
    pub repository_id: RepositoryId,
    /// The repository's name.
    pub repository_name: String,
}

/// Where something is live, and how it stands.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Place {
    /// The environment.
    pub id: EnvironmentId,
    /// The repository's name.
    pub repository: String,
    /// The environment's name.
    pub environment: String,
    /// The runner that hosts it.
    pub runner_id: Option<String>,
    /// Since when captain.yml no longer names it, in unix milliseconds.
    pub removed_at: Option<i64>,
    /// The number of the live release.
    pub number: i64,
    /// Its apps.
    pub content: JsonText<Vec<ReleasedApp>>,
    /// How its replicas were last told to stand by that runner; none where nothing was told.
    pub replicas: Option<JsonText<Vec<ReplicaReport>>>,
}

/// Every environment in which something is live, by the names of repository and environment.
///
/// # Errors
/// When the database fails.
pub async fn places(conn: &mut Conn<'_>) -> Result<Vec<Place>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT e.id, p.name AS repository, e.name AS environment, e.runner_id, e.removed_at, r.number, r.content, s.replicas
         FROM release r
         JOIN environment e ON e.id = r.environment_id
         JOIN repository p ON p.id = e.repository_id
         LEFT JOIN standing s ON s.environment_id = e.id AND s.release_id = r.id AND s.runner_id = e.runner_id
         WHERE r.state = 'live' AND p.let_go_at IS NULL ORDER BY p.name, e.position, e.name"
    )?)
}

/// How the environment's live release was last told to stand; none where nothing was told of it.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, environment: &EnvironmentId) -> Result<Option<Standing>, StoreError> {
    Ok(row!(
        conn,
        "SELECT s.environment_id, s.release_id, s.runner_id, s.replicas, s.at
         FROM standing s JOIN release r ON r.id = s.release_id AND r.state = 'live'
         WHERE s.environment_id = $1",
        environment
    )?)
}

/// What was found amiss in an environment and what was done about it, newest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn drifts(
    conn: &mut Conn<'_>,
    environment: &EnvironmentId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Event>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, at, kind, repository_id, build_id, step_id, environment_id, release_id, data FROM event
         WHERE environment_id = $1
           AND kind IN ('environment.drifted', 'environment.crash_loop', 'environment.healed')
           AND id < $2
         ORDER BY id DESC LIMIT $3",
        environment,
        before.unwrap_or(i64::MAX),
        limit
    )?)
}

/// The environments on a runner's engine that something is live in, that captain.yml still names, and of which no rollout
/// has begun that has not ended.
pub(crate) async fn hosted(conn: &mut Conn<'_>, runner: &str) -> Result<Vec<Hosted>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT e.id, e.name, e.repository_id, p.name AS repository_name
         FROM environment e JOIN repository p ON p.id = e.repository_id
         WHERE e.runner_id = $1 AND e.removed_at IS NULL
           AND EXISTS (SELECT 1 FROM release l WHERE l.environment_id = e.id AND l.state = 'live')
           AND NOT EXISTS (SELECT 1 FROM release u WHERE u.environment_id = e.id
                           AND u.state IN ('held', 'queued', 'rolling') AND u.state <> 'held'
                           AND u.started_at IS NOT NULL)
         ORDER BY e.id",
        runner
    )?)
}

pub(crate) async fn put(tx: &mut Tx, standing: &Standing) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO standing (environment_id, release_id, runner_id, replicas, at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (environment_id) DO UPDATE
         SET release_id = excluded.release_id, runner_id = excluded.runner_id, replicas = excluded.replicas,
             at = excluded.at",
        &standing.environment_id,
        &standing.release_id,
        &standing.runner_id,
        JsonText(&standing.replicas.0),
        standing.at
    )?;
    Ok(())
}
