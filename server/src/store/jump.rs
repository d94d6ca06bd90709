//! The names of all places that somebody may want to go to.

use sqlx::FromRow;

use super::{Conn, StoreError, rows};

/// A repository, or one of its environments.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Place {
    /// The repository's name.
    pub repository: String,
    /// The environment's name; none for a repository that has none.
    pub environment: Option<String>,
}

/// The environments of the first `repositories` repositories by name, and those repositories that have none.
///
/// # Errors
/// When the database fails.
pub async fn places(conn: &mut Conn<'_>, repositories: i64) -> Result<Vec<Place>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT listed.name AS repository, e.name AS environment
         FROM (SELECT id, name FROM repository WHERE name > '' ORDER BY name LIMIT $1) AS listed
         LEFT JOIN environment e ON e.repository_id = listed.id AND e.removed_at IS NULL
         ORDER BY listed.name, e.name",
        repositories
    )?)
}
