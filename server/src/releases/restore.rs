//! Restore: making what is live anew, such as after its engine was lost.

use super::{
    By, ReleaseError, ReleaseKind,
    create::{NewRelease, create},
    life::first,
    promote::{locked, under_way},
};
use crate::store::{self, StoreError, Tx, releases::Release, repositories::Repository};

/// Queues a release of exactly what is live in the environment: every container is made from its digest, on the engine of
/// the runner that hosts it, or of `host`, which hosts it from then on. It waits for nothing, as it brings nothing new. Asking
/// again while that release waits or rolls returns it.
///
/// # Errors
/// [`ReleaseError`] says why it was refused, and what to do.
pub async fn restore(
    tx: &mut Tx,
    repository: &Repository,
    environment: &str,
    host: Option<&str>,
    by: By<'_>,
) -> Result<Release, ReleaseError> {
    let environment = locked(tx, repository, environment).await?;
    let Some(live) = store::releases::live(&mut tx.conn(), &environment.id).await? else {
        return Err(ReleaseError::NothingToRestore { environment: environment.name });
    };
    if host.is_some() {
        store::placement::set_host(tx, &environment.id, host).await?;
    }
    let first = first(&mut tx.conn(), &live).await?;
    if let Some(same) = under_way(tx, &environment, ReleaseKind::Restore, &first).await? {
        return Ok(same);
    }
    let build = store::builds::find(&mut tx.conn(), &first.build_id).await?;
    let build = build.ok_or_else(|| StoreError::missing("build", &first.build_id))?;
    let new = NewRelease {
        environment: &environment,
        kind: ReleaseKind::Restore,
        build: &build,
        source: Some(&first),
        by,
        apps: live.content.0.clone(),
        dedup_key: format!("restore {} {} {}", environment.id, first.id, environment.last_release_number),
    };
    Ok(create(tx, new).await?)
}
