use askama::Template;

use super::ChangedFiles;
use crate::parts::Commit;

/// The part of a build's page that shows whose it is, what would run of it, and asks for an approval.
#[derive(Debug, Template)]
#[template(path = "approval.html")]
pub struct ApprovalPart {
    /// The build's page.
    pub address: String,
    /// The number of the pull request.
    pub pull: i64,
    /// The branch that it is to be merged into.
    pub base: String,
    /// The name and the id of the account that opened it.
    pub opener: Option<(String, i64)>,
    /// The repository that it comes from, where that is another one.
    pub fork: Option<String>,
    /// The forge's page that shows what it changes.
    pub difference: Option<String>,
    /// The one commit that the approval is for.
    pub commit: Commit,
    /// Whether somebody is to decide.
    pub is_wanted: bool,
    /// Whether the viewer may.
    pub may_decide: bool,
    /// Whether the pull request is the viewer's own, which they do not approve.
    pub is_own: bool,
    /// Who decided, in a sentence.
    pub decided: Option<String>,
    /// What would run, once that is known.
    pub look: Option<LookPart>,
}

// Its template escapes what comes from outside.
impl askama::filters::HtmlSafe for ApprovalPart {}

/// What would run of a build.
#[derive(Debug)]
pub struct LookPart {
    /// The commits that it brings, the newest first.
    pub commits: Vec<Commit>,
    /// Who wrote those that are too many to be named.
    pub more_authors: Vec<String>,
    /// The files that it changes; none where nobody knows.
    pub files: Option<ChangedFiles>,
    /// Its services and steps.
    pub steps: Vec<RunRow>,
    /// What the branch that it is merged into runs and this does not.
    pub gone: Vec<String>,
    /// How many steps and lines are not shown.
    pub left_out: usize,
    /// Why it is not compared with that branch.
    pub not_compared: Option<String>,
}

/// A service or step that would run.
#[derive(Debug)]
pub struct RunRow {
    /// Its app and what it is.
    pub title: String,
    /// What people call it.
    pub name: String,
    /// All that it does, and which of that is new.
    pub lines: Vec<(String, bool)>,
    /// Why it does not run.
    pub skipped: Option<String>,
    /// How it stands to the branch that it is merged into.
    pub standing: RunStanding,
}

/// How a step stands to those of the branch that the pull request is merged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStanding {
    /// That branch runs the same.
    Same,
    /// That branch runs it otherwise.
    Changed,
    /// That branch has no such step.
    New,
}

impl RunStanding {
    /// The word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            RunStanding::Same => "as before",
            RunStanding::Changed => "changed",
            RunStanding::New => "new",
        }
    }
}

/// Whose pull requests need an approval, as the form of the settings shows it.
#[derive(Debug, Default)]
pub struct ApprovalsForm {
    /// The choices: the word, what it means, and whether it is chosen.
    pub rules: Vec<(&'static str, &'static str, bool)>,
    /// The accounts whose pull requests need none: id, name, and who added it.
    pub trusted: Vec<(i64, String, String)>,
}

impl LookPart {
    /// How many steps are not as before.
    fn differing(&self) -> usize {
        self.steps.iter().filter(|step| step.standing != RunStanding::Same).count()
    }
}
