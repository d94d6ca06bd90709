use askama::Template;

use super::SettingsHead;
use crate::{frame::Frame, time::When};

/// `/settings/users`: people, and what they may do.
#[derive(Debug, Template)]
#[template(path = "settings_users.html")]
pub struct UsersPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: SettingsHead,
    /// Everybody, by name.
    pub users: Vec<UserRow>,
    /// The page behind these.
    pub next: Option<String>,
    /// What was typed.
    pub form: UserForm,
    /// Why what was asked for was not done.
    pub error: Option<String>,
}

/// Somebody.
#[derive(Debug)]
pub struct UserRow {
    /// Their name.
    pub name: String,
    /// What the addresses of their forms begin with.
    pub address: String,
    /// What they may do.
    pub grants: Vec<GrantRow>,
    /// Whether they have set a password.
    pub has_password: bool,
    /// Until when a link holds by which they can.
    pub invited_until: Option<When>,
    /// Since when they may do nothing.
    pub disabled: Option<When>,
    /// When they last logged in.
    pub last_login: Option<When>,
}

/// Something that somebody may do.
#[derive(Debug)]
pub struct GrantRow {
    /// What, and where, in words.
    pub may: String,
    /// Where the form goes that takes it back; none where the groups of a provider give it.
    pub remove: Option<String>,
    /// The provider whose groups give it.
    pub of_groups: Option<String>,
}

/// What is asked for of somebody new.
#[derive(Debug, Default)]
pub struct UserForm {
    /// Their name.
    pub name: String,
    /// Their role, such as `developer`.
    pub role: &'static str,
    /// The pattern of repositories.
    pub repository: String,
    /// The pattern of environments.
    pub environment: String,
    /// Whether somebody who was removed is to be brought back.
    pub again: bool,
}

/// The one page that shows a link.
#[derive(Debug, Template)]
#[template(path = "settings_user_link.html")]
pub struct UserLinkPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: SettingsHead,
    /// Whose it is.
    pub name: String,
    /// The link.
    pub link: String,
}
