//! What a commit holds, and what it changes: for the paths that conditions name.
//!
//! Measured is what differs between two trees, wherever their histories parted: after a force push, that is what whoever
//! last saw the branch sees changed. A new branch is measured from where it left the default branch, and a pull request
//! from what it is merged into.

use git2::{DiffOptions, ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};

use super::{
    CheckoutError, CheckoutRequest, CloneAddress, Watch, measure,
    mirror::{Mirror, commit_of, fetch_commit, fetch_ref},
};

/// The most changed files that are told apart.
const CHANGES_LIMIT: usize = 20_000;
/// The most files of a commit that are listed.
const FILES_LIMIT: usize = 200_000;

/// A commit's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The paths of all of them; none where there are too many.
    pub files: Option<Vec<String>>,
    /// The paths of those that were changed, added or removed; or why that is not known, to follow "because".
    pub changed: Result<Vec<String>, String>,
}

/// From where changes are measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The commit that was there before; none, or nothing but zeros, where there was none or nobody knows.
    pub before: Option<String>,
    /// The branch that new branches are measured from.
    pub default_branch: String,
}

/// Looks a commit up that is in the mirror.
pub(super) fn contents(
    mirror: &Mirror,
    address: &CloneAddress,
    request: &CheckoutRequest,
    commit: &str,
    since: &Since,
    watch: &Watch,
) -> Result<Contents, CheckoutError> {
    let repository = mirror.open()?;
    let found = Oid::from_str(commit).ok().and_then(|commit| commit_of(&repository, commit));
    let commit = found.ok_or_else(|| CheckoutError::Gone { commit: commit.to_owned() })?;
    let changed = match base(&repository, commit, address, request, since, watch)? {
        Ok(base) => changed(&repository, base, commit, watch)?,
        Err(why) => Err(why),
    };
    Ok(Contents { files: files(&repository, commit)?, changed })
}

/// The commit to measure from, or why there is none.
fn base(
    repository: &Repository,
    commit: Oid,
    address: &CloneAddress,
    request: &CheckoutRequest,
    since: &Since,
    watch: &Watch,
) -> Result<Result<Oid, String>, CheckoutError> {
    if request.git_ref.starts_with("refs/tags/") {
        return Ok(Err("a tag is not measured from anything".to_owned()));
    }
    let before = since.before.as_deref().filter(|before| before.bytes().any(|digit| digit != b'0'));
    if let Some(before) = before {
        let Ok(wanted) = Oid::from_str(before) else { return Ok(Err(format!("`{before}` is not a commit's name"))) };
        if commit_of(repository, wanted).is_none() {
            // A commit that was pushed away is not to be had everywhere. That is no reason to fail.
            let _ = fetch_commit(repository, address, wanted, watch);
            watch.check()?;
        }
        let gone = || format!("the commit before, {}, is no longer on the server", &before[..before.len().min(12)]);
        return Ok(commit_of(repository, wanted).ok_or_else(gone));
    }
    if request.git_ref.strip_prefix("refs/heads/") == Some(&since.default_branch) {
        return Ok(Err("this is the first that is built of the default branch".to_owned()));
    }
    let default = format!("refs/heads/{}", since.default_branch);
    let fetched = fetch_ref(repository, address, &default, watch);
    watch.check()?;
    let tip = fetched
        .ok()
        .and_then(|_| repository.refname_to_id(&format!("refs/slipway/heads/{}", since.default_branch)).ok());
    let parted = tip.and_then(|tip| repository.merge_base(tip, commit).ok());
    Ok(parted.ok_or_else(|| format!("the branch has nothing in common with {}", since.default_branch)))
}

fn changed(
    repository: &Repository,
    base: Oid,
    commit: Oid,
    watch: &Watch,
) -> Result<Result<Vec<String>, String>, CheckoutError> {
    let (old, new) = (repository.find_commit(base)?.tree()?, repository.find_commit(commit)?.tree()?);
    // The new tree was measured before it was written out; the old one is as much a stranger's.
    if let Err(error) = measure::check(repository, old.id(), watch) {
        watch.check()?;
        return Ok(Err(format!("the one before {}", error.to_string().trim_start_matches("the commit "))));
    }
    let mut options = DiffOptions::new();
    options.skip_binary_check(true).include_typechange(true);
    let diff = repository.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))?;
    if diff.deltas().len() > CHANGES_LIMIT {
        return Ok(Err(format!("more than {CHANGES_LIMIT} files changed")));
    }
    let path = |delta: git2::DiffDelta<'_>| {
        let bytes = delta.new_file().path_bytes().or_else(|| delta.old_file().path_bytes())?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    Ok(Ok(diff.deltas().filter_map(path).collect()))
}

fn files(repository: &Repository, commit: Oid) -> Result<Option<Vec<String>>, CheckoutError> {
    let tree = repository.find_commit(commit)?.tree()?;
    let mut files = Vec::new();
    let walked = tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        if entry.kind() == Some(ObjectType::Blob) {
            files.push(format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes())));
        }
        if files.len() > FILES_LIMIT { TreeWalkResult::Abort } else { TreeWalkResult::Ok }
    });
    if files.len() > FILES_LIMIT {
        return Ok(None);
    }
    walked?;
    Ok(Some(files))
}
