//! What lies between two builds of a ref: the commits that one of them has and the other has not.

use std::collections::HashSet;

use crate::{
    builds::BuildState,
    store::{self, Conn, StoreError, builds::Build},
};

/// The most builds that are looked at.
const MOST_BUILDS: i64 = 200;
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
    /// The commits, newest first.
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
    let before = Some(newest.number + 1);
    let found = store::builds::list(conn, &newest.repository_id, Some(&newest.git_ref), before, MOST_BUILDS).await?;
    let mut seen = HashSet::from([base.commit_sha.clone()]);
    let mut commits = Vec::new();
    for build in found.into_iter().take_while(|build| build.number > base.number) {
        if build.state != BuildState::Succeeded {
            continue;
        }
        let plan = store::builds::release_plan(conn, &build.id).await?;
        let brought = plan.into_iter().flat_map(|plan| plan.commits).map(|line| Commit {
            build: build.number,
            name: line.name,
            message: line.subject,
            author: line.author,
        });
        commits.extend(std::iter::once(own(&build)).chain(brought).filter(|commit| seen.insert(commit.name.clone())));
    }
    let has_more = commits.len() > MOST_COMMITS;
    commits.truncate(MOST_COMMITS);
    Ok(Between { commits, has_more, goes_back })
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
