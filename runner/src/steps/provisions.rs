//! What a step is given besides what its plan says.

use bollard::models::Mount;

/// Secrets, and the means to reach an engine of its own.
#[derive(Clone, Default)]
pub(crate) struct Provisions {
    /// Variables that only its processes may know, over all others.
    pub(crate) secrets: Vec<(String, String)>,
    /// Variables, over those of the plan.
    pub(crate) env: Vec<(String, String)>,
    /// Mounts besides those of the plan.
    pub(crate) mounts: Vec<Mount>,
}

impl std::fmt::Debug for Provisions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.secrets.iter().map(|(name, _)| name).collect();
        f.debug_struct("Provisions")
            .field("secrets", &names)
            .field("env", &self.env)
            .field("mounts", &self.mounts)
            .finish()
    }
}

impl Provisions {
    /// All variables, secret or not; of two with one name the later one counts.
    pub(super) fn variables(&self) -> impl Iterator<Item = &(String, String)> {
        self.env.iter().chain(&self.secrets)
    }
}
