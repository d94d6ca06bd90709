//! The conditions under which an app or a step takes part in a build.

use serde::{Deserialize, Serialize};

/// Conditions, all of which must hold; an empty list sets none.
///
/// A pattern may begin with `!`, which takes back what an earlier one took. A list that begins with an exclusion begins
/// with everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// Patterns of branches.
    pub branch: Vec<String>,
    /// Patterns of git tags.
    pub tag: Vec<String>,
    /// Kinds of triggers.
    pub event: Vec<Event>,
    /// Patterns of paths: one of the changed files must match.
    pub paths: Vec<String>,
}

impl When {
    /// Whether there is no condition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.branch.is_empty() && self.tag.is_empty() && self.event.is_empty() && self.paths.is_empty()
    }
}

/// What caused a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A push to a branch.
    Push,
    /// A push of a tag.
    Tag,
    /// A pull request.
    PullRequest,
    /// A schedule.
    Schedule,
    /// A person, or the API.
    Manual,
}

impl Event {
    /// All of them, in the order in which messages list them.
    pub const ALL: [Event; 5] = [Event::Push, Event::Tag, Event::PullRequest, Event::Schedule, Event::Manual];

    /// Its name in captain.yml and in `SLIPWAY_EVENT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Event::Push => "push",
            Event::Tag => "tag",
            Event::PullRequest => "pull_request",
            Event::Schedule => "schedule",
            Event::Manual => "manual",
        }
    }

    /// The event of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Event> {
        Event::ALL.into_iter().find(|event| event.name() == name)
    }
}
