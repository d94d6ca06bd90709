use askama::Template;

use super::RepositoryHead;
use crate::{
    frame::Frame,
    pages::{ApprovalsForm, ScheduleRow},
    time::When,
};

/// `/repositories/{owner}/{name}/settings`: what is set for a repository.
#[derive(Debug, Template)]
#[template(path = "repository_settings.html")]
pub struct RepositorySettingsPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: RepositoryHead,
    /// Where its forms go.
    pub address: String,
    /// Its secrets: the whole repository's first, then by environment.
    pub secrets: Vec<SecretRow>,
    /// The form that sets one.
    pub secret: SecretForm,
    /// Its webhook.
    pub hook: Hook,
    /// Where it is fetched from, as the form shows it.
    pub clone_url: String,
    /// The branch that leads it, as the form shows it.
    pub default_branch: String,
    /// How many of its builds may run at once; none for the server's limit.
    pub builds_at_once: Option<i64>,
    /// Whose pull requests need an approval.
    pub approvals: ApprovalsForm,
    /// What GitHub is told.
    pub told: ToldForm,
    /// The builds at set times.
    pub schedules: Vec<ScheduleRow>,
    /// What is kept of it, and for how long, in words.
    pub kept: Vec<(&'static str, String)>,
    /// What stands against disconnecting it, in words.
    pub holds: Vec<String>,
    /// What was just done.
    pub note: Option<String>,
    /// Why what was asked for was not done.
    pub error: Option<String>,
}

/// A secret, without its value.
#[derive(Debug)]
pub struct SecretRow {
    /// Its name.
    pub name: String,
    /// The one environment that it is for; none for the whole repository.
    pub environment: Option<String>,
    /// Which of all values that were set for the repository it has.
    pub version: i64,
    /// How many of its earlier values are kept for releases that run with them.
    pub earlier: i64,
    /// When it was set.
    pub when: When,
    /// The page whose form replaces it.
    pub replace: String,
    /// The builds that are given it, in words; none for every one.
    pub given_to: Option<String>,
    /// The same as the form has it.
    pub limits: LimitsForm,
}

/// What the form of a secret holds, but for the value.
#[derive(Debug, Default)]
pub struct SecretForm {
    /// Its name.
    pub name: String,
    /// The environment that is chosen; empty for the whole repository.
    pub environment: String,
    /// The environments that can be chosen.
    pub environments: Vec<String>,
    /// Whether one that is there is replaced.
    pub replaces: bool,
    /// The builds that are given it.
    pub limits: LimitsForm,
}

/// The builds that are given a secret, as a form has them: parted by commas.
#[derive(Debug, Clone, Default)]
pub struct LimitsForm {
    /// Events.
    pub events: String,
    /// Patterns of branches.
    pub branches: String,
    /// Patterns of tags.
    pub tags: String,
    /// Whether the form shows what is so: then an empty field limits nothing.
    pub is_shown: bool,
}

impl LimitsForm {
    /// Whether it limits nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.branches.is_empty() && self.tags.is_empty()
    }
}

/// How a forge reaches Slipway.
#[derive(Debug)]
pub struct Hook {
    /// Where the forge sends its deliveries.
    pub url: String,
    /// The forge's page of webhooks, where the clone address tells it.
    pub forge_settings: Option<String>,
    /// The delivery that came last: its event, its page, and when.
    pub last: Option<(String, String, When)>,
}

/// What GitHub is told of a repository.
#[derive(Debug, Default)]
pub struct ToldForm {
    /// The choices for commit statuses: the word, what it means, and whether it is chosen.
    pub statuses: Vec<(&'static str, &'static str, bool)>,
    /// Whether releases are told as deployments.
    pub deployments: bool,
    /// The credential that is used; none where there is none for it.
    pub credential: Option<String>,
}

/// The one page that shows the secret of a webhook.
#[derive(Debug, Template)]
#[template(path = "hook_secret.html")]
pub struct HookSecretPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: RepositoryHead,
    /// Where the forge sends its deliveries.
    pub hook_url: String,
    /// What it signs them with from now on.
    pub secret: String,
    /// The forge's page of webhooks, where the clone address tells it.
    pub forge_settings: Option<String>,
    /// The repository's settings.
    pub address: String,
}
