use askama::Template;

use super::{ApprovalPart, RepositoryHead};
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
    /// What that is: a branch, a tag or a pull request.
    pub kind: &'static str,
    /// What caused it.
    pub event: String,
    /// What it builds.
    pub commit: Commit,
    /// When it was accepted.
    pub when: When,
    /// How long it takes.
    pub took: Took,
    /// How long it waited for its turn, in words; none while it still does.
    pub waited: Option<String>,
    /// What it brings, as far as that is known.
    pub change: Change,
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
    /// The approval that it needs; none where it needs none.
    pub approval: Option<ApprovalPart>,
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

impl BuildPage {
    /// What is said of its end in a line.
    fn first_line(reason: &str) -> &str {
        reason.split_once('\n').map_or(reason, |(first, _)| first)
    }

    /// The lines below that, such as those of captain.yml that are wrong.
    fn excerpt(reason: &str) -> Option<&str> {
        reason.split_once('\n').map(|(_, rest)| rest)
    }

    fn is_live(&self) -> bool {
        self.places.iter().any(|place| matches!(place.standing, Standing::Live(_)))
    }
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
    /// What it runs on, such as `linux/amd64`; none where that is not known.
    pub platform: Option<String>,
    /// What is attached to it in its registry: the kind of each, and its digest.
    pub attached: Vec<(String, String)>,
    /// The build that made it, with its page, where this one took it over.
    pub reused: Option<(i64, String)>,
}

/// What a build brings to its branch.
#[derive(Debug, Default)]
pub struct Change {
    /// What it is compared with: the newest build before it that succeeded, with its page.
    pub since: Option<(i64, String)>,
    /// Its commits, newest first.
    pub commits: Vec<Commit>,
    /// Who wrote those that are too many to be named.
    pub more_authors: Vec<String>,
    /// The files that changed, where a condition of captain.yml asked for them.
    pub files: Option<ChangedFiles>,
    /// The apps that were not built or pushed, with the reasons.
    pub left_out: Vec<(String, String)>,
}

/// Files that changed.
#[derive(Debug, Clone, Default)]
pub struct ChangedFiles {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub paths: Vec<String>,
}

impl Change {
    fn is_empty(&self) -> bool {
        self.commits.is_empty() && self.files.is_none() && self.left_out.is_empty()
    }
}

/// How a release of a build stands now.
#[derive(Debug)]
pub enum Standing {
    /// It serves, since then.
    Live(When),
    /// Another took its place: its number and its page.
    Replaced(i64, String),
    /// It never served, or not yet.
    None,
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
    /// How it stands now.
    pub standing: Standing,
}

impl ArtifactRow {
    /// What `docker pull` takes.
    fn pulled(&self) -> String {
        format!("{}@{}", self.image, self.digest.whole)
    }

    /// What fetches something that is attached to it.
    fn fetched(&self, digest: &str) -> String {
        format!("{}@{digest}", self.image)
    }
}
