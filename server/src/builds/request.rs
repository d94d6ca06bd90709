//! A person, or a program, who wants a branch or a tag built.

use super::{Created, NewBuild, create};
use crate::{
    ids::RepositoryId,
    store::{self, StoreError, Tx, builds::Build},
};

/// How long a request is known again by its key, in milliseconds.
const KEPT: i64 = 24 * 60 * 60 * 1000;

/// What is to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// The repository.
    pub repository: RepositoryId,
    /// The full ref of a branch or a tag.
    pub git_ref: String,
    /// A commit of its history; none for whatever it stands at.
    pub commit: Option<String>,
    /// By which the sender knows the request again when it is sent twice.
    pub key: Option<String>,
}

/// What a request to build led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requested {
    /// This build is queued.
    Queued(Box<Build>),
    /// The same request came before, and led to this build.
    Before(Box<Build>),
    /// The key was used for another request before.
    Reused,
}

/// Queues a build that somebody asks for.
///
/// # Errors
/// When the database fails.
pub async fn request(tx: &mut Tx, request: &BuildRequest) -> Result<Requested, StoreError> {
    let wanted = format!("{} {}", request.git_ref, request.commit.as_deref().unwrap_or_default());
    if let Some(key) = &request.key {
        // The same request may arrive at two servers in the same moment.
        store::repositories::hold(tx, &request.repository).await?;
        let since = tx.now() - KEPT;
        store::build_requests::forget_before(tx, since).await?;
        if let Some((earlier, build)) = store::build_requests::find(&mut tx.conn(), &request.repository, key).await? {
            if earlier != wanted {
                return Ok(Requested::Reused);
            }
            let build = store::builds::find(&mut tx.conn(), &build).await?;
            return build
                .map(|build| Requested::Before(Box::new(build)))
                .ok_or_else(|| StoreError::missing("build", key));
        }
    }
    let new = NewBuild {
        commit_sha: request.commit.clone().unwrap_or_default(),
        ..NewBuild::asked_for(request.repository.clone(), "manual", request.git_ref.clone())
    };
    let Created::Queued(build) = create(tx, &new).await? else {
        return Err(StoreError::corrupt("build", &request.git_ref, "a request was taken for a repetition"));
    };
    if let Some(key) = &request.key {
        store::build_requests::insert(tx, &request.repository, key, &wanted, &build.id).await?;
    }
    Ok(Requested::Queued(Box::new(build)))
}
