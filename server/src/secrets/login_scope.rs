//! For which repositories a login to a registry is.

use slipway_pipelines::conditions::{PatternError, Patterns};

/// The most patterns of one login.
const MOST_PATTERNS: usize = 100;

/// The repositories whose jobs are given a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginScope {
    /// Every repository, also those that are connected later.
    Every,
    /// Those whose names match one of these patterns, such as `shop/*`.
    Named(Vec<String>),
}

/// Why a login is for no repositories that anybody could mean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginScopeError {
    /// Neither some nor all, or both.
    #[error(
        "It must be said for which repositories it is: either `repositories`, patterns of names such as shop/*, or \
         `all_repositories`."
    )]
    Undecided,
    /// Too many patterns.
    #[error("At most {MOST_PATTERNS} patterns of repositories are named.")]
    TooMany,
    /// A pattern that excludes.
    #[error("The pattern \"{0}\" excludes; name the repositories that it is for.")]
    Excludes(String),
    /// A pattern that cannot be read.
    #[error("Of the repositories, {0}.")]
    Unreadable(#[from] PatternError),
}

impl LoginScope {
    /// What somebody asks for.
    ///
    /// # Errors
    /// When it is not said, or a pattern cannot be read.
    pub fn asked(repositories: Option<Vec<String>>, all: bool) -> Result<Self, LoginScopeError> {
        match (repositories, all) {
            (None, true) => Ok(LoginScope::Every),
            (Some(patterns), false) if !patterns.is_empty() => {
                if patterns.len() > MOST_PATTERNS {
                    return Err(LoginScopeError::TooMany);
                }
                if let Some(excludes) = patterns.iter().find(|pattern| pattern.starts_with('!')) {
                    return Err(LoginScopeError::Excludes(excludes.clone()));
                }
                Patterns::new(&patterns)?;
                Ok(LoginScope::Named(patterns))
            }
            _ => Err(LoginScopeError::Undecided),
        }
    }

    /// Whether the login is for a repository.
    #[must_use]
    pub fn holds(&self, repository: &str) -> bool {
        match self {
            LoginScope::Every => true,
            LoginScope::Named(patterns) => Patterns::new(patterns).is_ok_and(|patterns| patterns.matches(repository)),
        }
    }

    /// The patterns; none where it is for every repository.
    #[must_use]
    pub fn patterns(&self) -> Option<&[String]> {
        match self {
            LoginScope::Every => None,
            LoginScope::Named(patterns) => Some(patterns),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn named(patterns: &[&str]) -> Result<LoginScope, LoginScopeError> {
        LoginScope::asked(Some(patterns.iter().map(|pattern| (*pattern).to_owned()).collect()), false)
    }

    #[test]
    fn a_login_is_for_what_it_names_alone() {
        let scope = named(&["shop/*", "tools/builder"]).unwrap();
        for (repository, expected) in
            [("shop/web", true), ("tools/builder", true), ("tools/other", false), ("workshop/web", false)]
        {
            assert_eq!(scope.holds(repository), expected, "{repository}");
        }
        assert!(LoginScope::asked(None, true).unwrap().holds("any/thing"));
    }

    #[test]
    fn nothing_is_meant_by_silence() {
        for undecided in [LoginScope::asked(None, false), named(&[]), LoginScope::asked(Some(vec!["a/b".into()]), true)]
        {
            assert_eq!(undecided, Err(LoginScopeError::Undecided));
        }
        assert!(matches!(named(&["!shop/web"]), Err(LoginScopeError::Excludes(_))));
        assert!(matches!(named(&["shop/["]), Err(LoginScopeError::Unreadable(_))));
    }
}
