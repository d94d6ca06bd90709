//! A job that cannot begin, since what it is about cannot be read or is in no state for it: it fails, and holds up
//! nobody.

use super::{JobEvent, apply};
use crate::{
    events::NewEvent,
    store::{self, StoreError, Tx, jobs::Job},
};

/// Ends a leased job as failed, and its build or release with it, without reading either. This goes around their tables
/// of transitions on purpose: an unreadable row has no state that a table could speak of.
pub(super) async fn condemn(tx: &mut Tx, job: &mut Job, reason: &str) -> Result<(), StoreError> {
    apply(tx, job, JobEvent::Fail, None).await?;
    if let Some(build) = &job.build_id {
        store::builds::condemn(tx, build, reason).await?;
        tx.emit(NewEvent::new("build.failed").repository(&job.repository_id).build(build).with("reason", Some(reason)));
    }
    if let Some(release) = &job.release_id {
        store::releases::condemn(tx, release, reason).await?;
        tx.emit(
            NewEvent::new("release.failed")
                .repository(&job.repository_id)
                .release(release)
                .with("reason", Some(reason)),
        );
    }
    Ok(())
}
