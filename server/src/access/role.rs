//! What people and programs may do, from the least to the most.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Permission;

/// A role. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks at repositories, builds, logs and environments.
    Viewer,
    /// Builds: triggers, cancels and repeats builds, runs schedules, looks after alerts.
    Developer,
    /// Releases: promotes, rolls back, decides, freezes, steers, and reads what running containers write.
    Deployer,
    /// Sets everything up.
    Administrator,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Role; 4] = [Role::Viewer, Role::Developer, Role::Deployer, Role::Administrator];

    /// The role with this name in the database; none for a name from a newer version, which then allows nothing.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The role's name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Developer => "developer",
            Role::Deployer => "deployer",
            Role::Administrator => "administrator",
        }
    }

    /// The least role that has a permission; none for what no role is asked for or given.
    #[must_use]
    pub fn needed_for(permission: Permission) -> Option<Self> {
        match permission {
            Permission::Read => Some(Role::Viewer),
            Permission::Develop => Some(Role::Developer),
            Permission::Deploy => Some(Role::Deployer),
            Permission::Administer => Some(Role::Administrator),
            Permission::Public | Permission::RunJobs => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_keep_their_names_and_their_order() {
        for role in Role::ALL {
            assert_eq!(Role::named(role.name()), Some(role));
        }
        assert_eq!(Role::named("wizard"), None);
        assert!(Role::ALL.is_sorted());
        assert!(None < Some(Role::Viewer), "nothing is less than any role");
    }
}
