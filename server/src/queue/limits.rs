//! How many builds of one repository run at once, and how long one may take.

use crate::{
    ids::RepositoryId,
    store::{Conn, Store, StoreError, repositories, settings},
};

/// The settings' names. They are in the database, so that all servers of a queue keep the same rules: those of the one
/// that started last.
const BUILDS_PER_REPOSITORY: &str = "builds_per_repository";
const BUILD_TIMEOUT_MINUTES: &str = "build_timeout_minutes";

/// Sets how many builds run at once of each repository that has no limit of its own.
///
/// # Errors
/// When the database fails.
pub async fn limit_builds(store: &Store, at_once: u32) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    settings::set(&mut tx, BUILDS_PER_REPOSITORY, &at_once).await?;
    tx.ring_queue();
    tx.commit().await
}

/// Sets how many minutes one attempt of a build may take.
///
/// # Errors
/// When the database fails.
pub async fn limit_build_time(store: &Store, minutes: u32) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    settings::set(&mut tx, BUILD_TIMEOUT_MINUTES, &minutes).await?;
    tx.commit().await
}

/// How many minutes one attempt of a build may take; none where no server has set it.
pub(super) async fn build_minutes(conn: &mut Conn<'_>) -> Result<Option<u32>, StoreError> {
    readable(settings::get(conn, BUILD_TIMEOUT_MINUTES).await)
}

/// A setting, or none where it cannot be read: that is no reason for nothing to be built, and the next start of a server
/// sets it anew.
fn readable(found: Result<Option<u32>, StoreError>) -> Result<Option<u32>, StoreError> {
    match found {
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::error!(%error, "builds go on without this limit");
            Ok(None)
        }
        found => found,
    }
}

/// The limit of repositories that have none of their own; where no server has set it, there is none.
pub(super) async fn builds_at_once(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    let limit = readable(settings::get(conn, BUILDS_PER_REPOSITORY).await)?;
    Ok(limit.map_or(i64::MAX, i64::from))
}

/// The limit of this repository.
pub(super) async fn of_repository(conn: &mut Conn<'_>, id: &RepositoryId) -> Result<i64, StoreError> {
    match repositories::find(conn, id).await?.and_then(|repository| repository.builds_at_once) {
        Some(limit) => Ok(limit),
        None => builds_at_once(conn).await,
    }
}
