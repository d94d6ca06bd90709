//! In which order jobs are taken. This is the rule; `crate::store::claims` is its statement.
//!
//! 1. A job may be taken when nothing forbids it: a rollout, unless one of its environment is under way; a build, unless
//!    as many of its repository run as its limit allows.
//! 2. Rollouts go before builds: they are short, and someone waits for them.
//! 3. Repositories take turns: first the one with the fewest running jobs, of these the one whose last turn is longest
//!    ago. So whatever one repository queues delays another's next job by one job at most, and nobody comes first by
//!    asking more often.
//! 4. Within a repository, what a person asked for comes before what was pushed, then the default branch and tags before
//!    other branches, then the oldest. What goes back to the queue keeps its place.

use crate::store::builds::Build;

/// Of rollouts.
pub(super) const ROLLOUT: i64 = 30;
/// Of builds that a person asked for, or tries again.
pub(super) const ASKED_FOR: i64 = 20;
/// Of the default branch and tags: what is waited for to be released.
const LEADING: i64 = 10;
const OTHER: i64 = 0;

/// The priority of a build that nobody asked for.
pub(super) fn of_push(build: &Build, default_branch: &str) -> i64 {
    match build.branch() {
        Some(branch) if branch == default_branch => LEADING,
        None if build.git_ref.starts_with("refs/tags/") => LEADING,
        _ => OTHER,
    }
}
