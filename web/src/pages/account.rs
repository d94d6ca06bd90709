use askama::Template;

use crate::{frame::Frame, time::When};

/// `/account`: one's own password and sessions.
#[derive(Debug, Template)]
#[template(path = "account.html")]
pub struct AccountPage {
    /// What surrounds it.
    pub frame: Frame,
    /// Whose it is.
    pub name: String,
    /// What they may do, in words.
    pub grants: Vec<String>,
    /// Their sessions, the one that was used last first.
    pub sessions: Vec<SessionRow>,
    /// What was just done.
    pub note: Option<String>,
    /// Why what was asked for was not done.
    pub error: Option<String>,
}

/// A session.
#[derive(Debug)]
pub struct SessionRow {
    /// Where it was opened from.
    pub address: String,
    /// What that called itself.
    pub browser: String,
    /// When it was opened.
    pub opened: When,
    /// When it was last used.
    pub used: When,
    /// Whether it is the one that asks.
    pub is_this: bool,
    /// Where the form that ends it goes.
    pub end: String,
}

/// `/welcome/LINK`: where somebody sets a password.
#[derive(Debug, Template)]
#[template(path = "welcome.html")]
pub struct WelcomePage {
    /// What surrounds it.
    pub frame: Frame,
    /// Whose link it is.
    pub name: String,
    /// Where the form goes.
    pub address: String,
    /// Whether it is their first password.
    pub is_first: bool,
    /// Why the password was not taken.
    pub error: Option<String>,
}
