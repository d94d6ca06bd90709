//! Building a commit once more, because what failed lay elsewhere: a registry that was down, a login that was wrong.
//! Either as a build of its own, or as another attempt of the same build.

use super::{BuildEvent, BuildState, Created, NewBuild, apply, create};
use crate::{
    queue,
    store::{self, StoreError, Tx, builds::Build},
};

/// What a request to build again led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// This build is queued.
    Queued(Box<Build>),
    /// It was not, for this reason: a sentence that completes "build 3 cannot be built again: …".
    Refused(String),
}

/// Queues a build of the same commit under a new number, for one that failed or was cancelled and is still the newest
/// of its branch, tag or pull request: an older commit would take a newer one's place in the environments.
///
/// # Errors
/// When the database fails.
pub async fn again(tx: &mut Tx, build: &Build) -> Result<Again, StoreError> {
    if let Some(why) = refusal(tx, build).await? {
        return Ok(Again::Refused(why));
    }
    let new = NewBuild {
        repository: build.repository_id.clone(),
        // The trigger stays what it was: the same conditions hold, and the same steps run.
        event: build.event.clone(),
        git_ref: build.git_ref.clone(),
        commit_sha: build.commit_sha.clone(),
        message: build.message.clone(),
        author: build.author.clone(),
        pusher: store::builds::pusher(&mut tx.conn(), &build.id).await?,
        before: None,
        pull_request: store::pull_requests::of_build(&mut tx.conn(), &build.id).await?,
        proposer: store::pull_requests::proposer(&mut tx.conn(), &build.id).await?,
        supersede: false,
        asked_for: true,
    };
    match create(tx, &new).await? {
        Created::Queued(build) => Ok(Again::Queued(Box::new(build))),
        Created::Already(other) | Created::Overtaken(other) => {
            Ok(Again::Refused(format!("build {} stands for it", other.number)))
        }
        Created::Crowded => Ok(Again::Refused("too many builds of the repository wait for an approval".to_owned())),
    }
}

/// How much of a build that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// All of it, from its checkout on.
    Everything,
    /// What failed or never ran. What succeeded is taken over, as far as it is still there.
    WhatFailed,
}

/// Queues another attempt of a build that failed, under the same conditions. The steps and logs of the earlier attempts
/// stay, and it may lose its runner as often as a new build may.
///
/// # Errors
/// When the database fails.
pub async fn retry(tx: &mut Tx, build: &Build, retried: Retried, actor: &str) -> Result<Again, StoreError> {
    if build.state == BuildState::Cancelled {
        return Ok(Again::Refused("it was cancelled; build its commit again instead".to_owned()));
    }
    if let Some(why) = refusal(tx, build).await? {
        return Ok(Again::Refused(why));
    }
    if store::repositories::head(&mut tx.conn(), &build.repository_id, &build.git_ref)
        .await?
        .is_some_and(|head| head.number != build.number)
    {
        return Ok(Again::Refused("its commit was built again; try that build again instead".to_owned()));
    }
    let reason = match retried {
        Retried::Everything => format!("{actor} tried it again"),
        Retried::WhatFailed => format!("{actor} tried the failed steps again"),
    };
    queue::retry_build(tx, &build.id, &reason, retried == Retried::WhatFailed).await?;
    let mut build = build.clone();
    apply(tx, &mut build, BuildEvent::Retry, Some(&reason)).await?;
    store::builds::begin_anew(tx, &build.id).await?;
    build.started_at = None;
    build.finished_at = None;
    Ok(Again::Queued(Box::new(build)))
}

/// Why neither may be done; none when either may.
async fn refusal(tx: &mut Tx, build: &Build) -> Result<Option<String>, StoreError> {
    match build.state {
        BuildState::Queued | BuildState::Running => return Ok(Some("it is under way".to_owned())),
        BuildState::Awaiting => return Ok(Some("it waits for its approval".to_owned())),
        BuildState::Succeeded => {
            return Ok(Some("it succeeded; promote or roll back what it released instead".to_owned()));
        }
        BuildState::Failed | BuildState::Cancelled => {}
    }
    let head = store::repositories::head(&mut tx.conn(), &build.repository_id, &build.git_ref).await?;
    match head {
        Some(head) if head.deleted_at.is_some() => return Ok(Some(format!("{} was deleted", build.ref_name()))),
        Some(head) if !build.commit_sha.is_empty() && head.commit_sha != build.commit_sha => {
            return Ok(Some(format!("{} has moved on to another commit", build.ref_name())));
        }
        _ => {}
    }
    let unfinished = store::builds::unfinished(&mut tx.conn(), &build.repository_id, &build.git_ref).await?;
    Ok(unfinished.first().map(|other| format!("build {} of {} is under way", other.number, build.ref_name())))
}
