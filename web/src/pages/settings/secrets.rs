use askama::Template;

use super::SettingsHead;
use crate::frame::Frame;

/// `/settings/secrets`: which repository has which secrets.
#[derive(Debug, Template)]
#[template(path = "settings_secrets.html")]
pub struct SecretsPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: SettingsHead,
    /// The repositories that have some, by name.
    pub repositories: Vec<SecretsOf>,
    /// Whether any repository is connected.
    pub is_connected: bool,
    /// The page of further repositories.
    pub next: Option<String>,
    /// The first page, where this is not it.
    pub first: Option<String>,
}

/// The secrets of a repository.
#[derive(Debug)]
pub struct SecretsOf {
    /// `owner/name`.
    pub repository: String,
    /// Where they are changed.
    pub address: String,
    /// By environment, the whole repository's under an empty name: their names.
    pub places: Vec<(String, Vec<String>)>,
}
