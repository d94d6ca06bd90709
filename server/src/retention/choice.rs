//! Which releases and builds go: facts in, decisions out, nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{Limits, older_than};
use crate::{
    builds::BuildState,
    ids::{BuildId, EnvironmentId, ReleaseId},
    releases::{ReleaseKind, ReleaseState},
};

/// What is known of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFacts {
    /// Its id.
    pub id: ReleaseId,
    /// The environment that it belongs to.
    pub environment: EnvironmentId,
    /// Its number within the environment.
    pub number: i64,
    /// What made it.
    pub kind: ReleaseKind,
    /// Where it stands.
    pub state: ReleaseState,
    /// The release that was promoted, or returned to.
    pub source: Option<ReleaseId>,
    /// The build that it is of.
    pub build: BuildId,
    /// The numbers of the builds that pushed what it holds.
    pub holds: BTreeSet<i64>,
    /// When it was queued, in unix milliseconds.
    pub created_at: i64,
}

impl ReleaseFacts {
    /// Whether it is among those that a rollback offers: a way out is what another was before.
    fn is_offered(&self) -> bool {
        matches!(self.state, ReleaseState::Live | ReleaseState::Retired) && !self.kind.is_way_out()
    }

    fn is_under_way(&self) -> bool {
        self.state == ReleaseState::Live || !self.state.is_settled()
    }
}

/// The releases of one repository that stay: those that are live, wait or roll; of each environment the newest ones that
/// it can be rolled back to, and all that are no older; those that are too young to go; and whatever one that stays was
/// made from.
#[must_use]
pub fn releases_that_stay(all: &[ReleaseFacts], limits: &Limits, now: i64) -> BTreeSet<ReleaseId> {
    let everything = || all.iter().map(|release| release.id.clone()).collect();
    let Some(before) = older_than(limits.releases_days, now) else { return everything() };
    let kept = usize::try_from(limits.releases_keep).unwrap_or(usize::MAX);
    let mut offered: BTreeMap<&EnvironmentId, Vec<i64>> = BTreeMap::new();
    for release in all.iter().filter(|release| release.is_offered()) {
        offered.entry(&release.environment).or_default().push(release.number);
    }
    // From which number on an environment keeps them: the live one counts beside those.
    let floors: BTreeMap<&EnvironmentId, i64> = offered
        .into_iter()
        .map(|(environment, mut numbers)| {
            numbers.sort_unstable_by(|a, b| b.cmp(a));
            (environment, numbers.get(kept).copied().unwrap_or(i64::MIN))
        })
        .collect();
    let by_id: BTreeMap<&ReleaseId, &ReleaseFacts> = all.iter().map(|release| (&release.id, release)).collect();
    let mut stay = BTreeSet::new();
    for release in all {
        let floor = floors.get(&release.environment).copied().unwrap_or(i64::MIN);
        let may_be_returned_to = release.state == ReleaseState::Retired && release.number >= floor;
        if release.is_under_way() || may_be_returned_to || release.created_at >= before {
            let mut next = Some(release);
            while let Some(kept) = next.filter(|kept| stay.insert(kept.id.clone())) {
                next = kept.source.as_ref().and_then(|source| by_id.get(source).copied());
            }
        }
    }
    stay
}

/// What is known of a build that is old enough to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildFacts {
    /// Its id.
    pub id: BuildId,
    /// Its number within the repository.
    pub number: i64,
    /// Where it stands.
    pub state: BuildState,
    /// When it was queued, in unix milliseconds.
    pub created_at: i64,
    /// How many newer builds its ref has, as far as that was counted.
    pub newer: i64,
    /// Whether what a later build of the ref changed is measured from it.
    pub is_newest_success: bool,
    /// Whether a later build of the ref that leaves an app out would take it from here.
    pub has_newest_of_an_app: bool,
    /// When its branch or tag was deleted.
    pub ref_deleted_at: Option<i64>,
}

/// What releases hold of the builds of one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The builds that releases are of.
    pub builds: BTreeSet<BuildId>,
    /// The numbers of those that pushed what releases hold.
    pub numbers: BTreeSet<i64>,
}

impl Held {
    /// What these releases hold.
    pub fn by<'a>(releases: impl Iterator<Item = &'a ReleaseFacts>) -> Held {
        let mut held = Held::default();
        for release in releases {
            held.builds.insert(release.build.clone());
            held.numbers.extend(&release.holds);
        }
        held
    }
}

/// Whether a build goes. It stays while it is young or under way, while a release holds it or what it pushed, and while a
/// later build of its branch or tag would miss it. A branch or tag that was deleted long ago has no later builds.
#[must_use]
pub fn build_goes(build: &BuildFacts, held: &Held, limits: &Limits, now: i64) -> bool {
    let Some(before) = older_than(limits.builds_days, now) else { return false };
    let is_held = held.builds.contains(&build.id) || held.numbers.contains(&build.number);
    if build.created_at >= before || !build.state.is_final() || is_held {
        return false;
    }
    if build.ref_deleted_at.is_some_and(|deleted| deleted < before) {
        return true;
    }
    build.newer >= i64::from(limits.builds_keep) && !build.is_newest_success && !build.has_newest_of_an_app
}

#[cfg(test)]
#[path = "choice/tests.rs"]
mod tests;
