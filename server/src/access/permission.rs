//! What a request may need.

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
