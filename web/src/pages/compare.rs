use askama::Template;

use super::RepositoryHead;
use crate::{difference::Difference, frame::Frame, parts::Version, state::State};

/// `…/environments/{environment}/releases/{n}/rollback`: what a rollback would change, and the button that asks for it.
#[derive(Debug, Template)]
#[template(path = "rollback.html")]
pub struct RollbackPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The repository's head.
    pub head: RepositoryHead,
    /// The environment's name.
    pub environment: String,
    /// The environment's page.
    pub environment_address: String,
    /// The number of what is live; none where nothing is.
    pub live: Option<i64>,
    /// What it would return to.
    pub to: Version,
    /// What would change.
    pub change: Difference,
    /// What waits or rolls out, which it would end: state, number and page.
    pub ends: Vec<(State, i64, String)>,
    /// What another release would have to wait for.
    pub passes: Option<String>,
    /// Whether just that is live already.
    pub is_live: bool,
    /// Whether the viewer may ask for it.
    pub may_deploy: bool,
}

/// `…/environments/{environment}/compare`: two releases beside each other.
#[derive(Debug, Template)]
#[template(path = "compare.html")]
pub struct ComparePage {
    /// What surrounds it.
    pub frame: Frame,
    /// The repository's head.
    pub head: RepositoryHead,
    /// The environment's name.
    pub environment: String,
    /// The environment's page.
    pub environment_address: String,
    /// The earlier one's number.
    pub from: i64,
    /// The later one's number.
    pub to: i64,
    /// Their numbers with their pages, what each was built from, and where it stands.
    pub sides: Vec<ComparedRelease>,
    /// What differs.
    pub change: Difference,
}

/// One of two releases that are compared.
#[derive(Debug)]
pub struct ComparedRelease {
    /// Its state.
    pub state: State,
    /// Its page.
    pub address: String,
    /// What it is.
    pub version: Version,
}
