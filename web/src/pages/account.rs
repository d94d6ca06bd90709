use askama::Template;

use super::settings::{TokenForm, TokenRow};
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
    /// The accounts elsewhere by which they log in.
    pub identities: Vec<IdentityRow>,
    /// Where they can connect one: the provider, and where that begins.
    pub providers: Vec<(String, String)>,
    /// The tokens of their own, newest first.
    pub tokens: Vec<TokenRow>,
    /// What one may that they make, at most: the role and the words for it.
    pub roles: Vec<(&'static str, &'static str)>,
    /// What was typed of one.
    pub token: TokenForm,
    /// Whether they have a password.
    pub has_password: bool,
    /// What was just done.
    pub note: Option<String>,
    /// Why what was asked for was not done.
    pub error: Option<String>,
}

/// The one page that shows the value of a token of one's own.
#[derive(Debug, Template)]
#[template(path = "account_token.html")]
pub struct OwnTokenPage {
    /// What surrounds it.
    pub frame: Frame,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// An account elsewhere by which somebody logs in.
#[derive(Debug)]
pub struct IdentityRow {
    /// Where it is.
    pub provider: String,
    /// What it is called there.
    pub shown: String,
    /// When they last logged in by it.
    pub used: Option<When>,
    /// Where the form that disconnects it goes.
    pub disconnect: String,
}

/// Asks whether an account elsewhere is to open this one.
#[derive(Debug, Template)]
#[template(path = "connection.html")]
pub struct ConnectionPage {
    /// What surrounds it.
    pub frame: Frame,
    /// Where the account is.
    pub provider: String,
    /// What it is called there.
    pub shown: String,
    /// Whose account here it is to open.
    pub name: String,
    /// Where the form goes.
    pub address: String,
    /// What was proved, sealed.
    pub proof: String,
    /// Whether they are to show their password.
    pub wants_password: bool,
    /// Why it was not connected.
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

impl SessionRow {
    /// What people call the browser.
    fn words(&self) -> String {
        crate::agent::words(&self.browser)
    }
}
