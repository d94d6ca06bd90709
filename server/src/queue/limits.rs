//! How many builds of one repository run at once.

use crate::{
    ids::RepositoryId,
    store::{Conn, Store, StoreError, repositories, settings},
};

/// The setting's name.
const BUILDS_PER_REPOSITORY: &str = "builds_per_repository";

/// Sets how many builds run at once of each repository that has no limit of its own. It is in the database, so that all
/// servers of a queue keep the same rule: that of the one that started last.
///
/// # Errors
/// When the database fails.
pub async fn limit_builds(store: &Store, at_once: u32) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    settings::set(&mut tx, BUILDS_PER_REPOSITORY, &at_once).await?;
    tx.ring_queue();
    tx.commit().await
}

/// The limit of repositories that have none of their own; where no server has set it, there is none.
pub(super) async fn builds_at_once(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    match settings::get::<u32>(conn, BUILDS_PER_REPOSITORY).await {
        Ok(limit) => Ok(limit.map_or(i64::MAX, i64::from)),
        // It is no reason for nothing to be built; the next start of a server sets it anew.
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::error!(%error, "builds go on without a limit for each repository");
            Ok(i64::MAX)
        }
        Err(error) => Err(error),
    }
}

/// The limit of this repository.
pub(super) async fn of_repository(conn: &mut Conn<'_>, id: &RepositoryId) -> Result<i64, StoreError> {
    match repositories::find(conn, id).await?.and_then(|repository| repository.builds_at_once) {
        Some(limit) => Ok(limit),
        None => builds_at_once(conn).await,
    }
}
