//! All that the environments' page shows.

use crate::{
    ids::RepositoryId,
    store::{self, Conn, StoreError, environments::Environment, releases::Release},
};

/// An environment with what runs there and what was released there last.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentOverview {
    /// The environment.
    pub environment: Environment,
    /// What it runs.
    pub live: Option<Release>,
    /// Its newest releases, newest first.
    pub recent: Vec<Release>,
}

/// The environments of a repository in file order, each with its newest `recent` releases.
///
/// # Errors
/// When the database fails.
pub async fn of_repository(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    recent: i64,
) -> Result<Vec<EnvironmentOverview>, StoreError> {
    let mut overviews = Vec::new();
    for environment in store::environments::of_repository(conn, repository).await? {
        let live = store::releases::live(conn, &environment.id).await?;
        let recent = store::releases::list(conn, &environment.id, None, recent).await?;
        overviews.push(EnvironmentOverview { environment, live, recent });
    }
    Ok(overviews)
}
