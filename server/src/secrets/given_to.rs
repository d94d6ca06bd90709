//! For which builds a secret is: those of some events, of some branches and tags.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_pipelines::{
    conditions::{PatternError, Patterns},
    config::Event,
};

/// The most patterns of branches, and of tags.
const MOST_PATTERNS: usize = 50;
/// The longest pattern, in characters.
const LONGEST_PATTERN: usize = 255;

/// The builds that are given a secret, and so are the releases that they make. What is empty limits nothing; branches limit
/// tags, and tags branches, as builds are of one or the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GivenTo {
    /// The events: `push`, `tag`, `schedule`, `manual`. Pull requests are given none.
    pub events: Vec<String>,
    /// Patterns of branches, such as `release/*`.
    pub branches: Vec<String>,
    /// Patterns of tags, such as `v*`.
    pub tags: Vec<String>,
}

/// What a build is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause<'a> {
    /// The event that caused it.
    pub event: &'a str,
    /// The whole name of its ref, such as `refs/heads/main`.
    pub git_ref: &'a str,
}

/// Why a secret is for no builds that anybody could mean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GivenToError {
    /// No such event.
    #[error("\"{0}\" is no event of a build; a secret can be for push, tag, schedule and manual")]
    Event(String),
    /// Pull requests are given no secrets.
    #[error("pull requests may be anybody's, and are given no secret")]
    PullRequest,
    /// Too many patterns.
    #[error("a secret names at most {MOST_PATTERNS} patterns of branches, and as many of tags")]
    TooMany,
    /// A pattern that is none.
    #[error("a pattern of branches or tags has 1 to {LONGEST_PATTERN} characters, and does not exclude: \"{0}\"")]
    Pattern(String),
    /// A pattern that cannot be read.
    #[error("{0}")]
    Unreadable(#[from] PatternError),
}

impl GivenTo {
    /// Whether it limits nothing.
    #[must_use]
    pub fn is_every_build(&self) -> bool {
        *self == GivenTo::default()
    }

    /// Whether it can be meant.
    ///
    /// # Errors
    /// When it names an event that there is not, or a pattern that cannot be read.
    pub fn check(&self) -> Result<(), GivenToError> {
        for event in &self.events {
            match Event::named(event) {
                None => return Err(GivenToError::Event(event.chars().take(LONGEST_PATTERN).collect())),
                Some(Event::PullRequest) => return Err(GivenToError::PullRequest),
                Some(Event::Push | Event::Tag | Event::Schedule | Event::Manual) => {}
            }
        }
        for patterns in [&self.branches, &self.tags] {
            if patterns.len() > MOST_PATTERNS {
                return Err(GivenToError::TooMany);
            }
            let is_odd = |pattern: &&String| {
                pattern.is_empty() || pattern.chars().count() > LONGEST_PATTERN || pattern.starts_with('!')
            };
            if let Some(odd) = patterns.iter().find(is_odd) {
                return Err(GivenToError::Pattern(odd.chars().take(LONGEST_PATTERN).collect()));
            }
            Patterns::new(patterns)?;
        }
        Ok(())
    }

    /// Whether a build is given the secret.
    ///
    /// # Errors
    /// Why it is not, for people.
    pub fn allows(&self, cause: Cause<'_>) -> Result<(), String> {
        if !self.events.is_empty() && !self.events.iter().any(|event| event == cause.event) {
            return Err(format!(
                "it is for the events {} alone, and this build's is {}",
                list(&self.events),
                cause.event
            ));
        }
        if self.branches.is_empty() && self.tags.is_empty() {
            return Ok(());
        }
        let (kind, name, patterns) = match cause.git_ref.split_at_checked("refs/heads/".len()) {
            Some(("refs/heads/", branch)) => ("branch", branch, &self.branches),
            _ => match cause.git_ref.strip_prefix("refs/tags/") {
                Some(tag) => ("tag", tag, &self.tags),
                None => return Err(format!("it is for {} alone, and this build is of {}", self.refs(), cause.git_ref)),
            },
        };
        if !patterns.is_empty() && Patterns::new(patterns).is_ok_and(|patterns| patterns.matches(name)) {
            return Ok(());
        }
        Err(format!("it is for {} alone, and this build is of the {kind} {name}", self.refs()))
    }

    /// In words, such as `branches main; tags v*`; none where it limits nothing.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let mut words = String::new();
        for (what, listed) in [("events", &self.events), ("branches", &self.branches), ("tags", &self.tags)] {
            if !listed.is_empty() {
                let parted = if words.is_empty() { "" } else { "; " };
                // A String takes all that is written.
                let _ = write!(words, "{parted}{what} {}", list(listed));
            }
        }
        Some(words).filter(|words| !words.is_empty())
    }

    fn refs(&self) -> String {
        let refs = GivenTo { events: Vec::new(), ..self.clone() };
        format!("the {}", refs.words().unwrap_or_default().replace("; ", " and the "))
    }
}

fn list(of: &[String]) -> String {
    of.join(", ")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn given(events: &[&str], branches: &[&str], tags: &[&str]) -> GivenTo {
        let texts = |of: &[&str]| of.iter().map(|text| (*text).to_owned()).collect();
        GivenTo { events: texts(events), branches: texts(branches), tags: texts(tags) }
    }

    fn of<'a>(event: &'a str, git_ref: &'a str) -> Cause<'a> {
        Cause { event, git_ref }
    }

    #[test]
    fn a_build_of_another_event_or_branch_is_told_why_it_gets_nothing() {
        let main = given(&[], &["main", "release/*"], &[]);
        for (event, git_ref, why) in [
            ("push", "refs/heads/main", None),
            ("schedule", "refs/heads/release/1", None),
            (
                "push",
                "refs/heads/topic",
                Some("it is for the branches main, release/* alone, and this build is of the branch topic"),
            ),
            (
                "tag",
                "refs/tags/main",
                Some("it is for the branches main, release/* alone, and this build is of the tag main"),
            ),
            (
                "push",
                "refs/heads",
                Some("it is for the branches main, release/* alone, and this build is of refs/heads"),
            ),
        ] {
            assert_eq!(main.allows(of(event, git_ref)).err().as_deref(), why, "{event} {git_ref}");
        }
        let tags = given(&["tag", "manual"], &[], &["v*"]);
        assert_eq!(tags.allows(of("tag", "refs/tags/v1")), Ok(()));
        let why = tags.allows(of("push", "refs/heads/main")).unwrap_err();
        assert_eq!(why, "it is for the events tag, manual alone, and this build's is push");
        assert!(tags.allows(of("manual", "refs/heads/v1")).is_err(), "a branch cannot be named to look like a tag");
        let both = given(&[], &["main"], &["v*"]);
        let why = both.allows(of("tag", "refs/tags/x")).unwrap_err();
        assert_eq!(why, "it is for the branches main and the tags v* alone, and this build is of the tag x");
        assert_eq!(GivenTo::default().allows(of("push", "refs/anything")), Ok(()));
    }

    #[test]
    fn what_nobody_can_mean_is_refused() {
        assert_eq!(given(&["push", "tag", "schedule", "manual"], &["main"], &["v*"]).check(), Ok(()));
        assert_eq!(given(&["pull_request"], &[], &[]).check(), Err(GivenToError::PullRequest));
        assert!(matches!(given(&["merge"], &[], &[]).check(), Err(GivenToError::Event(_))));
        assert!(matches!(given(&[], &["!main"], &[]).check(), Err(GivenToError::Pattern(_))));
        assert!(matches!(given(&[], &[], &[""]).check(), Err(GivenToError::Pattern(_))));
        assert!(matches!(given(&[], &["a["], &[]).check(), Err(GivenToError::Unreadable(_))));
        assert_eq!(given(&[], &["x"; 51], &[]).check(), Err(GivenToError::TooMany));
    }
}
