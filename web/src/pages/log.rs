use askama::Template;

use super::RepositoryHead;
use crate::{
    frame::Frame,
    logs::{LogRows, PART_LINES},
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
    /// The page's own address.
    pub address: String,
    /// What was looked for; then the lines are those that hold it.
    pub search: Option<LogSearch>,
    /// What the script needs that draws the lines in sight alone.
    pub viewer: LogViewer,
}

/// Where the viewer of a log gets its lines.
#[derive(Debug, Clone)]
pub struct LogViewer {
    /// The address below which parts of the log are.
    pub parts: String,
    /// When the step began, where its clock starts, in unix milliseconds.
    pub began: i64,
}

/// A search in a log.
#[derive(Debug, Clone)]
pub struct LogSearch {
    /// The text.
    pub text: String,
    /// Whether the case of letters makes no difference.
    pub any_case: bool,
    /// Why nothing was looked for.
    pub refused: Option<String>,
    /// The page that looks on behind these lines.
    pub further: Option<String>,
}

impl LogPage {
    /// Whether there is a log to view as a whole.
    fn is_viewed(&self) -> bool {
        self.search.is_none() && self.removed.is_none() && (self.total > 0 || self.state.is_open())
    }

    /// The lines of one part.
    fn part_lines(&self) -> i64 {
        PART_LINES
    }

    /// What the search's field holds.
    fn text(&self) -> &str {
        self.search.as_ref().map_or("", |search| &search.text)
    }

    /// Whether the case of letters makes no difference to the search.
    fn any_case(&self) -> bool {
        self.search.as_ref().is_none_or(|search| search.any_case)
    }
}
