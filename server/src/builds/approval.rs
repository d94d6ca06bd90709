//! Builds of strangers: nothing of them runs before a person has seen what would, and approved that one commit.

use super::{BuildEvent, BuildState, NewBuild, cancel::cancel, lifecycle::apply};
use crate::{
    queue::{self, JobEvent},
    store::{self, Store, StoreError, Tx, builds::Build, text::text_enum},
};

/// How many builds of one repository may wait for an approval. Anybody can open pull requests.
const MOST_WAITING: i64 = 50;
/// How long one waits, in milliseconds.
const LONGEST_WAIT_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// How many that waited too long end at a time.
const PORTION: i64 = 50;

text_enum! {
    /// Whose pull requests need an approval before anything of them runs.
    ApprovalRule {
        /// Those from other repositories: their authors may not push to this one.
        Forks = "forks",
        /// Everybody's.
        PullRequests = "pull_requests",
        /// Nobody's: for servers that no stranger's pull request reaches.
        Nobody = "nobody",
    }
}

text_enum! {
    /// Where an approval stands.
    ApprovalState {
        /// Somebody is to give it.
        Wanted = "wanted",
        /// Somebody did.
        Given = "given",
        /// Somebody did not want it.
        Refused = "refused",
        /// Its build ended without it.
        Closed = "closed",
    }
}

/// What an approval led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approving {
    /// It is given, by this word: the build waits for a runner.
    Given,
    /// It was given before: nothing has changed.
    Already,
    /// It is not, for this reason: a sentence that completes "build 3 cannot be approved: …".
    Refused(String),
}

/// Whether nothing of a new build may run before somebody approves it. Trusted is who opened the pull request, where the
/// forge's account id is among those that the repository trusts, and only as long as nobody else has pushed to it.
pub(super) async fn is_needed(tx: &mut Tx, new: &NewBuild) -> Result<bool, StoreError> {
    let Some(pull) = &new.pull_request else { return Ok(false) };
    match store::approvals::rule(&mut tx.conn(), &new.repository).await? {
        ApprovalRule::Nobody => return Ok(false),
        ApprovalRule::Forks if new.proposer.fork.is_none() => return Ok(false),
        ApprovalRule::Forks | ApprovalRule::PullRequests => {}
    }
    if store::approvals::is_given(&mut tx.conn(), &new.repository, pull, &new.commit_sha).await? {
        return Ok(false);
    }
    // What somebody else pushed, and nobody has agreed to, may still be in it.
    let last = store::approvals::last_of(&mut tx.conn(), &new.repository, pull.number).await?;
    if last.is_some_and(|state| state != ApprovalState::Given) {
        return Ok(true);
    }
    let Some(opener) = &new.proposer.opener else { return Ok(true) };
    for account in std::iter::once(opener).chain(&new.proposer.sender) {
        if !store::approvals::is_trusted(&mut tx.conn(), &new.repository, account.id).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether so many builds of the repository wait for an approval that no more is taken. What the new one supersedes
/// makes room for it.
pub(super) async fn is_crowded(tx: &mut Tx, new: &NewBuild) -> Result<bool, StoreError> {
    if store::approvals::wanted(&mut tx.conn(), &new.repository).await? < MOST_WAITING {
        return Ok(false);
    }
    let older = store::builds::unfinished(&mut tx.conn(), &new.repository, &new.git_ref).await?;
    Ok(!new.supersede || older.is_empty())
}

/// Approves one commit of a build that was looked at: it waits for a runner then. Another commit than the build's, one that the
/// pull request has moved on from, and one's own (`accounts` are those that who approves has at the forge, by id) are refused.
///
/// # Errors
/// When the database fails.
pub async fn approve(
    tx: &mut Tx,
    build: &Build,
    commit: &str,
    by: &str,
    accounts: &[i64],
) -> Result<Approving, StoreError> {
    let job = store::jobs::lock_of_build(tx, &build.id).await?;
    let mut job = job.ok_or_else(|| StoreError::missing("job of build", &build.id))?;
    let found = store::builds::find(&mut tx.conn(), &build.id).await?;
    let mut build = found.ok_or_else(|| StoreError::missing("build", &build.id))?;
    let Some(approval) = store::approvals::of_build(&mut tx.conn(), &build.id).await? else {
        return Ok(Approving::Refused("it needs no approval".to_owned()));
    };
    if commit != approval.commit_sha {
        let why = format!("its commit is {}, and an approval is for one commit", approval.commit_sha);
        return Ok(Approving::Refused(why));
    }
    if approval.state == ApprovalState::Given {
        return Ok(Approving::Already);
    }
    let opener = store::pull_requests::proposer(&mut tx.conn(), &build.id).await?.opener;
    if opener.is_some_and(|opener| accounts.contains(&opener.id)) {
        return Ok(Approving::Refused("nobody approves a pull request of their own".to_owned()));
    }
    match build.state {
        BuildState::Awaiting => {}
        BuildState::Queued | BuildState::Running => {
            return Ok(Approving::Refused("what would run of it is not known yet; look again in a moment".to_owned()));
        }
        BuildState::Succeeded | BuildState::Failed | BuildState::Cancelled => {
            return Ok(Approving::Refused(format!("it is over: it {}", build.state)));
        }
    }
    if let Some(head) = store::repositories::head(&mut tx.conn(), &build.repository_id, &build.git_ref).await? {
        if head.deleted_at.is_some() {
            return Ok(Approving::Refused("its pull request was closed".to_owned()));
        }
        if head.stands_at() != approval.commit_sha {
            let why = format!("its pull request has moved on to {}; look at build {}", head.stands_at(), head.number);
            return Ok(Approving::Refused(why));
        }
    }
    store::approvals::decide(tx, &build.id, ApprovalState::Given, by).await?;
    let reason = format!("approved by {by}");
    queue::apply(tx, &mut job, JobEvent::Admit, Some(&reason)).await?;
    apply(tx, &mut build, BuildEvent::Approve, Some(&reason)).await?;
    // The look was short, and the wait is nobody's work.
    store::builds::begin_anew(tx, &build.id).await?;
    Ok(Approving::Given)
}

/// Refuses a build that wants an approval, and ends it; the reason why not, where it wants none. Refusing again changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn refuse(tx: &mut Tx, build: &Build, by: &str) -> Result<Approving, StoreError> {
    store::jobs::lock_of_build(tx, &build.id).await?;
    match store::approvals::of_build(&mut tx.conn(), &build.id).await?.map(|approval| approval.state) {
        None => Ok(Approving::Refused("it needs no approval".to_owned())),
        Some(ApprovalState::Refused) => Ok(Approving::Already),
        Some(ApprovalState::Given) => Ok(Approving::Refused("it was approved; cancel it instead".to_owned())),
        Some(ApprovalState::Closed) => Ok(Approving::Refused("it is over".to_owned())),
        Some(ApprovalState::Wanted) => {
            store::approvals::decide(tx, &build.id, ApprovalState::Refused, by).await?;
            cancel(tx, &build.id, &format!("refused by {by}")).await?;
            Ok(Approving::Given)
        }
    }
}

/// Ends the builds that nobody has approved for too long; tells how many.
///
/// # Errors
/// When the database fails.
pub async fn expire(store: &Store) -> Result<usize, StoreError> {
    let before = store.clock().now() - LONGEST_WAIT_MS;
    let old = store::approvals::asked_before(&mut store.read().await?.conn(), before, PORTION).await?;
    if old.is_empty() {
        return Ok(0);
    }
    let mut tx = store.write().await?;
    for build in &old {
        cancel(&mut tx, build, "nobody approved it within 30 days").await?;
    }
    tx.commit().await?;
    Ok(old.len())
}
