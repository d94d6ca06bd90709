use askama::Template;

use crate::{frame::Frame, time::When};

/// `/runners`: who does the work.
#[derive(Debug, Template)]
#[template(path = "runners.html")]
pub struct RunnersPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The runners by name.
    pub runners: Vec<RunnerRow>,
    /// How many jobs wait.
    pub waiting: i64,
}

/// A runner.
#[derive(Debug)]
pub struct RunnerRow {
    /// Its name.
    pub name: String,
    /// Its Slipway version.
    pub version: String,
    /// How many jobs it takes at once.
    pub capacity: i64,
    /// The jobs that it holds: text and page.
    pub jobs: Vec<(String, String)>,
    /// When it was last heard of.
    pub seen: When,
    /// Whether it was heard of within a lease's length.
    pub present: bool,
}
