//! What a channel is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use slipway_pipelines::conditions::{PatternError, Patterns};

use super::{About, Message, Occasion};

/// The most patterns of one list.
const MAX_LIST: usize = 50;
/// A week: whoever is told later than that is not told.
const MAX_AFTER_MINUTES: u32 = 7 * 24 * 60;

/// What a channel is told. All that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Of what; the end of a trouble that it was told of comes by itself.
    pub on: Vec<Occasion>,
    /// Of which repositories, as patterns of `owner/name`; empty for all, and for runners, which are of none.
    pub repositories: Vec<String>,
    /// Of builds of which branches, tags and pull requests (`pull/7`), as patterns; empty for each repository's default
    /// branch alone.
    pub branches: Vec<String>,
    /// Of releases to which environments, as patterns; empty for all.
    pub environments: Vec<String>,
    /// Of trouble only when it lasts longer than so many minutes and nobody has acknowledged it: how somebody else is
    /// called.
    pub after_minutes: u32,
}

impl Default for Rule {
    fn default() -> Self {
        Rule {
            on: Occasion::TROUBLE.to_vec(),
            repositories: Vec::new(),
            branches: Vec::new(),
            environments: Vec::new(),
            after_minutes: 0,
        }
    }
}

/// Why a rule cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// It asks for nothing.
    #[error("say of what to tell: one or more of {}", Occasion::names(Occasion::ALL))]
    Nothing,
    /// A list is too long.
    #[error("a list has at most {MAX_LIST} patterns")]
    TooLong,
    /// It would come too late.
    #[error("after_minutes is at most {MAX_AFTER_MINUTES}, a week")]
    TooLate,
    /// A pattern cannot be read.
    #[error(transparent)]
    BadPattern(#[from] PatternError),
}

impl Rule {
    /// Whether it can be kept.
    ///
    /// # Errors
    /// [`RuleError`] says why not.
    pub fn check(&self) -> Result<(), RuleError> {
        if self.on.is_empty() {
            return Err(RuleError::Nothing);
        }
        if self.after_minutes > MAX_AFTER_MINUTES {
            return Err(RuleError::TooLate);
        }
        for list in [&self.repositories, &self.branches, &self.environments] {
            if list.len() > MAX_LIST {
                return Err(RuleError::TooLong);
            }
            Patterns::new(list)?;
        }
        Ok(())
    }

    /// Whether this is to be told. The default branch is that of the message's repository.
    ///
    /// # Errors
    /// When a pattern cannot be read any more.
    pub fn wants(&self, message: &Message, default_branch: &str) -> Result<bool, PatternError> {
        if !self.on.contains(&message.occasion) || !is_among(&self.repositories, &message.repository)? {
            return Ok(false);
        }
        match &message.about {
            About::Build { reference, .. } if self.branches.is_empty() => Ok(reference == default_branch),
            About::Build { reference, .. } => is_among(&self.branches, reference),
            About::Release { environment, .. } | About::App { environment, .. } => {
                is_among(&self.environments, environment)
            }
            About::Runner { .. } => Ok(true),
        }
    }
}

/// Whether the patterns take the name; no pattern takes every name.
fn is_among(patterns: &[String], name: &str) -> Result<bool, PatternError> {
    Ok(patterns.is_empty() || Patterns::new(patterns)?.matches(name))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;
    use crate::notifications::message::tests::{failed_build, mended_build};

    #[test]
    fn unless_told_otherwise_it_is_trouble_of_default_branches_and_of_releases() {
        let usual = Rule::default();
        assert!(usual.wants(&failed_build(), "main").unwrap());
        assert!(!usual.wants(&failed_build(), "trunk").unwrap(), "a branch of somebody's own work");
        assert!(!usual.wants(&mended_build(), "main").unwrap());
        let about = About::Release { environment: "dev".to_owned(), number: 3, build: 7, commit: String::new() };
        let failed = Message { occasion: Occasion::ReleaseFailed, about, ..failed_build() };
        assert!(usual.wants(&failed, "main").unwrap());
        let production = Rule { environments: vec!["production".to_owned()], ..Rule::default() };
        assert!(!production.wants(&failed, "main").unwrap());
    }

    #[test]
    fn patterns_choose_repositories_and_branches() {
        let rule = |repository: &str, branch: &str| Rule {
            repositories: vec![repository.to_owned()],
            branches: vec![branch.to_owned()],
            ..Rule::default()
        };
        assert!(rule("acme/*", "ma*").wants(&failed_build(), "trunk").unwrap());
        assert!(!rule("other/*", "ma*").wants(&failed_build(), "trunk").unwrap());
        assert!(!rule("acme/*", "release/*").wants(&failed_build(), "main").unwrap());
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let said = |rule: Rule| rule.check().unwrap_err().to_string();
        assert!(said(Rule { on: vec![], ..Rule::default() }).contains("build-failed, build-succeeded"));
        assert!(said(Rule { after_minutes: u32::MAX, ..Rule::default() }).contains("a week"));
        assert!(said(Rule { branches: vec!["x".to_owned(); 51], ..Rule::default() }).contains("50"));
        Rule { branches: vec!["[".to_owned()], ..Rule::default() }.check().unwrap_err();
    }
}
