use askama::Template;

use crate::{
    badge::Badge,
    frame::Frame,
    links,
    parts::{BuildRow, Stage, owner_and_name},
    time::When,
};

/// The head that all pages of a repository share.
#[derive(Debug, Clone, Template)]
#[template(path = "repository_head.html")]
pub struct RepositoryHead {
    /// `owner/name`.
    pub name: String,
    /// Which of its pages is shown.
    pub tab: Tab,
    /// Whether whoever looks may set it up.
    pub may_set_up: bool,
}

impl askama::filters::HtmlSafe for RepositoryHead {}

/// The pages of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Its builds.
    Builds,
    /// What its captain.yml asks for.
    Plan,
    /// Its environments.
    Environments,
    /// What is set for it.
    Settings,
}

impl RepositoryHead {
    fn owner(&self) -> &str {
        owner_and_name(&self.name).0
    }

    fn short_name(&self) -> &str {
        owner_and_name(&self.name).1
    }

    fn builds(&self) -> String {
        links::repository(&self.name)
    }

    fn environments(&self) -> String {
        links::environments(&self.name)
    }

    fn settings(&self) -> String {
        links::settings(&self.name)
    }

    fn plan(&self) -> String {
        links::plan(&self.name)
    }
}

/// `/repositories/{owner}/{name}`: its builds, by branch if wished, and its environments.
#[derive(Debug, Template)]
#[template(path = "repository.html")]
pub struct RepositoryPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: RepositoryHead,
    /// The builds at set times.
    pub schedules: Vec<ScheduleRow>,
    /// The branch that the form to build one begins with; none for those who may not change things.
    pub may_build: Option<String>,
    /// Where it is fetched from.
    pub clone_url: String,
    /// Where webhooks go; shown to those who may change things.
    pub hook_url: Option<String>,
    /// Its environments in graph order.
    pub stages: Vec<Stage>,
    /// The branches that have builds: name and filter address.
    pub branches: Vec<(String, String)>,
    /// What is looked for among its builds.
    pub filter: BuildFilter,
    /// The builds, newest first.
    pub builds: Vec<BuildRow>,
    /// The page of older builds; where none are shown, the one that looks further.
    pub older: Option<String>,
    /// Its badge, with how to show it elsewhere; none for those who may not know how.
    pub badge: Option<BadgeMarkup>,
    /// The first page, where this is not it.
    pub newest: Option<String>,
}

/// What is looked for among builds; what is empty makes no difference.
#[derive(Debug, Clone, Default)]
pub struct BuildFilter {
    /// The branch.
    pub branch: String,
    /// The tag.
    pub tag: String,
    /// The author.
    pub author: String,
    /// The state, by its name.
    pub status: String,
    /// The states that can be chosen.
    pub states: Vec<&'static str>,
    /// What cannot be looked for together, in a sentence.
    pub refused: Option<String>,
}

impl BuildFilter {
    /// Whether only some builds are shown.
    #[must_use]
    pub fn is_set(&self) -> bool {
        [&self.branch, &self.tag, &self.author, &self.status].iter().any(|wish| !wish.is_empty())
    }

    /// Whether a branch alone is chosen, or nothing, as the links above the builds do.
    fn is_by_branch(&self) -> bool {
        [&self.tag, &self.author, &self.status].iter().all(|wish| wish.is_empty())
    }
}

/// A badge, and how to show it elsewhere.
#[derive(Debug, Clone)]
pub struct BadgeMarkup {
    /// The picture itself.
    pub badge: Badge,
    /// Markdown.
    pub markdown: String,
    /// HTML.
    pub html: String,
    /// Whether whoever has the address sees how builds go, though the server is closed to strangers.
    pub is_secret: bool,
}

/// A schedule as its repository's page shows it.
#[derive(Debug, Clone)]
pub struct ScheduleRow {
    /// Its name.
    pub name: String,
    /// When, as cron has it.
    pub cron: String,
    /// The time zone that this is read in.
    pub timezone: String,
    /// The branch.
    pub branch: String,
    /// When it comes next; none while it is paused, and when it never comes again.
    pub next: Option<When>,
    /// Whether it is paused.
    pub is_paused: bool,
    /// The newest time at which it was kept, with the number and the address of its build.
    pub last: Option<(When, i64, String)>,
    /// How many times before that passed while no server ran.
    pub missed: i64,
    /// Where its forms are sent.
    pub address: String,
}
