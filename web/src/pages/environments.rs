use askama::Template;

use super::RepositoryHead;
use crate::{
    difference::Difference,
    frame::Frame,
    measurements::Measurements,
    parts::{Commit, Digest, Version},
    state::State,
    time::{Took, When},
};

/// `/repositories/{owner}/{name}/environments`: what is live where, and how to move it on.
#[derive(Debug, Template)]
#[template(path = "environments.html")]
pub struct EnvironmentsPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The repository's head.
    pub head: RepositoryHead,
    /// The environments in graph order.
    pub environments: Vec<EnvironmentCard>,
}

/// `/repositories/{owner}/{name}/environments/{environment}`: one environment and its releases.
#[derive(Debug, Template)]
#[template(path = "environment.html")]
pub struct EnvironmentPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The repository's head.
    pub head: RepositoryHead,
    /// The environment.
    pub environment: EnvironmentCard,
    /// Its releases, newest first.
    pub releases: Vec<ReleaseRow>,
    /// The page of older releases.
    pub older: Option<String>,
    /// What was decided of it and its releases, newest first.
    pub decisions: Vec<DecisionRow>,
    /// The containers of what is live.
    pub replicas: Vec<ReplicaRow>,
    /// What was found amiss with them and done about it, newest first.
    pub drifts: Vec<DriftRow>,
    /// What was measured of them; none where nothing is live.
    pub measurements: Option<Measurements>,
    /// What the server asks of its releases, as a form has it; only for whom may change it.
    pub protection: Option<Protection>,
}

/// What the server asks of an environment's releases beyond captain.yml.
#[derive(Debug)]
pub struct Protection {
    /// How many people must agree, at least.
    pub approvals: u32,
    /// Who may be among them, parted by commas; empty for everyone.
    pub approvers: String,
    /// Whether the author may be among them.
    pub author: bool,
    /// The branches that releases may come from, parted by commas; empty for all.
    pub branches: String,
    /// How long a release must have been live in its source, at least; empty for as long as captain.yml says.
    pub bake: String,
    /// When releases may begin; empty for whenever captain.yml says.
    pub window: String,
    /// Where releases come from; empty for wherever captain.yml says.
    pub from: String,
    /// How a release takes the place of the one before; empty for as captain.yml says.
    pub strategy: String,
    /// Who must have signed the images, a word or a key after the other; empty where nobody must.
    pub signed_by: String,
}

/// A container of what is live.
#[derive(Debug)]
pub struct ReplicaRow {
    /// Its app.
    pub app: String,
    /// Which replica, from 1.
    pub replica: u32,
    /// Its name on the engine.
    pub container: String,
    /// Its page; none where the viewer may not read what it writes.
    pub page: Option<String>,
    /// Where it takes connections inside the environment's network.
    pub address: Option<String>,
    /// How it is, in a word or two.
    pub condition: String,
    /// Whether that is as it should be; none where it is neither good nor bad.
    pub good: Option<bool>,
    /// How often its engine started it again by itself.
    pub restarts: u32,
    /// What was found amiss and done, while it is not over.
    pub trouble: Option<String>,
}

/// Something that was found amiss, or is over.
#[derive(Debug)]
pub struct DriftRow {
    /// Of which replica: `web 2`.
    pub replica: String,
    /// What was found.
    pub found: String,
    /// What was done, or that it is over.
    pub done: String,
    /// When.
    pub when: When,
}

/// An environment with what is live in it.
#[derive(Debug, Template)]
#[template(path = "environment_card.html")]
pub struct EnvironmentCard {
    /// Its name.
    pub name: String,
    /// Its page.
    pub address: String,
    /// Where its releases come from.
    pub source: Source,
    /// What it asks of its releases, each in a few words.
    pub asks: Vec<String>,
    /// That nothing is released to it.
    pub freeze: Option<Freeze>,
    /// What is live.
    pub live: Option<Version>,
    /// The page of what is live.
    pub live_address: String,
    /// The apps of what is live.
    pub apps: Vec<AppRow>,
    /// The newest release, where it is not the live one: on its way, or failed.
    pub newest: Option<ReleaseRow>,
    /// What could be promoted into it now.
    pub promotion: Option<Promotion>,
    /// Whether the viewer may release.
    pub may_deploy: bool,
}

impl askama::filters::HtmlSafe for EnvironmentCard {}

/// Where an environment's releases come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Every successful build of a branch.
    Branch(String),
    /// Promotion of what is live in another environment.
    Environment(String),
}

/// One app of a release.
#[derive(Debug)]
pub struct AppRow {
    /// The app.
    pub app: String,
    /// The image's name without a tag.
    pub image: String,
    /// What runs.
    pub digest: Digest,
    /// The build that pushed it, where it is not the release's own.
    pub kept_from: Option<i64>,
    /// How many containers.
    pub replicas: u32,
    /// The address that the proxy serves it under.
    pub url: Option<String>,
}

/// A promotion that is possible now.
#[derive(Debug)]
pub struct Promotion {
    /// The environment that it comes from.
    pub from: String,
    /// What is live there.
    pub version: Version,
    /// What would change.
    pub change: Difference,
    /// What the release would wait for.
    pub waits: Option<String>,
    /// Why it would be refused.
    pub refused: Option<String>,
}

/// That nothing is released to an environment.
#[derive(Debug)]
pub struct Freeze {
    /// Who said so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: When,
    /// When it ends by itself, in words.
    pub until: Option<String>,
}

/// Something that was decided.
#[derive(Debug)]
pub struct DecisionRow {
    /// What, in a word.
    pub what: String,
    /// The release that it is about, with its page.
    pub release: Option<(i64, String)>,
    /// Who decided.
    pub actor: String,
    /// Why, or what changed.
    pub reason: Option<String>,
    /// When.
    pub when: When,
}

/// A release in a list.
#[derive(Debug)]
pub struct ReleaseRow {
    /// Its number.
    pub number: i64,
    /// Its page.
    pub address: String,
    /// Its state.
    pub state: State,
    /// `build`, `promotion` or `rollback`, in words: `promoted from dev #4`.
    pub origin: String,
    /// The number of the build that it came from.
    pub build: i64,
    /// That build's page.
    pub build_address: String,
    /// That build's commit.
    pub commit: Commit,
    /// Who asked for it.
    pub actor: String,
    /// When it was asked for.
    pub when: When,
    /// How long its rollout takes.
    pub took: Took,
    /// Why it failed or waits.
    pub reason: Option<String>,
    /// Whether the viewer may say yes or no to it.
    pub may_answer: bool,
    /// How its rollout is steered, while it is under way.
    pub steering: Option<Steering>,
    /// The page that says what rolling back to it would change, and asks for it; none where that makes no sense.
    pub roll_back: Option<String>,
}

/// How people steer a rollout that is under way.
#[derive(Debug, Clone)]
pub struct Steering {
    /// That it is paused.
    pub paused: Option<Pause>,
    /// Whether a bake is on its way, the rest of which can be passed over.
    pub bakes: bool,
    /// Whether the viewer may steer.
    pub may_steer: bool,
}

/// Who paused a rollout.
#[derive(Debug, Clone)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: When,
}
