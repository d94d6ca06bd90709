//! Where a build went.

use crate::store::{
    Conn, StoreError,
    builds::Build,
    environments,
    releases::{self, Release},
};

/// How many releases of a build are told.
const MOST: i64 = 20;

/// A release that holds a build's artifacts.
#[derive(Debug)]
pub struct Outcome {
    /// The name of its environment.
    pub environment: String,
    /// The release.
    pub release: Release,
    /// The number of the release that took its place.
    pub replaced_by: Option<i64>,
}

/// The releases that hold a build's artifacts, newest first, at most 20.
///
/// # Errors
/// When the database fails.
pub async fn outcomes(conn: &mut Conn<'_>, build: &Build) -> Result<Vec<Outcome>, StoreError> {
    let found = releases::of_build(conn, &build.id, MOST).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let environments = environments::of_repository(conn, &build.repository_id).await?;
    let successors = releases::successors(conn, &build.id, MOST).await?;
    let outcome = |release: Release| {
        let environment = environments.iter().find(|one| one.id == release.environment_id)?.name.clone();
        Some(Outcome { environment, replaced_by: successors.get(&release.id).copied(), release })
    };
    Ok(found.into_iter().filter_map(outcome).collect())
}
