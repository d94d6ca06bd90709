//! Grants: a role, and where it holds.

use slipway_pipelines::conditions::{PatternError, Patterns};

use super::Role;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The server as a whole.
    Server,
    /// A repository, by its name.
    Repository(String),
    /// One of its environments.
    Environment {
        /// The repository's name.
        repository: String,
        /// The environment's name.
        environment: String,
    },
}

/// A role, and where it holds. As it was asked for, and ready to be matched.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// The pattern of repositories; none for the server as a whole.
    pub repository: Option<String>,
    /// The pattern of environments; none for the repositories as a whole.
    pub environment: Option<String>,
    repositories: Option<Patterns>,
    environments: Option<Patterns>,
}

/// Why a grant means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// An environment of no repository.
    #[error("An environment belongs to a repository: name that too, such as shop/web or shop/*.")]
    Homeless,
    /// A pattern that excludes.
    #[error("The pattern \"{0}\" excludes; a grant names what it is for.")]
    Excludes(String),
    /// A pattern that cannot be read.
    #[error("Of the grant, {0}.")]
    Unreadable(#[from] PatternError),
}

impl Grant {
    /// A role that holds in what the patterns name: `repository` such as `shop/*`, `environment` such as `staging`; none for
    /// everything.
    ///
    /// # Errors
    /// When a pattern cannot be read, or an environment is named without a repository.
    pub fn new(role: Role, repository: Option<String>, environment: Option<String>) -> Result<Self, GrantError> {
        if repository.is_none() && environment.is_some() {
            return Err(GrantError::Homeless);
        }
        let (repositories, environments) = (read(repository.as_ref())?, read(environment.as_ref())?);
        Ok(Grant { role, repository, environment, repositories, environments })
    }

    /// A role that holds everywhere.
    #[must_use]
    pub fn everywhere(role: Role) -> Self {
        Grant { role, repository: None, environment: None, repositories: None, environments: None }
    }

    /// A grant as the database has it; none of a role that this version does not know, which then allows nothing.
    #[must_use]
    pub fn stored(role: &str, repository: Option<String>, environment: Option<String>) -> Option<Self> {
        Grant::new(Role::named(role)?, repository, environment).ok()
    }

    /// The role that it gives there. Whoever has a role in an environment sees its repository.
    #[must_use]
    pub fn role_in(&self, scope: &Scope) -> Option<Role> {
        let Some(repositories) = &self.repositories else { return Some(self.role) };
        let (repository, environment) = match scope {
            Scope::Server => return None,
            Scope::Repository(repository) => (repository, None),
            Scope::Environment { repository, environment } => (repository, Some(environment)),
        };
        if !repositories.matches(repository) {
            return None;
        }
        match (&self.environments, environment) {
            (None, _) => Some(self.role),
            (Some(patterns), Some(environment)) if patterns.matches(environment) => Some(self.role),
            (Some(_), _) => Some(Role::Viewer),
        }
    }
}

/// The most that one of the grants gives there.
#[must_use]
pub(super) fn role_in(grants: &[Grant], scope: &Scope) -> Option<Role> {
    grants.iter().filter_map(|grant| grant.role_in(scope)).max()
}

fn read(pattern: Option<&String>) -> Result<Option<Patterns>, GrantError> {
    match pattern {
        None => Ok(None),
        Some(pattern) if pattern.starts_with('!') => Err(GrantError::Excludes(pattern.clone())),
        Some(pattern) => Ok(Some(Patterns::new(std::slice::from_ref(pattern))?)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn grant(role: Role, repository: Option<&str>, environment: Option<&str>) -> Result<Grant, GrantError> {
        Grant::new(role, repository.map(str::to_owned), environment.map(str::to_owned))
    }

    fn repository(name: &str) -> Scope {
        Scope::Repository(name.to_owned())
    }

    fn environment(repository: &str, name: &str) -> Scope {
        Scope::Environment { repository: repository.to_owned(), environment: name.to_owned() }
    }

    #[test]
    fn a_role_of_the_server_holds_everywhere() {
        let grants = [grant(Role::Developer, None, None).unwrap()];
        for scope in [Scope::Server, repository("shop/web"), environment("shop/web", "production")] {
            assert_eq!(role_in(&grants, &scope), Some(Role::Developer), "{scope:?}");
        }
    }

    #[test]
    fn a_role_in_repositories_holds_in_those_alone() {
        let grants = [grant(Role::Deployer, Some("shop/*"), None).unwrap()];
        assert_eq!(role_in(&grants, &repository("shop/web")), Some(Role::Deployer));
        assert_eq!(role_in(&grants, &environment("shop/web", "production")), Some(Role::Deployer));
        for scope in [Scope::Server, repository("workshop/web"), environment("tools/web", "production")] {
            assert_eq!(role_in(&grants, &scope), None, "{scope:?}");
        }
    }

    #[test]
    fn a_role_in_an_environment_sees_the_repository_and_no_more() {
        let grants = [grant(Role::Deployer, Some("shop/web"), Some("staging*")).unwrap()];
        assert_eq!(role_in(&grants, &environment("shop/web", "staging-eu")), Some(Role::Deployer));
        assert_eq!(role_in(&grants, &environment("shop/web", "production")), Some(Role::Viewer));
        assert_eq!(role_in(&grants, &repository("shop/web")), Some(Role::Viewer));
        assert_eq!(role_in(&grants, &repository("shop/api")), None);
    }

    #[test]
    fn of_several_the_most_holds() {
        let grants =
            [grant(Role::Viewer, None, None).unwrap(), grant(Role::Administrator, Some("shop/web"), None).unwrap()];
        assert_eq!(role_in(&grants, &repository("shop/web")), Some(Role::Administrator));
        assert_eq!(role_in(&grants, &repository("shop/api")), Some(Role::Viewer));
        assert_eq!(role_in(&[], &Scope::Server), None);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        assert_eq!(grant(Role::Viewer, None, Some("dev")).unwrap_err(), GrantError::Homeless);
        assert!(matches!(grant(Role::Viewer, Some("!a/b"), None), Err(GrantError::Excludes(_))));
        assert!(matches!(grant(Role::Viewer, Some("a/["), None), Err(GrantError::Unreadable(_))));
        assert!(matches!(grant(Role::Viewer, Some(""), None), Err(GrantError::Unreadable(_))));
    }
}
