//! Environments: as captain.yml of the default branch defines them, and as the server protects them.

mod attention;
mod define;
mod directory;
mod health;
mod overview;
mod protection;
mod recent_log;
mod served;
mod settings;
mod written;

pub(crate) use define::define;
pub use directory::{Service, Told, directory, told};
pub use health::Health;
pub use overview::{EnvironmentOverview, of_repository};
pub(crate) use protection::same_person;
pub use protection::{Freeze, Protection, ProtectionError, freeze, protect, unfreeze};
pub use recent_log::{LogWish, RecentLog, RecentLogError, recent_log};
pub use served::served_at;
pub use settings::Settings;
pub use written::Written;
