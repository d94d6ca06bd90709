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
    /// What the form to admit one holds.
    pub form: RunnerForm,
    /// Why what was asked for was not done.
    pub error: Option<String>,
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
    /// Who told it to take nothing new, and when.
    pub drained: Option<(String, When)>,
    /// Where its forms go.
    pub address: String,
    /// Whether it was admitted, and so can be dismissed; the server's own cannot.
    pub may_be_revoked: bool,
}

/// What the form of a new runner holds.
#[derive(Debug, Default)]
pub struct RunnerForm {
    /// Its name.
    pub name: String,
    /// Its labels, as `key=value`, parted by commas.
    pub labels: String,
}

/// The one page that shows a runner's token.
#[derive(Debug, Template)]
#[template(path = "runner_token.html")]
pub struct NewRunnerPage {
    /// What surrounds it.
    pub frame: Frame,
    /// Its name.
    pub name: String,
    /// Its token.
    pub value: String,
    /// Where it finds this server.
    pub server: String,
}
