//! From a commit to a queued build: numbered, not built twice, taking the place of its branch's older builds.

use slipway_pipelines::plan::PullRequest;
use slipway_runner::coordinator::APART_SINCE;

use super::{BuildState, approval, cancel::cancel};
use crate::{
    deliveries::Proposer,
    events::NewEvent,
    ids::{BuildId, RepositoryId},
    queue,
    store::{self, StoreError, Tx, builds::Build},
};

/// The longest message and author that are kept, in characters.
pub(super) const MESSAGE_LIMIT: usize = 4_000;
pub(super) const AUTHOR_LIMIT: usize = 200;

/// A commit to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBuild {
    /// The repository.
    pub repository: RepositoryId,
    /// What caused it: `push`, `tag`, `pull_request`, `manual`.
    pub event: String,
    /// The full ref, such as `refs/heads/main`.
    pub git_ref: String,
    /// The exact commit, 40 hexadecimal digits; empty for whatever the ref stands at when it is checked out.
    pub commit_sha: String,
    /// The commit's message.
    pub message: String,
    /// The commit's author.
    pub author: String,
    /// Who pushed it, by the name at the forge; empty where nobody did.
    pub pusher: String,
    /// Where the ref stood before, as far as the forge says.
    pub before: Option<String>,
    /// The pull request, where its merge is built; `commit_sha` is the tip of its branch then.
    pub pull_request: Option<PullRequest>,
    /// By whose doing that is at its commit.
    pub proposer: Proposer,
    /// Whether it cancels the older builds of its branch or pull request.
    pub supersede: bool,
    /// Whether it was asked for by something else than a push: such a build is never taken for a repetition.
    pub asked_for: bool,
}

impl NewBuild {
    /// A build of what the ref stands at when it is checked out, asked for by something else than a push.
    #[must_use]
    pub fn asked_for(repository: RepositoryId, event: &str, git_ref: String) -> Self {
        NewBuild {
            repository,
            event: event.to_owned(),
            git_ref,
            commit_sha: String::new(),
            message: String::new(),
            author: String::new(),
            pusher: String::new(),
            before: None,
            pull_request: None,
            proposer: Proposer::default(),
            supersede: false,
            asked_for: true,
        }
    }
}

/// What became of a commit to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is queued.
    Queued(Build),
    /// The same was built, or is being built, by this build.
    Already(Build),
    /// A later push to the same ref was heard of first, and led to this build: nothing was queued.
    Overtaken(Build),
    /// It would need an approval, and so many builds of the repository wait for one that no more is taken.
    Crowded,
}

/// Queues a build, unless the same commit was built for the same ref and trigger.
///
/// 1. A build of the same repository, ref, commit and trigger stands for this one, unless the ref has been elsewhere
///    since: a branch that was forced back, or deleted and pushed again, is built again; and so is a pull request that
///    was opened again, or was to be merged elsewhere meanwhile.
/// 2. A push that the next one was delivered before is not built: it would take the newer one's place.
/// 3. The build gets the repository's next number, and its ref's head.
/// 4. Where it supersedes, the older builds of its branch are cancelled.
/// 5. Where it needs an approval, that is noted: nothing of it runs before.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such repository.
pub async fn create(tx: &mut Tx, new: &NewBuild) -> Result<Created, StoreError> {
    let number = store::repositories::next_build_number(tx, &new.repository).await?;
    let id = BuildId::new();
    let mut dedup_key = format!("{} {} {} {}", new.repository, new.git_ref, new.commit_sha, new.event);
    if let Some(pull) = &new.pull_request {
        dedup_key = format!("{dedup_key} into {}", pull.base);
    }
    if new.asked_for {
        dedup_key = format!("{dedup_key} {id}");
    } else if let Some(earlier) = store::builds::by_dedup_key(&mut tx.conn(), &dedup_key).await? {
        if !returned(tx, new).await? {
            store::repositories::give_back_build_number(tx, &new.repository, number).await?;
            return Ok(Created::Already(earlier));
        }
        store::builds::free_dedup_key(tx, &earlier.id).await?;
    } else if let Some(newer) =
        overtaken_by(tx, &new.repository, &new.git_ref, &new.commit_sha, new.before.as_deref()).await?
    {
        store::repositories::give_back_build_number(tx, &new.repository, number).await?;
        return Ok(Created::Overtaken(newer));
    }
    let is_approval_needed = approval::is_needed(tx, new).await?;
    if is_approval_needed && approval::is_crowded(tx, new).await? {
        store::repositories::give_back_build_number(tx, &new.repository, number).await?;
        return Ok(Created::Crowded);
    }
    let build = Build {
        id,
        repository_id: new.repository.clone(),
        number,
        event: new.event.clone(),
        git_ref: new.git_ref.clone(),
        commit_sha: new.commit_sha.clone(),
        before_sha: new.before.clone(),
        message: new.message.chars().take(MESSAGE_LIMIT).collect(),
        author: new.author.chars().take(AUTHOR_LIMIT).collect(),
        state: BuildState::Queued,
        reason: None,
        created_at: tx.now(),
        started_at: None,
        finished_at: None,
    };
    if new.supersede && (build.branch().is_some() || new.pull_request.is_some()) {
        supersede_older(tx, &build).await?;
    }
    let pusher: String = new.pusher.chars().take(AUTHOR_LIMIT).collect();
    if !store::builds::insert(tx, &build, &pusher, &dedup_key).await? {
        return Err(StoreError::Conflict { what: "build", which: dedup_key });
    }
    if let Some(pull) = &new.pull_request {
        store::pull_requests::insert(tx, &build.id, pull, &new.proposer).await?;
        if is_approval_needed {
            store::approvals::ask(tx, &build, pull).await?;
        }
    }
    if new.asked_for {
        store::repositories::build_head(tx, &build).await?;
    } else {
        store::repositories::move_head(tx, &build).await?;
    }
    tx.emit(
        NewEvent::new("build.queued")
            .repository(&build.repository_id)
            .build(&build.id)
            .with("number", number)
            .with("ref", &build.git_ref)
            .with("commit", &build.commit_sha),
    );
    let protocol = if new.proposer.fork.is_some() || is_approval_needed { APART_SINCE } else { 0 };
    queue::enqueue_build(tx, &build, new.asked_for, protocol).await?;
    Ok(Created::Queued(build))
}

/// Notes that a ref stands at a commit that asks not to be built, so that what is pushed next is seen in its order. A
/// ref that was never built needs no note, and one that is known to have moved on stays where it is.
///
/// # Errors
/// When the database fails.
pub async fn skip(
    tx: &mut Tx,
    repository: &RepositoryId,
    git_ref: &str,
    commit: &str,
    before: Option<&str>,
) -> Result<(), StoreError> {
    // Taking a number keeps other servers from creating a build of the repository meanwhile.
    let number = store::repositories::next_build_number(tx, repository).await?;
    store::repositories::give_back_build_number(tx, repository, number).await?;
    if overtaken_by(tx, repository, git_ref, commit, before).await?.is_some() {
        return Ok(());
    }
    store::repositories::skip_head(tx, repository, git_ref, commit).await
}

/// Whether the ref has been elsewhere since its commit was built: it was deleted, or the forge says that it stood,
/// before this push, where we last saw it, and that is another commit; or its pull request was last built for another
/// target.
async fn returned(tx: &mut Tx, new: &NewBuild) -> Result<bool, StoreError> {
    let head = store::repositories::head(&mut tx.conn(), &new.repository, &new.git_ref).await?;
    let Some(head) = head else { return Ok(false) };
    if let Some(pull) = &new.pull_request {
        let last = store::pull_requests::of_build(&mut tx.conn(), &head.build_id).await?;
        if head.commit_sha == new.commit_sha && last.is_some_and(|last| last.base != pull.base) {
            return Ok(true);
        }
    }
    Ok(head.deleted_at.is_some()
        || (head.stands_at() != new.commit_sha && new.before.as_deref() == Some(head.stands_at())))
}

/// The build of a push that followed upon this commit and was delivered before it. One that goes on from where we last
/// saw the ref is the newest, whatever was pushed upon the same commit earlier.
async fn overtaken_by(
    tx: &mut Tx,
    repository: &RepositoryId,
    git_ref: &str,
    commit: &str,
    before: Option<&str>,
) -> Result<Option<Build>, StoreError> {
    let head = store::repositories::head(&mut tx.conn(), repository, git_ref).await?;
    match head {
        Some(head) if head.deleted_at.is_none() && before != Some(head.stands_at()) => {
            store::builds::moved_on_from(&mut tx.conn(), repository, git_ref, commit).await
        }
        _ => Ok(None),
    }
}

async fn supersede_older(tx: &mut Tx, build: &Build) -> Result<(), StoreError> {
    let reason = format!("build {} of a newer push took its place", build.number);
    let unfinished = store::builds::unfinished(&mut tx.conn(), &build.repository_id, &build.git_ref).await?;
    // What a schedule or a person asked for is not what the push replaces.
    for older in unfinished.into_iter().filter(|older| older.event == build.event) {
        cancel(tx, &older.id, &reason).await?;
    }
    Ok(())
}
