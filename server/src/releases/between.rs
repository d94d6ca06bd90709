//! What lies between two builds of a ref: the commits that one of them has and the other has not.

use std::collections::{BTreeSet, HashSet};

use crate::{
    builds::BuildState,
    store::{
        self, Conn, StoreError,
        builds::{Brought, Build},
    },
};

/// How many builds are read at a time.
const PAGE: i64 = 100;
/// The most commits that are listed.
const MOST_COMMITS: usize = 200;

/// A commit that a build brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The build's number.
    pub build: i64,
    /// The commit's name.
    pub name: String,
    /// Its message, or the first line of it.
    pub message: String,
    /// Who wrote it, as it says itself.
    pub author: String,
}

/// What lies between two builds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Between {
    /// The newest commits, newest first.
    pub(super) commits: Vec<Commit>,
    /// Whether there are more of them.
    pub(super) has_more: bool,
    /// Whether those commits go, as what there is is newer.
    pub(super) goes_back: bool,
}

/// What comes with `wanted` where `live` is, each commit once. Where the two are of different refs, what lies between them is
/// not known here, and it is the wanted one's own commit alone. A successful build brings what all since the one before it
/// brought, so that those which failed or were passed over in between are in it.
pub(super) async fn between(conn: &mut Conn<'_>, live: Option<&Build>, wanted: &Build) -> Result<Between, StoreError> {
    let Some(live) = live.filter(|live| live.git_ref == wanted.git_ref) else {
        return Ok(Between { commits: vec![own(wanted)], ..Between::default() });
    };
    let goes_back = wanted.number < live.number;
    let (base, newest) = if goes_back { (wanted, live) } else { (live, wanted) };
    let mut seen = HashSet::from([base.commit_sha.clone()]);
    let mut commits = Vec::new();
    let mut reading = Reading::of(newest, base.number);
    while let Some(page) = reading.next(conn).await? {
        let all = page.into_iter().filter(|build| build.state == BuildState::Succeeded).flat_map(commits_of);
        commits.extend(all.filter(|commit| seen.insert(commit.name.clone())));
        if commits.len() > MOST_COMMITS {
            break;
        }
    }
    let has_more = commits.len() > MOST_COMMITS;
    commits.truncate(MOST_COMMITS);
    Ok(Between { commits, has_more, goes_back })
}

/// Who wrote or pushed anything of what comes with `wanted` where `live` is, however much that is. Where the two are of
/// different refs, it is what the wanted one brought to its own.
pub(super) async fn authors(
    conn: &mut Conn<'_>,
    live: Option<&Build>,
    wanted: &Build,
) -> Result<BTreeSet<String>, StoreError> {
    let base = live.filter(|live| live.git_ref == wanted.git_ref);
    let (newest, above) = match base {
        Some(live) if live.number > wanted.number => (live, wanted.number),
        Some(live) => (wanted, live.number),
        None => (wanted, wanted.number - 1),
    };
    let mut people = BTreeSet::new();
    let mut reading = Reading::of(newest, above);
    while let Some(page) = reading.next(conn).await? {
        for build in page {
            people.extend([build.author, build.pusher]);
            let Some(lines) = build.release_plan else { continue };
            people.extend(lines.0.commits.into_iter().map(|line| line.author));
            people.extend(lines.0.more_authors);
        }
    }
    Ok(people)
}

/// The builds of a ref, read page by page from the newest on.
struct Reading<'b> {
    newest: &'b Build,
    /// The numbers that what is still to be read lies between.
    left: (i64, i64),
}

impl<'b> Reading<'b> {
    /// From the newest one back to the first whose number is above this one.
    fn of(newest: &'b Build, above: i64) -> Self {
        Reading { newest, left: (above, newest.number + 1) }
    }

    /// None when all are read.
    async fn next(&mut self, conn: &mut Conn<'_>) -> Result<Option<Vec<Brought>>, StoreError> {
        let Build { repository_id, git_ref, .. } = self.newest;
        let page = store::builds::brought(conn, repository_id, git_ref, self.left, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        self.left.1 = last.number;
        Ok(Some(page))
    }
}

/// The commit that was built, and those that came with it.
fn commits_of(build: Brought) -> impl Iterator<Item = Commit> {
    let Brought { number, commit_sha, message, author, release_plan, .. } = build;
    let own = Commit { build: number, name: commit_sha, message, author };
    let others = release_plan.into_iter().flat_map(|lines| lines.0.commits).map(move |line| Commit {
        build: number,
        name: line.name,
        message: line.subject,
        author: line.author,
    });
    std::iter::once(own).chain(others)
}

/// The commit that was built.
fn own(build: &Build) -> Commit {
    Commit {
        build: build.number,
        name: build.commit_sha.clone(),
        message: build.message.clone(),
        author: build.author.clone(),
    }
}
