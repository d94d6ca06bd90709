use askama::Template;

use crate::{frame::Frame, measurements::Measurements, time::When};

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
    /// What was measured of their hosts.
    pub hosts: Measurements,
}

/// A runner.
#[derive(Debug)]
pub struct RunnerRow {
    /// Its name.
    pub name: String,
    /// Its labels, as they are written.
    pub labels: Vec<String>,
    /// Whether it leaves rollouts to others.
    pub builds_only: bool,
    /// Its Slipway version; empty before it came.
    pub version: String,
    /// How many jobs it takes at once.
    pub capacity: i64,
    /// The jobs that it holds: text and page.
    pub jobs: Vec<(String, String)>,
    /// When it was last heard of; none when it never was.
    pub seen: Option<When>,
    /// Where it stands, in a word, and what that means.
    pub state: (&'static str, &'static str),
    /// Whether that is as it should be; none where it is neither good nor bad.
    pub good: Option<bool>,
    /// What keeps it from taking jobs.
    pub hindrance: Option<String>,
}
