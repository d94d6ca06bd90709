use askama::Template;

use super::RepositoryHead;
use crate::{
    frame::Frame,
    parts::{Commit, Digest, Told},
    state::State,
    steps::StepList,
    time::{Took, When},
};

/// `/repositories/{owner}/{name}/builds/{n}`: one build with its steps, logs, artifacts, and where they are live.
#[derive(Debug, Template)]
#[template(path = "build.html")]
pub struct BuildPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The repository's head.
    pub head: RepositoryHead,
    /// The build's page.
    pub address: String,
    /// Its number.
    pub number: i64,
    /// Its state.
    pub state: State,
    /// The branch or tag, with the builds of that branch behind it.
    pub reference: String,
    /// The builds of the same branch.
    pub reference_address: String,
    /// What caused it.
    pub event: String,
    /// What it builds.
    pub commit: Commit,
    /// When it was accepted.
    pub when: When,
    /// How long it takes.
    pub took: Took,
    /// Why it failed or waits.
    pub reason: Option<String>,
    /// The step whose log tells more, with its page.
    pub culprit: Option<(String, String)>,
    /// What happened to earlier attempts, such as `Attempt 2: the runner was restarted`.
    pub attempt: Option<String>,
    /// Its attempts, where there are several.
    pub attempts: Vec<Attempt>,
    /// Whether GitHub shows it; none where it is not told.
    pub told: Option<Told>,
    /// The steps of the attempt that is shown.
    pub steps: StepList,
    /// What it pushed.
    pub artifacts: Vec<ArtifactRow>,
    /// What merging its pull request would release; none where there is none to merge, or that is not known.
    pub proposed: Option<Vec<ProposedRow>>,
    /// Where it was released.
    pub places: Vec<Place>,
    /// Whether the viewer may have its commit built once more.
    pub may_build_again: bool,
    /// Whether the viewer may have it tried again.
    pub may_retry: bool,
    /// Whether there is something that another attempt could take over.
    pub may_retry_failed: bool,
    /// Whether the viewer may cancel it now.
    pub may_cancel: bool,
}

/// One attempt of a build.
#[derive(Debug)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: i64,
    /// The page with its steps.
    pub address: String,
    /// Whether its steps are those shown.
    pub is_shown: bool,
}

/// An image that a build pushed.
#[derive(Debug)]
pub struct ArtifactRow {
    /// The app.
    pub app: String,
    /// The image's name without a tag.
    pub image: String,
    /// Its digest.
    pub digest: Digest,
    /// The tags that lead to it.
    pub tags: Vec<String>,
    /// Its size as people read it.
    pub size: String,
}

/// A release that would follow a merge.
#[derive(Debug)]
pub struct ProposedRow {
    /// The environment.
    pub environment: String,
    /// The environment that it would be promoted from by itself.
    pub after: Option<String>,
    /// Its apps in words.
    pub apps: String,
    /// What the environment asks for first, in words; empty for nothing.
    pub asks: String,
}

/// A release of a build.
#[derive(Debug)]
pub struct Place {
    /// The release's state.
    pub state: State,
    /// The environment's name.
    pub environment: String,
    /// The release's number.
    pub number: i64,
    /// The release's page.
    pub address: String,
    /// When it was asked for.
    pub when: When,
}
