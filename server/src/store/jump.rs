//! The names of all places that somebody may want to go to.

use sqlx::FromRow;

use super::{Conn, Seen, StoreError, rows};

/// A repository, or one of its environments.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Place {
    /// The repository's name.
    pub repository: String,
    /// The environment's name; none for a repository that has none.
    pub environment: Option<String>,
}

/// The environments of the first `repositories` repositories by name that are `seen`, and those repositories that have none.
///
/// # Errors
/// When the database fails.
pub async fn places(conn: &mut Conn<'_>, seen: &Seen, repositories: i64) -> Result<Vec<Place>, StoreError> {
    Ok(rows!(
        conn,
        sqlite: "SELECT listed.name AS repository, e.name AS environment
         FROM (SELECT id, name FROM repository
               WHERE name > '' AND let_go_at IS NULL AND (name IN (SELECT CAST(value AS TEXT) FROM json_each($2))
                 OR '*' IN (SELECT CAST(value AS TEXT) FROM json_each($2)))
               ORDER BY name LIMIT $1) AS listed
         LEFT JOIN environment e ON e.repository_id = listed.id AND e.removed_at IS NULL
         ORDER BY listed.name, e.name",
        postgres: "SELECT listed.name AS repository, e.name AS environment
         FROM (SELECT id, name FROM repository
               WHERE name > '' AND let_go_at IS NULL
                 AND (name IN (SELECT pg_catalog.json_array_elements_text(CAST($2 AS JSON)))
                   OR '*' IN (SELECT pg_catalog.json_array_elements_text(CAST($2 AS JSON))))
               ORDER BY name LIMIT $1) AS listed
         LEFT JOIN environment e ON e.repository_id = listed.id AND e.removed_at IS NULL
         ORDER BY listed.name, e.name",
        repositories,
        seen.names()
    )?)
}
