//! What the first page shows of many repositories at once: what is live where, and the newest builds. Each is one statement,
//! however many there are.

use slipway_pipelines::config::Source;
use slipway_runner::coordinator::{ReleasedApp, ReplicaReport};
use sqlx::FromRow;

use super::{Conn, JsonText, Seen, StoreError, builds::Build, rows};
use crate::{environments::Freeze, ids::RepositoryId, releases::ReleaseState};

/// An environment that captain.yml names: what is live there, how it stands, and what came last.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Stage {
    /// The repository's name.
    pub repository: String,
    /// Its own name.
    pub environment: String,
    /// Where its releases come from.
    pub source: JsonText<Source>,
    /// That nothing is released to it; it may be over by now.
    pub frozen: Option<JsonText<Freeze>>,
    /// The runner that hosts it.
    pub runner_id: Option<String>,
    /// The number of the live release.
    pub live: Option<i64>,
    /// Its commit.
    pub commit_sha: Option<String>,
    /// Since when it is live, in unix milliseconds.
    pub since: Option<i64>,
    /// Its apps.
    pub content: Option<JsonText<Vec<ReleasedApp>>>,
    /// How its replicas were last told to stand by that runner.
    pub replicas: Option<JsonText<Vec<ReplicaReport>>>,
    /// The number of the newest release.
    pub newest: Option<i64>,
    /// The state of the newest release.
    pub newest_state: Option<ReleaseState>,
}

/// The environments of the repositories `seen` behind `after` by name, of at most `limit` repositories; by repository, then in file
/// order.
///
/// # Errors
/// When the database fails.
pub async fn stages(conn: &mut Conn<'_>, seen: &Seen, after: &str, limit: i64) -> Result<Vec<Stage>, StoreError> {
    Ok(rows!(
        conn,
        sqlite: "SELECT listed.name AS repository, e.name AS environment, e.source, e.frozen, e.runner_id,
                l.number AS live, b.commit_sha, l.finished_at AS since, l.content, s.replicas,
                n.number AS newest, n.state AS newest_state
         FROM (SELECT id, name FROM repository
               WHERE name > $1 AND let_go_at IS NULL AND (name IN (SELECT CAST(value AS TEXT) FROM json_each($3))
                 OR '*' IN (SELECT CAST(value AS TEXT) FROM json_each($3)))
               ORDER BY name LIMIT $2) AS listed
         JOIN environment e ON e.repository_id = listed.id AND e.removed_at IS NULL
         LEFT JOIN release l ON l.environment_id = e.id AND l.state = 'live'
         LEFT JOIN build b ON b.id = l.build_id
         LEFT JOIN release n ON n.environment_id = e.id AND n.number = e.last_release_number
         LEFT JOIN standing s ON s.environment_id = e.id AND s.release_id = l.id AND s.runner_id = e.runner_id
         ORDER BY listed.name, e.position, e.name",
        postgres: "SELECT listed.name AS repository, e.name AS environment, e.source, e.frozen, e.runner_id,
                l.number AS live, b.commit_sha, l.finished_at AS since, l.content, s.replicas,
                n.number AS newest, n.state AS newest_state
         FROM (SELECT id, name FROM repository
               WHERE name > $1 AND let_go_at IS NULL
                 AND (name IN (SELECT pg_catalog.json_array_elements_text(CAST($3 AS JSON)))
                   OR '*' IN (SELECT pg_catalog.json_array_elements_text(CAST($3 AS JSON))))
               ORDER BY name LIMIT $2) AS listed
         JOIN environment e ON e.repository_id = listed.id AND e.removed_at IS NULL
         LEFT JOIN release l ON l.environment_id = e.id AND l.state = 'live'
         LEFT JOIN build b ON b.id = l.build_id
         LEFT JOIN release n ON n.environment_id = e.id AND n.number = e.last_release_number
         LEFT JOIN standing s ON s.environment_id = e.id AND s.release_id = l.id AND s.runner_id = e.runner_id
         ORDER BY listed.name, e.position, e.name",
        after,
        limit,
        seen.names()
    )?)
}

/// What is live in an environment that captain.yml names, with its build, and what came last.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Step {
    /// The environment's name.
    pub environment: String,
    /// Where its releases come from.
    pub source: JsonText<Source>,
    /// The number of the live release.
    pub live: Option<i64>,
    /// Since when it is live, in unix milliseconds.
    pub since: Option<i64>,
    /// The number of its build.
    pub build_number: Option<i64>,
    /// That build's commit.
    pub commit_sha: Option<String>,
    /// The commit's message.
    pub message: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// The number of the newest release.
    pub newest: Option<i64>,
    /// The state of the newest release.
    pub newest_state: Option<ReleaseState>,
}

/// The environments of one repository, in file order.
///
/// # Errors
/// When the database fails.
pub async fn steps(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<Vec<Step>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT e.name AS environment, e.source, l.number AS live, COALESCE(l.finished_at, l.created_at) AS since,
                b.number AS build_number, b.commit_sha, b.message, b.author, n.number AS newest, n.state AS newest_state
         FROM environment e
         LEFT JOIN release l ON l.environment_id = e.id AND l.state = 'live'
         LEFT JOIN build b ON b.id = l.build_id
         LEFT JOIN release n ON n.environment_id = e.id AND n.number = e.last_release_number
         WHERE e.repository_id = $1 AND e.removed_at IS NULL ORDER BY e.position, e.name",
        repository
    )?)
}

/// The newest build of a branch or tag.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Tip {
    /// The repository's name.
    pub repository: String,
    /// The build.
    #[sqlx(flatten)]
    pub build: Build,
}

/// The refs that were built last, each with its newest build, of the repositories `seen` behind `after` by name, of at most `limit`
/// repositories; about `refs` of each, newest first. Deleted refs are left out.
///
/// # Errors
/// When the database fails.
pub async fn tips(
    conn: &mut Conn<'_>,
    seen: &Seen,
    after: &str,
    limit: i64,
    refs: i64,
) -> Result<Vec<Tip>, StoreError> {
    Ok(rows!(
        conn,
        sqlite: "SELECT listed.name AS repository, b.id, b.repository_id, b.number, b.event, b.git_ref, b.commit_sha,
                b.before_sha, b.message, b.author, b.state, b.reason, b.created_at, b.started_at, b.finished_at
         FROM (SELECT id, name FROM repository
               WHERE name > $1 AND let_go_at IS NULL AND (name IN (SELECT CAST(value AS TEXT) FROM json_each($4))
                 OR '*' IN (SELECT CAST(value AS TEXT) FROM json_each($4)))
               ORDER BY name LIMIT $2) AS listed
         JOIN ref_head h ON h.repository_id = listed.id AND h.deleted_at IS NULL
                        AND h.number > COALESCE((SELECT past.number FROM ref_head past
                                                 WHERE past.repository_id = listed.id AND past.deleted_at IS NULL
                                                 ORDER BY past.number DESC LIMIT 1 OFFSET $3), 0)
         JOIN build b ON b.id = h.build_id
         ORDER BY listed.name, h.number DESC",
        postgres: "SELECT listed.name AS repository, b.id, b.repository_id, b.number, b.event, b.git_ref, b.commit_sha,
                b.before_sha, b.message, b.author, b.state, b.reason, b.created_at, b.started_at, b.finished_at
         FROM (SELECT id, name FROM repository
               WHERE name > $1 AND let_go_at IS NULL
                 AND (name IN (SELECT pg_catalog.json_array_elements_text(CAST($4 AS JSON)))
                   OR '*' IN (SELECT pg_catalog.json_array_elements_text(CAST($4 AS JSON))))
               ORDER BY name LIMIT $2) AS listed
         JOIN ref_head h ON h.repository_id = listed.id AND h.deleted_at IS NULL
                        AND h.number > COALESCE((SELECT past.number FROM ref_head past
                                                 WHERE past.repository_id = listed.id AND past.deleted_at IS NULL
                                                 ORDER BY past.number DESC LIMIT 1 OFFSET $3), 0)
         JOIN build b ON b.id = h.build_id
         ORDER BY listed.name, h.number DESC",
        after,
        limit,
        refs,
        seen.names()
    )?)
}
