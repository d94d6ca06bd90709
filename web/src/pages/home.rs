use askama::Template;

use crate::{
    frame::Frame,
    matrix::Matrix,
    parts::{BuildRow, Stage},
    state::State,
    time::Took,
};

/// `/`: every repository with its latest builds and what is live where, and what is at work or waits.
#[derive(Debug, Template)]
#[template(path = "home.html")]
pub struct Home {
    /// What surrounds it.
    pub frame: Frame,
    /// How many alerts are open.
    pub alerts: usize,
    /// Jobs at work and waiting, oldest first.
    pub active: Vec<Activity>,
    /// How many more wait.
    pub more_wait: i64,
    /// The repositories by name.
    pub repositories: Repositories,
    /// The address of the repositories behind these.
    pub next: Option<String>,
    /// The address of the first ones, where these are others.
    pub first: Option<String>,
}

/// The repositories on the home page: a few with all their branches, many side by side.
#[derive(Debug)]
pub enum Repositories {
    /// None is connected, or none comes behind those that were shown.
    None,
    /// Each by itself.
    Cards(Vec<RepositoryCard>),
    /// By their environments.
    Matrix(Matrix),
}

/// A job at work or waiting.
#[derive(Debug)]
pub struct Activity {
    /// Its state.
    pub state: State,
    /// What it is, such as `acme/shop #42` or `acme/shop → production #3`.
    pub what: String,
    /// Its page.
    pub address: String,
    /// What it builds or releases.
    pub detail: String,
    /// How long it runs or waits.
    pub took: Took,
    /// Why it waits.
    pub reason: Option<String>,
}

/// A repository on the home page.
#[derive(Debug)]
pub struct RepositoryCard {
    /// `owner/name`.
    pub name: String,
    /// Its page.
    pub address: String,
    /// The page of its environments.
    pub environments: String,
    /// Its environments in graph order.
    pub stages: Vec<Stage>,
    /// The latest build of each branch, newest first.
    pub builds: Vec<BuildRow>,
}
