//! Stopping builds.

use super::{BuildEvent, BuildState, lifecycle::apply};
use crate::{
    events::NewEvent,
    ids::{BuildId, RepositoryId},
    queue::{self, JobEvent, JobState},
    store::{self, StoreError, Tx},
};

/// What a request to cancel led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// It had not begun and will not.
    Done,
    /// Its runner was told to stop it.
    Requested,
    /// It was over already.
    AlreadyOver(BuildState),
}

/// Cancels a build: at once while it waits, through its runner while it runs.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such build.
pub async fn cancel(tx: &mut Tx, id: &BuildId, reason: &str) -> Result<Cancellation, StoreError> {
    let mut job = store::jobs::lock_of_build(tx, id).await?.ok_or_else(|| StoreError::missing("build", id))?;
    let found = store::builds::find(&mut tx.conn(), id).await?;
    let mut build = found.ok_or_else(|| StoreError::missing("build", id))?;
    match job.state {
        JobState::Queued | JobState::Held => {
            queue::apply(tx, &mut job, JobEvent::Cancel, None).await?;
            apply(tx, &mut build, BuildEvent::Cancel, Some(reason)).await?;
            Ok(Cancellation::Done)
        }
        JobState::Leased => {
            if job.cancel_requested_at.is_none() {
                store::jobs::request_cancel(tx, &job.id).await?;
                store::builds::set_reason(tx, id, reason).await?;
                tx.emit(
                    NewEvent::new("build.cancelling")
                        .repository(&build.repository_id)
                        .build(id)
                        .with("number", build.number)
                        .with("reason", reason),
                );
                tx.ring_queue();
            }
            Ok(Cancellation::Requested)
        }
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => Ok(Cancellation::AlreadyOver(build.state)),
    }
}

/// Notes that a branch, a tag or a pull request is gone, and cancels what is still being built of it, for the reason
/// `why`; tells how many builds that were.
///
/// # Errors
/// When the database fails.
pub async fn ref_gone(tx: &mut Tx, repository: &RepositoryId, git_ref: &str, why: &str) -> Result<usize, StoreError> {
    store::repositories::delete_head(tx, repository, git_ref).await?;
    let unfinished = store::builds::unfinished(&mut tx.conn(), repository, git_ref).await?;
    for build in &unfinished {
        cancel(tx, &build.id, why).await?;
    }
    Ok(unfinished.len())
}
