use askama::Template;

use crate::frame::Frame;

/// `/connect`: the form that connects a repository.
#[derive(Debug, Template)]
#[template(path = "connect.html")]
pub struct ConnectPage {
    /// What surrounds it.
    pub frame: Frame,
    /// What was typed.
    pub name: String,
    /// What was typed.
    pub clone_url: String,
    /// What was typed, or `main`.
    pub default_branch: String,
    /// What is wrong with what was typed.
    pub error: Option<String>,
}

/// What is shown once after a repository was connected: how to set up its webhook.
#[derive(Debug, Template)]
#[template(path = "connected.html")]
pub struct ConnectedPage {
    /// What surrounds it.
    pub frame: Frame,
    /// `owner/name`.
    pub name: String,
    /// The repository's page.
    pub address: String,
    /// Where the forge sends its deliveries.
    pub hook_url: String,
    /// What it signs them with.
    pub secret: String,
    /// The forge's page for new webhooks, where the clone address tells it.
    pub forge_settings: Option<String>,
}
