//! What a request may need, and who has it.

/// What a route needs. Every route is registered with one; see [`super::Routes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: it protects itself (a webhook by its signature) or has nothing to protect (health, the login).
    Public,
    /// Looking at repositories, builds, logs, environments. Open to everyone where `public_read` is set.
    Read,
    /// Building: triggering, cancelling and repeating builds, running schedules, looking after alerts.
    Develop,
    /// Releasing: promoting, rolling back, deciding, freezing, steering, and what running containers write.
    Deploy,
    /// Setting up: repositories, secrets, logins, runners, channels, protection, people and tokens; and what only those who
    /// do should see.
    Administer,
    /// Claiming jobs and reporting on them. Runners alone have it, each for its own.
    RunJobs,
}

impl Permission {
    /// Whether it is one that people have in order to change things.
    #[must_use]
    pub fn is_for_changes(self) -> bool {
        match self {
            Permission::Develop | Permission::Deploy | Permission::Administer => true,
            Permission::Public | Permission::Read | Permission::RunJobs => false,
        }
    }
}

/// What a token allows its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Administrator,
}

impl Role {
    /// The role with this name in the database; none for a name from a newer version, which then allows nothing.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "administrator" => Some(Role::Administrator),
            _ => None,
        }
    }

    /// The role's name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Administrator => "administrator",
        }
    }

    fn grants(self, permission: Permission) -> bool {
        match (self, permission) {
            (Role::Administrator, Permission::RunJobs) => false,
            (Role::Administrator, _) => true,
        }
    }
}

/// Who sent a request, as far as it was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Nobody in particular.
    Anonymous,
    /// The bearer of a token, by header or by a session that the token opened.
    Bearer {
        /// The token's name, for the audit log and for people.
        name: String,
        /// What it allows; none for a role that this version does not know.
        role: Option<Role>,
        /// Whether it came by a cookie, which browsers attach also to what other sites ask for.
        by_cookie: bool,
    },
    /// The bearer of a runner's token.
    Runner {
        /// The runner's id.
        id: String,
        /// Its name.
        name: String,
    },
}

impl Principal {
    /// Whether this principal has `permission`.
    #[must_use]
    pub fn has(&self, permission: Permission, public_read: bool) -> bool {
        match (permission, self) {
            (Permission::Public, _) => true,
            (Permission::Read, Principal::Anonymous) => public_read,
            (Permission::Read, Principal::Runner { .. }) => public_read,
            (Permission::RunJobs, Principal::Runner { .. }) => true,
            (_, Principal::Anonymous | Principal::Runner { .. }) => false,
            (needed, Principal::Bearer { role, .. }) => {
                role.is_some_and(|role| role.grants(needed)) || (needed == Permission::Read && public_read)
            }
        }
    }

    /// The name under which its changes stand in the audit log.
    #[must_use]
    pub fn actor(&self) -> &str {
        match self {
            Principal::Anonymous => "anonymous",
            Principal::Bearer { name, .. } | Principal::Runner { name, .. } => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_changes_anything_without_a_role() {
        let unknown_role = Principal::Bearer { name: "x".to_owned(), role: Role::named("wizard"), by_cookie: false };
        for principal in [Principal::Anonymous, unknown_role] {
            for public_read in [false, true] {
                assert!(!principal.has(Permission::Develop, public_read));
                assert!(!principal.has(Permission::RunJobs, public_read));
                assert_eq!(principal.has(Permission::Read, public_read), public_read);
                assert!(principal.has(Permission::Public, public_read));
            }
        }
    }

    #[test]
    fn a_runner_runs_jobs_and_nobody_else_does() {
        let runner = Principal::Runner { id: "r".to_owned(), name: "r".to_owned() };
        assert!(runner.has(Permission::RunJobs, false) && runner.has(Permission::Public, false));
        assert!(!runner.has(Permission::Read, false) && !runner.has(Permission::Develop, true));
        let role = Some(Role::Administrator);
        let administrator = Principal::Bearer { name: "x".to_owned(), role, by_cookie: false };
        assert!(!administrator.has(Permission::RunJobs, true), "it is bound to no runner");
    }

    #[test]
    fn roles_keep_their_names() {
        assert_eq!(Role::named(Role::Administrator.name()), Some(Role::Administrator));
    }
}
