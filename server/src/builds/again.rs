//! Building a commit once more, because what failed lay elsewhere: a registry that was down, a login that was wrong.

use super::{BuildState, Created, NewBuild, create};
use crate::store::{self, StoreError, Tx, builds::Build};

/// What a request to build again led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// This build is queued.
    Queued(Box<Build>),
    /// It was not, for this reason: a sentence that completes "build 3 cannot be built again: …".
    Refused(String),
}

/// Queues a build of the same commit under a new number, for one that failed or was cancelled and is still the newest
/// of its branch or tag: an older commit would take a newer one's place in the environments.
///
/// # Errors
/// When the database fails.
pub async fn again(tx: &mut Tx, build: &Build) -> Result<Again, StoreError> {
    let refused = |why: &str| Ok(Again::Refused(why.to_owned()));
    match build.state {
        BuildState::Queued | BuildState::Running => return refused("it is under way"),
        BuildState::Succeeded => return refused("it succeeded; promote or roll back what it released instead"),
        BuildState::Failed | BuildState::Cancelled => {}
    }
    let head = store::repositories::head(&mut tx.conn(), &build.repository_id, &build.git_ref).await?;
    match head {
        Some(head) if head.deleted_at.is_some() => {
            return Ok(Again::Refused(format!("{} was deleted", build.ref_name())));
        }
        Some(head) if head.commit_sha != build.commit_sha => {
            return Ok(Again::Refused(format!("{} has moved on to another commit", build.ref_name())));
        }
        _ => {}
    }
    let unfinished = store::builds::unfinished(&mut tx.conn(), &build.repository_id, &build.git_ref).await?;
    if let Some(other) = unfinished.first() {
        return Ok(Again::Refused(format!("build {} of {} is under way", other.number, build.ref_name())));
    }
    let new = NewBuild {
        repository: build.repository_id.clone(),
        // The trigger stays what it was: the same conditions hold, and the same steps run.
        event: build.event.clone(),
        git_ref: build.git_ref.clone(),
        commit_sha: build.commit_sha.clone(),
        message: build.message.clone(),
        author: build.author.clone(),
        before: None,
        supersede: false,
        asked_for: true,
    };
    match create(tx, &new).await? {
        Created::Queued(build) => Ok(Again::Queued(Box::new(build))),
        Created::Already(other) | Created::Overtaken(other) => {
            Ok(Again::Refused(format!("build {} stands for it", other.number)))
        }
    }
}
