//! What git knows of a working tree: the commit, its names, and whether there are local changes.

use std::{collections::BTreeMap, path::Path};

use git2::{BranchType, ErrorCode, ObjectType, Repository, StatusOptions};

/// The most files of a tree that are listed.
const MAX_FILES: usize = 200_000;

/// The state of a working tree that has at least one commit.
#[derive(Debug)]
pub(in crate::cli) struct Git {
    /// The commit that is checked out, 40 hexadecimal digits.
    pub(in crate::cli) commit: String,
    /// The branch that is checked out; none when a commit is.
    pub(in crate::cli) branch: Option<String>,
    /// The local branches that stand at this commit, in alphabetical order.
    pub(in crate::cli) branches_here: Vec<String>,
    /// The tags that stand at this commit, in alphabetical order.
    pub(in crate::cli) tags_here: Vec<String>,
    /// Every branch, local or of `origin`, with the commits that it stands at.
    pub(in crate::cli) branches: BTreeMap<String, Vec<String>>,
    /// Every tag, with the commit that it stands at; none where it marks something else.
    pub(in crate::cli) tags: BTreeMap<String, Option<String>>,
    /// The branch that builds are measured by: that of `origin`, else `main`, else `master`, else the one checked out.
    pub(in crate::cli) default_branch: String,
    /// The repository's name by the address of `origin`, `owner/name`.
    pub(in crate::cli) repository: Option<String>,
    /// Who wrote the commit.
    pub(in crate::cli) author: String,
    /// The commit's message.
    pub(in crate::cli) message: String,
    /// Whether something is changed, added or removed that the commit does not hold. Ignored files do not count.
    pub(in crate::cli) is_dirty: bool,
}

/// The repository that a folder lies in; none where there is none.
pub(in crate::cli) fn discover(folder: &Path) -> Result<Option<Repository>, git2::Error> {
    match Repository::discover(folder) {
        Ok(repository) if repository.is_bare() => Ok(None),
        Ok(repository) => Ok(Some(repository)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The state; none before the first commit, as captain has it.
pub(in crate::cli) fn read(repository: &Repository) -> Result<Option<Git>, git2::Error> {
    let head = match repository.head() {
        Ok(head) => head,
        Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    let commit = head.peel_to_commit()?;
    let id = commit.id().to_string();
    let branch = if head.is_branch() { head.shorthand().ok().map(str::to_owned) } else { None };
    let (branches, branches_here) = branches(repository, &id)?;
    let (tags, tags_here) = tags(repository, &id)?;
    let known = |name: &str| branches.contains_key(name).then(|| name.to_owned());
    let default_branch = default_of_origin(repository)
        .or_else(|| known("main"))
        .or_else(|| known("master"))
        .or_else(|| branch.clone())
        .unwrap_or_else(|| "main".to_owned());
    let author = commit.author();
    Ok(Some(Git {
        branch,
        branches_here,
        tags_here,
        branches,
        tags,
        default_branch,
        repository: repository.find_remote("origin").ok().and_then(|origin| origin.url().ok().and_then(name_in)),
        author: format!("{} <{}>", author.name().unwrap_or_default(), author.email().unwrap_or_default()),
        message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
        is_dirty: is_dirty(repository)?,
        commit: id,
    }))
}

/// The files that git keeps or would keep, below `folder`; their paths are relative to it.
pub(in crate::cli) fn files(repository: &Repository, folder: &Path) -> Result<Vec<String>, git2::Error> {
    let index = repository.index()?;
    let mut paths: Vec<String> =
        index.iter().map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).take(MAX_FILES).collect();
    let mut options = StatusOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).include_ignored(false);
    for status in repository.statuses(Some(&mut options))?.iter().take(MAX_FILES) {
        if status.status().is_wt_new() {
            paths.push(String::from_utf8_lossy(status.path_bytes()).into_owned());
        }
    }
    let mut paths = within(repository, folder, paths);
    paths.retain(|path| folder.join(path).is_file());
    paths.sort_unstable();
    paths.dedup();
    Ok(paths)
}

/// Paths of the repository as they are seen from a folder of it; what lies outside is left out.
pub(super) fn within(repository: &Repository, folder: &Path, paths: Vec<String>) -> Vec<String> {
    let Some(root) = repository.workdir().and_then(|root| root.canonicalize().ok()) else { return paths };
    let prefix = folder.strip_prefix(&root).map(Path::to_path_buf).unwrap_or_default();
    let seen = |path: &String| Some(Path::new(path).strip_prefix(&prefix).ok()?.to_str()?.to_owned());
    paths.iter().filter_map(seen).collect()
}

type Branches = BTreeMap<String, Vec<String>>;

fn branches(repository: &Repository, commit: &str) -> Result<(Branches, Vec<String>), git2::Error> {
    let (mut all, mut here): (Branches, Vec<String>) = (BTreeMap::new(), Vec::new());
    for branch in repository.branches(None)? {
        let (branch, kind) = branch?;
        let (Ok(name), Ok(tip)) = (branch.name_bytes(), branch.get().peel_to_commit()) else { continue };
        let name = String::from_utf8_lossy(name).into_owned();
        let tip = tip.id().to_string();
        let name = match kind {
            BranchType::Local => name,
            BranchType::Remote => match name.strip_prefix("origin/").filter(|name| *name != "HEAD") {
                Some(name) => name.to_owned(),
                None => continue,
            },
        };
        if kind == BranchType::Local && tip == commit {
            here.push(name.clone());
        }
        all.entry(name).or_default().push(tip);
    }
    here.sort_unstable();
    Ok((all, here))
}

type Tags = BTreeMap<String, Option<String>>;

fn tags(repository: &Repository, commit: &str) -> Result<(Tags, Vec<String>), git2::Error> {
    let mut all = Tags::new();
    for reference in repository.references_glob("refs/tags/*")? {
        let reference = reference?;
        let Ok(name) = reference.shorthand() else { continue };
        let stands_at = reference.peel(ObjectType::Commit).ok().map(|found| found.id().to_string());
        all.insert(name.to_owned(), stands_at);
    }
    let here = all.iter().filter(|(_, at)| at.as_deref() == Some(commit)).map(|(name, _)| name.clone()).collect();
    Ok((all, here))
}

fn default_of_origin(repository: &Repository) -> Option<String> {
    let head = repository.find_reference("refs/remotes/origin/HEAD").ok()?;
    head.symbolic_target().ok()??.strip_prefix("refs/remotes/origin/").map(str::to_owned)
}

fn is_dirty(repository: &Repository) -> Result<bool, git2::Error> {
    let mut options = StatusOptions::new();
    options.include_untracked(true).include_ignored(false);
    Ok(!repository.statuses(Some(&mut options))?.is_empty())
}

/// `owner/name` of `https://host/owner/name.git` or `git@host:owner/name`.
fn name_in(address: &str) -> Option<String> {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => address.split_once(':').map_or(address, |(_, path)| path),
    };
    let path = path.trim_end_matches('/').trim_end_matches(".git");
    let mut parts = path.rsplit('/').filter(|part| !part.is_empty());
    let (name, owner) = (parts.next()?, parts.next()?);
    Some(format!("{owner}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::name_in;

    #[test]
    fn the_repositorys_name_is_in_the_address_of_its_origin() {
        let of = |address| name_in(address).unwrap_or_default();
        assert_eq!(of("https://example.com/shop/web.git"), "shop/web");
        assert_eq!(of("git@example.com:shop/web.git"), "shop/web");
        assert_eq!(of("ssh://git@example.com:22/group/shop/web/"), "shop/web");
        assert_eq!(of("/srv/git/shop/web"), "shop/web");
        assert_eq!(of("web"), "");
    }
}
