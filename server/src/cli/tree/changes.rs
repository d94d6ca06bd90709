//! Which files a build of a working tree would change.

use std::path::Path;

use git2::{BranchType, Diff, DiffOptions, Repository, Tree};

use super::git::{self, Git};

/// What was changed, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Changes {
    /// What the tree was compared with, for people.
    pub(in crate::cli) since: String,
    /// The paths, as they are seen from the folder that is built.
    pub(in crate::cli) paths: Vec<String>,
}

/// The changes against the branch's upstream; where nothing is ahead of it, or there is none, those of the last commit.
/// Local changes count. None for a first commit, of which everything is new.
pub(in crate::cli) fn read(repository: &Repository, git: &Git, folder: &Path) -> Result<Option<Changes>, git2::Error> {
    let head = repository.head()?.peel_to_commit()?;
    if let Some((name, base)) = upstream(repository, git) {
        let base = repository.find_commit(base)?;
        if base.id() != head.id() || git.is_dirty {
            return since(repository, folder, name, &base.tree()?).map(Some);
        }
    }
    match head.parents().next() {
        Some(parent) => since(repository, folder, "the commit before".to_owned(), &parent.tree()?).map(Some),
        None => Ok(None),
    }
}

/// The upstream of the branch that is checked out, and where the two parted.
fn upstream(repository: &Repository, git: &Git) -> Option<(String, git2::Oid)> {
    let branch = repository.find_branch(git.branch.as_deref()?, BranchType::Local).ok()?;
    let upstream = branch.upstream().ok()?;
    let name = String::from_utf8_lossy(upstream.name_bytes().ok()?).into_owned();
    let head = repository.head().ok()?.target()?;
    Some((name, repository.merge_base(head, upstream.get().target()?).ok()?))
}

fn since(repository: &Repository, folder: &Path, since: String, base: &Tree<'_>) -> Result<Changes, git2::Error> {
    let mut options = DiffOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true);
    let diff = repository.diff_tree_to_workdir_with_index(Some(base), Some(&mut options))?;
    let mut paths = git::within(repository, folder, paths(&diff));
    paths.sort_unstable();
    paths.dedup();
    Ok(Changes { since, paths })
}

/// Both names of what was moved: the old place changed as well.
fn paths(diff: &Diff<'_>) -> Vec<String> {
    let files = diff.deltas().flat_map(|delta| [delta.old_file().path_bytes(), delta.new_file().path_bytes()]);
    files.flatten().map(|path| String::from_utf8_lossy(path).into_owned()).collect()
}
