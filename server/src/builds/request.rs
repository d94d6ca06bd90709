//! A person, or a program, who wants a branch or a tag built.

use super::{Created, NewBuild, create};
use crate::{
    ids::RepositoryId,
    store::{StoreError, Tx, builds::Build},
};

/// What is to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// The repository.
    pub repository: RepositoryId,
    /// The full ref of a branch or a tag.
    pub git_ref: String,
    /// A commit of its history; none for whatever it stands at.
    pub commit: Option<String>,
    /// Who asks: they count as one of those who brought what comes of it, and cannot approve it alone.
    pub asker: String,
}

/// Queues a build that somebody asks for.
///
/// # Errors
/// When the database fails.
pub async fn request(tx: &mut Tx, request: &BuildRequest) -> Result<Build, StoreError> {
    let new = NewBuild {
        commit_sha: request.commit.clone().unwrap_or_default(),
        pusher: request.asker.clone(),
        ..NewBuild::asked_for(request.repository.clone(), "manual", request.git_ref.clone())
    };
    match create(tx, &new).await? {
        Created::Queued(build) => Ok(build),
        _ => Err(StoreError::corrupt("build", &request.git_ref, "a request was taken for a repetition")),
    }
}
