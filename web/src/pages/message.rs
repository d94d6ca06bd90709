use askama::Template;

use crate::frame::Frame;

/// A page that says one thing: not found, not allowed, went wrong.
#[derive(Debug, Template)]
#[template(path = "message.html")]
pub struct MessagePage {
    /// What surrounds it.
    pub frame: Frame,
    /// The status code, for those who look for it.
    pub status: u16,
    /// What happened.
    pub heading: String,
    /// What to do about it.
    pub text: String,
    /// Where to go on: text and address.
    pub link: Option<(String, String)>,
}

/// `/login`.
#[derive(Debug, Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    /// What surrounds it.
    pub frame: Frame,
    /// Where to go afterwards; a path of this server.
    pub next: String,
    /// Why the last try failed.
    pub error: Option<String>,
    /// Whether anybody has an account; where nobody has, there are tokens alone.
    pub has_people: bool,
    /// Where else people can prove who they are: the provider, and where that begins.
    pub providers: Vec<(String, String)>,
}
