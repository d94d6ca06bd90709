use askama::Template;

use super::{AppRow, DecisionRow, ReleaseRow, RepositoryHead};
use crate::{difference::Difference, frame::Frame, parts::Told, steps::StepList, trial::TrialList};

/// `/repositories/{owner}/{name}/environments/{environment}/releases/{n}`: one release and its rollout.
#[derive(Debug, Template)]
#[template(path = "release.html")]
pub struct ReleasePage {
    /// What surrounds it.
    pub frame: Frame,
    /// The repository's head.
    pub head: RepositoryHead,
    /// The environment's name.
    pub environment: String,
    /// The environment's page.
    pub environment_address: String,
    /// The release.
    pub release: ReleaseRow,
    /// What happened to earlier attempts.
    pub attempt: Option<String>,
    /// Whether GitHub shows it; none where it is not told.
    pub told: Option<Told>,
    /// What was measured of it, stage by stage.
    pub trials: TrialList,
    /// The release that it is compared to: what was live before it, with its page.
    pub compared: Option<(i64, String)>,
    /// What it changes there.
    pub change: Difference,
    /// What it holds.
    pub apps: Vec<AppRow>,
    /// What was decided of it, in order.
    pub decisions: Vec<DecisionRow>,
    /// The steps of its rollout.
    pub steps: StepList,
}
