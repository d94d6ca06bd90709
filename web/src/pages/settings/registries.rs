use askama::Template;

use super::SettingsHead;
use crate::{frame::Frame, time::When};

/// `/settings/registries`: the logins to registries.
#[derive(Debug, Template)]
#[template(path = "settings_registries.html")]
pub struct RegistriesPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: SettingsHead,
    /// The logins by host.
    pub registries: Vec<RegistryRow>,
    /// The form that sets one.
    pub form: RegistryForm,
    /// What was just done.
    pub note: Option<String>,
    /// Why what was asked for was not done.
    pub error: Option<String>,
}

/// A login.
#[derive(Debug)]
pub struct RegistryRow {
    /// The registry's host and port.
    pub host: String,
    /// The user.
    pub username: String,
    /// The patterns of the repositories that it is for; none for every one.
    pub repositories: Option<Vec<String>>,
    /// When it was set.
    pub when: When,
    /// The page whose form changes it.
    pub change: String,
    /// Where the form that removes it goes.
    pub remove: String,
}

/// What the form of a login holds, but for the password.
#[derive(Debug, Default)]
pub struct RegistryForm {
    /// The host.
    pub host: String,
    /// The user.
    pub username: String,
    /// Patterns of repositories, parted by commas.
    pub repositories: String,
    /// Whether it is for every repository.
    pub all_repositories: bool,
}
