use askama::Template;

use super::RepositoryHead;
use crate::{frame::Frame, pages::DeliveryRow, state::State, time::When};

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

/// `/repositories/{owner}/{name}/setup`: from a connected repository to its first build. It may be left and come back to.
#[derive(Debug, Template)]
#[template(path = "setup.html")]
pub struct SetupPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: RepositoryHead,
    /// This page, below which its forms go.
    pub address: String,
    /// Where it is fetched from.
    pub clone_url: String,
    /// Where the forge sends its deliveries.
    pub hook_url: String,
    /// What it signs them with, on the one page that shows it.
    pub secret: Option<String>,
    /// The forge's page for new webhooks, where the clone address tells it.
    pub forge_settings: Option<String>,
    /// Whether the address is reached by https.
    pub is_https: bool,
    /// Why GitHub cannot reach the address, as far as the address itself tells.
    pub unreachable: Option<String>,
    /// The deliveries that came last.
    pub deliveries: Vec<DeliveryRow>,
    /// Why the last one was refused, where none was taken since, and when.
    pub refused: Option<(String, When)>,
    /// How the test delivery went: whether it arrived, and a sentence.
    pub tried: Option<(bool, String)>,
    /// A captain.yml to begin with.
    pub captain_yml: String,
    /// The branch to push to.
    pub default_branch: String,
    /// The newest build: number, page, state.
    pub build: Option<(i64, String, State)>,
}

/// Where a step of the setup stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupStep {
    /// It is done.
    Done,
    /// It is to be done now.
    Now,
    /// It comes later.
    Later,
}

impl SetupStep {
    /// Its state in a word, for those who do not see its colour.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            SetupStep::Done => "done",
            SetupStep::Now => "now",
            SetupStep::Later => "later",
        }
    }

    fn of(is_done: bool, is_before_done: bool) -> Self {
        match (is_done, is_before_done) {
            (true, _) => SetupStep::Done,
            (false, true) => SetupStep::Now,
            (false, false) => SetupStep::Later,
        }
    }
}

impl SetupPage {
    fn hook_step(&self) -> SetupStep {
        SetupStep::of(self.has_come(), true)
    }

    fn ping_step(&self) -> SetupStep {
        SetupStep::of(self.has_come(), self.secret.is_none())
    }

    fn build_step(&self) -> SetupStep {
        SetupStep::of(self.is_green(), self.has_come())
    }

    fn has_come(&self) -> bool {
        !self.deliveries.is_empty()
    }

    fn is_green(&self) -> bool {
        matches!(self.build, Some((_, _, State::Succeeded)))
    }
}
