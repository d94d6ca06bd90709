//! `/settings`: what holds for the whole server, one page for each thing.

mod audit;
mod forges;
mod registries;
mod schedules;
mod secrets;
mod tokens;
mod users;

use askama::Template;

pub use audit::{AuditPage, AuditRow};
pub use forges::{ForgeForm, ForgeRow, ForgesPage};
pub use registries::{RegistriesPage, RegistryForm, RegistryRow};
pub use schedules::{SchedulesPage, SchedulesRow};
pub use secrets::{InstanceSecretForm, InstanceSecretRow, SealingView, SecretsOf, SecretsPage};
pub use tokens::{NewTokenPage, TokenForm, TokenRow, TokensPage};
pub use users::{GrantRow, UserForm, UserLinkPage, UserRow, UsersPage};

/// The roles, the least first, and what each may do.
pub const ROLES: &[(&str, &str)] = &[
    ("viewer", "look"),
    ("developer", "look and build"),
    ("deployer", "build and release"),
    ("administrator", "do everything"),
];

/// The head that all pages of the settings share.
#[derive(Debug, Clone, Copy, Template)]
#[template(path = "settings_head.html")]
pub struct SettingsHead {
    /// Which of them is shown.
    pub place: SettingsPlace,
}

impl askama::filters::HtmlSafe for SettingsHead {}

/// The pages of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsPlace {
    /// Secrets of all repositories.
    Secrets,
    /// Logins to registries.
    Registries,
    /// Credentials for GitHub.
    Forges,
    /// People.
    Users,
    /// Access tokens.
    Tokens,
    /// Schedules of all repositories.
    Schedules,
    /// The audit log.
    Audit,
}

impl SettingsPlace {
    /// All of them, in the order in which they are named.
    pub const ALL: [SettingsPlace; 7] = [
        SettingsPlace::Secrets,
        SettingsPlace::Registries,
        SettingsPlace::Forges,
        SettingsPlace::Users,
        SettingsPlace::Tokens,
        SettingsPlace::Schedules,
        SettingsPlace::Audit,
    ];

    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SettingsPlace::Secrets => "Secrets",
            SettingsPlace::Registries => "Registries",
            SettingsPlace::Forges => "GitHub",
            SettingsPlace::Users => "Users",
            SettingsPlace::Tokens => "Tokens",
            SettingsPlace::Schedules => "Schedules",
            SettingsPlace::Audit => "Audit",
        }
    }

    /// Its address.
    #[must_use]
    pub fn address(self) -> &'static str {
        match self {
            SettingsPlace::Secrets => "/settings/secrets",
            SettingsPlace::Registries => "/settings/registries",
            SettingsPlace::Forges => "/settings/github",
            SettingsPlace::Users => "/settings/users",
            SettingsPlace::Tokens => "/settings/tokens",
            SettingsPlace::Schedules => "/settings/schedules",
            SettingsPlace::Audit => "/settings/audit",
        }
    }
}
