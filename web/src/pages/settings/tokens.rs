use askama::Template;

use super::SettingsHead;
use crate::{frame::Frame, time::When};

/// `/settings/tokens`: who may do what by the API and at the login.
#[derive(Debug, Template)]
#[template(path = "settings_tokens.html")]
pub struct TokensPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: SettingsHead,
    /// Those that hold, or those that were revoked, newest first.
    pub tokens: Vec<TokenRow>,
    /// Whether they are those that were revoked.
    pub is_revoked: bool,
    /// The page of those that are older.
    pub older: Option<String>,
    /// The page of the newest, from one that is not it.
    pub newest: Option<String>,
    /// What was typed.
    pub form: TokenForm,
    /// What was just done.
    pub note: Option<String>,
    /// Why what was asked for was not done.
    pub error: Option<String>,
}

/// What is asked for of a new token.
#[derive(Debug, Default)]
pub struct TokenForm {
    /// Its name.
    pub name: String,
    /// What its bearer may do, such as `developer`.
    pub role: &'static str,
    /// The pattern of repositories.
    pub repository: String,
    /// The pattern of environments.
    pub environment: String,
    /// After how many days it expires.
    pub days: String,
}

/// A token, without its value.
#[derive(Debug)]
pub struct TokenRow {
    /// Its name.
    pub name: String,
    /// Whose own it is.
    pub owner: Option<String>,
    /// What its bearer may do, and where, in words.
    pub may: String,
    /// When it opens nothing any more; none for never.
    pub expires: Option<When>,
    /// Whether it has come to that.
    pub has_expired: bool,
    /// When it was made.
    pub made: When,
    /// When it was last used; none when it never was, or that is not known.
    pub used: Option<When>,
    /// When it was revoked.
    pub revoked: Option<When>,
    /// Where the form that revokes it goes; none where that is done elsewhere.
    pub revoke: Option<String>,
}

/// The one page that shows a token's value.
#[derive(Debug, Template)]
#[template(path = "settings_token.html")]
pub struct NewTokenPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: SettingsHead,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}
