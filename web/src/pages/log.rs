use askama::Template;

use super::RepositoryHead;
use crate::{
    frame::Frame,
    logs::LogRows,
    state::State,
    time::{Took, When},
};

/// The log of one step, a page of lines at a time.
#[derive(Debug, Template)]
#[template(path = "log.html")]
pub struct LogPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The repository's head.
    pub head: RepositoryHead,
    /// What the step belongs to, such as `Build 42`.
    pub of: String,
    /// The page of what it belongs to.
    pub of_address: String,
    /// The step's app.
    pub app: Option<String>,
    /// The step's kind.
    pub kind: String,
    /// The step's name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// How long it takes.
    pub took: Took,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
    /// Its command's exit code.
    pub exit_code: Option<i64>,
    /// The lines of this page.
    pub rows: LogRows,
    /// When the lines were removed; none while they are kept.
    pub removed: Option<When>,
    /// How many lines there are in all.
    pub total: i64,
    /// The page with the lines before these.
    pub earlier: Option<String>,
    /// The page with the lines after these.
    pub later: Option<String>,
    /// The whole log as plain text.
    pub plain: String,
}
