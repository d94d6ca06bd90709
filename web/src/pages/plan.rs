use askama::Template;

use super::RepositoryHead;
use crate::{frame::Frame, parts::Commit, state::State, time::When};

/// `/repositories/{owner}/{name}/plan`: what captain.yml asks for, as a build planned it.
#[derive(Debug, Template)]
#[template(path = "plan.html")]
pub struct PlanPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: RepositoryHead,
    /// Whose plan was asked for: a branch, a tag or a build.
    pub of: String,
    /// What was typed as the branch; nothing for the default branch.
    pub branch: String,
    /// The page's own address.
    pub address: String,
    /// The build whose plan it is; none before one was planned.
    pub planned: Option<Planned>,
}

/// A plan.
#[derive(Debug)]
pub struct Planned {
    /// The build's number.
    pub number: i64,
    /// Its page.
    pub address: String,
    /// Its state.
    pub state: State,
    /// Its branch or tag.
    pub reference: String,
    /// Its commit.
    pub commit: Commit,
    /// When it was accepted.
    pub when: When,
    /// What is legal in captain.yml and surely not meant, with its place.
    pub warnings: Vec<String>,
    /// How many warnings there are in all.
    pub warning_count: usize,
    /// The apps in file order.
    pub apps: Vec<PlannedApp>,
    /// The environments as releases move through them.
    pub environments: Vec<PlannedEnvironment>,
}

/// An app with its steps.
#[derive(Debug)]
pub struct PlannedApp {
    /// Its name.
    pub name: String,
    /// Its steps in order.
    pub steps: Vec<PlannedRow>,
}

/// A step as it was planned.
#[derive(Debug)]
pub struct PlannedRow {
    /// Its place in the build.
    pub position: i64,
    /// What it does, in a word.
    pub kind: String,
    /// The command or the image.
    pub name: String,
    /// The page of its log.
    pub address: String,
    /// The places of the steps that it waits for.
    pub needs: Vec<u32>,
    /// Why it is left out.
    pub skipped: Option<String>,
}

/// An environment as captain.yml describes it.
#[derive(Debug)]
pub struct PlannedEnvironment {
    /// Its name.
    pub name: String,
    /// Its page.
    pub address: String,
    /// Where its releases come from, in words.
    pub source: String,
    /// Whether it follows another environment.
    pub follows: bool,
    /// What it asks for before a release, in words.
    pub asks: Vec<String>,
}
