use askama::Template;

use super::SettingsHead;
use crate::{frame::Frame, time::When};

/// `/settings/github`: the credentials by which GitHub is told.
#[derive(Debug, Template)]
#[template(path = "settings_forges.html")]
pub struct ForgesPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: SettingsHead,
    /// The credentials by name.
    pub forges: Vec<ForgeRow>,
    /// The form that sets one.
    pub form: ForgeForm,
    /// What was just done.
    pub note: Option<String>,
    /// Why what was asked for was not done.
    pub error: Option<String>,
}

/// A credential.
#[derive(Debug)]
pub struct ForgeRow {
    /// Its name.
    pub name: String,
    /// What it is: a token, or an App with its id.
    pub kind: String,
    /// Where the API is.
    pub api: String,
    /// The patterns of the repositories that it is for; none for every one.
    pub repositories: Option<Vec<String>>,
    /// Whether they are fetched with it as well.
    pub fetches: bool,
    /// When it was set.
    pub when: When,
    /// The report that GitHub took last: of what, and when.
    pub taken: Option<(String, When)>,
    /// The report that it refused last, or does not take: of what, why, and when.
    pub refused: Option<(String, String, When)>,
    /// Until when nothing is sent, where GitHub asked for a rest.
    pub rests: Option<When>,
    /// The page whose form changes it.
    pub change: String,
    /// Where its forms go.
    pub address: String,
    /// Where the form that removes it goes.
    pub remove: String,
}

/// What the form of a credential holds, but for the token and the key.
#[derive(Debug, Default)]
pub struct ForgeForm {
    /// Its name.
    pub name: String,
    /// The client id of a GitHub App; empty for a token.
    pub app: String,
    /// Where the API is; empty for GitHub's own.
    pub api: String,
    /// Patterns of repositories, parted by commas.
    pub repositories: String,
    /// Whether it is for every repository.
    pub all_repositories: bool,
    /// Whether they are fetched with it as well.
    pub fetches: bool,
}
