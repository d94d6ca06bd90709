use askama::Template;

use crate::frame::Frame;

/// `/services`: what runs where.
#[derive(Debug, Template)]
#[template(path = "services.html")]
pub struct ServicesPage {
    /// What surrounds it.
    pub frame: Frame,
    /// Every replica of everything that is live.
    pub services: Vec<ServiceRow>,
}

/// One replica of an app that is live.
#[derive(Debug)]
pub struct ServiceRow {
    /// The repository and the environment.
    pub place: String,
    /// The environment's page.
    pub place_address: String,
    /// Its app.
    pub app: String,
    /// Which replica, from 1.
    pub replica: u32,
    /// Where it takes connections inside the environment's network.
    pub address: Option<String>,
    /// How it is, in a word or two.
    pub condition: String,
    /// Whether that is as it should be; none where it is neither good nor bad.
    pub good: Option<bool>,
    /// The number of its release.
    pub release: i64,
    /// That release's page.
    pub release_address: String,
    /// The host name that the proxy routes to it.
    pub domain: Option<String>,
}
