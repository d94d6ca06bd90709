//! What a step is given besides what its plan says.

use bollard::models::Mount;

/// Secrets, and the means to reach an engine of its own.
#[derive(Clone, Default)]
pub(crate) struct Provisions {
    /// Variables, over those of the plan.
    pub(crate) env: Vec<(String, String)>,
    /// Mounts besides those of the plan.
    pub(crate) mounts: Vec<Mount>,
}

impl std::fmt::Debug for Provisions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("Provisions").field("env", &names).field("mounts", &self.mounts).finish()
    }
}

impl Provisions {
    /// The variables as an engine takes them.
    pub(super) fn assignments(&self) -> impl Iterator<Item = String> + '_ {
        self.env.iter().map(|(name, value)| format!("{name}={value}"))
    }
}
