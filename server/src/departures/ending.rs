//! Ending what was under way of a repository that was let go: runners stop it, and forges are told.

use super::REASON;
use crate::{
    builds::{self, BuildEvent},
    ids::RepositoryId,
    queue::{self, JobEvent},
    releases::{self, ReleaseEvent},
    store::{self, Store, StoreError, Tx, disconnection, jobs::Job},
};

/// How many jobs end with one commit.
const PORTION: i64 = 50;

/// Ends every job and every held release of the repository.
///
/// # Errors
/// When the database fails; what was not ended yet is still to be.
pub(super) async fn end_all(store: &Store, repository: &RepositoryId) -> Result<(), StoreError> {
    loop {
        let mut tx = store.write().await?;
        let open = disconnection::open_jobs(&mut tx.conn(), repository, PORTION).await?;
        if open.is_empty() {
            break;
        }
        for id in open {
            if let Some(job) = store::jobs::lock(&mut tx, &id).await? {
                end(&mut tx, job).await?;
            }
        }
        tx.commit().await?;
    }
    loop {
        let mut tx = store.write().await?;
        let held = disconnection::held_releases(&mut tx.conn(), repository, PORTION).await?;
        if held.is_empty() {
            return Ok(());
        }
        for id in held {
            if let Some(mut release) = store::releases::find(&mut tx.conn(), &id).await? {
                releases::apply(&mut tx, &mut release, ReleaseEvent::Reject, Some(REASON)).await?;
            }
        }
        tx.commit().await?;
    }
}

async fn end(tx: &mut Tx, mut job: Job) -> Result<(), StoreError> {
    if job.state.is_final() {
        return Ok(());
    }
    queue::apply(tx, &mut job, JobEvent::Cancel, Some(REASON)).await?;
    if let Some(id) = &job.build_id
        && let Some(mut build) = store::builds::find(&mut tx.conn(), id).await?
        && !build.state.is_final()
    {
        builds::apply(tx, &mut build, BuildEvent::Cancel, Some(REASON)).await?;
    }
    if let Some(id) = &job.release_id
        && let Some(mut release) = store::releases::find(&mut tx.conn(), id).await?
        && !release.state.is_settled()
    {
        releases::apply(tx, &mut release, ReleaseEvent::Fail, Some(REASON)).await?;
    }
    Ok(())
}
