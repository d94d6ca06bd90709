//! The commits between two, a line for each.

use std::collections::BTreeSet;

use git2::{Oid, Repository, Sort};
use slipway_pipelines::plan::CommitLine;

use super::{
    CheckoutError, Watch,
    mirror::{Mirror, commit_of},
};

/// The most commits that are named.
const MOST_LINES: usize = 200;
/// The most commits that are looked at for their authors.
const MOST_COMMITS: usize = 50_000;
/// The most authors that are told of besides those.
const MOST_AUTHORS: usize = 1_000;
/// The longest subject and name of an author, in characters.
const LONGEST: usize = 200;

/// The commits between two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// The newest of them, newest first.
    pub commits: Vec<CommitLine>,
    /// Who wrote the others, each once.
    pub more_authors: Vec<String>,
}

/// The commits that lead to `commit` and are not in the history of `before`; the commit alone where nobody knows what was
/// before.
pub(super) fn lines(
    mirror: &Mirror,
    commit: &str,
    before: Option<&str>,
    watch: &Watch,
) -> Result<Lines, CheckoutError> {
    let repository = mirror.open()?;
    let known = |name: &str| Oid::from_str(name).ok().and_then(|name| commit_of(&repository, name));
    let tip = known(commit).ok_or_else(|| CheckoutError::Gone { commit: commit.to_owned() })?;
    let mut walk = repository.revwalk()?;
    walk.set_sorting(Sort::TIME)?;
    walk.push(tip)?;
    let most = match before.and_then(known) {
        Some(before) => {
            walk.hide(before)?;
            MOST_COMMITS
        }
        None => 1,
    };
    let mut commits: Vec<CommitLine> = Vec::new();
    let mut authors = BTreeSet::new();
    for found in walk.take(most) {
        watch.check()?;
        let line = line(&repository, found?)?;
        if commits.len() < MOST_LINES {
            commits.push(line);
        } else if authors.len() < MOST_AUTHORS && commits.iter().all(|named| named.author != line.author) {
            authors.insert(line.author);
        }
    }
    Ok(Lines { commits, more_authors: authors.into_iter().collect() })
}

fn line(repository: &Repository, name: Oid) -> Result<CommitLine, CheckoutError> {
    let commit = repository.find_commit(name)?;
    let short = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(LONGEST).collect()
    };
    Ok(CommitLine {
        name: name.to_string(),
        subject: short(commit.message_bytes()),
        author: short(commit.author().name_bytes()),
    })
}
