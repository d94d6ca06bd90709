//! Environments, as captain.yml of the default branch defines them.

mod define;
mod overview;
mod settings;

pub(crate) use define::define;
pub use overview::{EnvironmentOverview, of_repository};
pub use settings::Settings;
