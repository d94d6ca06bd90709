use askama::Template;

use super::Activity;
use crate::frame::Frame;

/// `/queue`: what runs and what waits, in which order, and why.
#[derive(Debug, Template)]
#[template(path = "queue.html")]
pub struct QueuePage {
    /// What surrounds it.
    pub frame: Frame,
    /// The one repository whose jobs are shown; empty for all.
    pub repository: String,
    /// The page of all.
    pub all: String,
    /// What runs, by runner.
    pub runners: Vec<QueueRunner>,
    /// What waits, the next first.
    pub waiting: Vec<QueueRow>,
    /// How many more wait.
    pub more: i64,
}

/// A runner that works.
#[derive(Debug)]
pub struct QueueRunner {
    /// Its name.
    pub name: String,
    /// Its place on the page of runners.
    pub address: String,
    /// What it works on.
    pub rows: Vec<QueueRow>,
}

/// A job that runs or waits.
#[derive(Debug)]
pub struct QueueRow {
    /// What it is.
    pub activity: Activity,
    /// Where the form goes that cancels it; none where the viewer may not, or it is being cancelled.
    pub cancel: Option<String>,
}
