use askama::Template;

use super::SettingsHead;
use crate::{frame::Frame, pages::LimitsForm, time::When};

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
    /// The key that everything is sealed with.
    pub key: Option<SealingView>,
    /// The secrets of the instance, by name.
    pub instance: Vec<InstanceSecretRow>,
    /// The form that sets one of those.
    pub form: InstanceSecretForm,
    /// What was just done.
    pub note: Option<String>,
    /// Why what was asked for was not done.
    pub error: Option<String>,
}

/// A secret of the instance, without its value.
#[derive(Debug)]
pub struct InstanceSecretRow {
    /// Its name.
    pub name: String,
    /// The patterns of the repositories that it is for; none for every one.
    pub repositories: Option<Vec<String>>,
    /// The builds that are given it, in words; none for every one.
    pub given_to: Option<String>,
    /// How often it was set.
    pub version: i64,
    /// When it was set.
    pub when: When,
    /// The page whose form replaces it.
    pub replace: String,
    /// Where the form that removes it goes.
    pub remove: String,
}

/// What the form of a secret of the instance holds, but for the value.
#[derive(Debug, Default)]
pub struct InstanceSecretForm {
    /// Its name.
    pub name: String,
    /// Patterns of repositories, parted by commas.
    pub repositories: String,
    /// Whether it is for every repository.
    pub all_repositories: bool,
    /// The builds that are given it.
    pub limits: LimitsForm,
    /// Whether one that is there is replaced.
    pub replaces: bool,
}

/// The key that everything is sealed with.
#[derive(Debug)]
pub struct SealingView {
    /// Its id.
    pub id: String,
    /// Since when values are sealed with it.
    pub since: When,
    /// Whether nothing is sealed with earlier ones any more.
    pub is_alone: bool,
    /// How many values were sealed anew with it.
    pub resealed: i64,
    /// How many values no key opens.
    pub unopened: i64,
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
