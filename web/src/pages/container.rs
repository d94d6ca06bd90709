use askama::Template;

use super::{DriftRow, ReplicaRow, RepositoryHead};
use crate::{container_log::ContainerLogRows, frame::Frame, time::When};

/// `/repositories/{owner}/{name}/environments/{environment}/containers/{container}`: one container, and what it writes.
#[derive(Debug, Template)]
#[template(path = "container.html")]
pub struct ContainerPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The repository's head.
    pub head: RepositoryHead,
    /// The environment.
    pub environment: String,
    /// Its page.
    pub environment_address: String,
    /// The container's name.
    pub container: String,
    /// The page's own address.
    pub address: String,
    /// How it stands; none of one that is not of what is live, such as during a rollout.
    pub replica: Option<ReplicaRow>,
    /// The live release that it is of: its number, its page, and since when it is live.
    pub release: Option<(i64, String, When)>,
    /// The runner that hosts it.
    pub runner: Option<String>,
    /// What it wrote.
    pub log: RecentLines,
    /// What was found amiss with it and done about it, newest first.
    pub drifts: Vec<DriftRow>,
}

/// The last lines of a container.
#[derive(Debug, Default)]
pub struct RecentLines {
    /// The lines.
    pub rows: ContainerLogRows,
    /// Why they cannot be read.
    pub unread: Option<String>,
    /// How many were asked for.
    pub wanted: u32,
    /// How many may be asked for.
    pub offered: Vec<u32>,
    /// The moment of the last line that is known, after which the page asks for more.
    pub cursor: Option<String>,
}

impl ContainerPage {
    /// What it is called on its page: `web 2`, or its whole name where no more is known.
    fn name(&self) -> String {
        match &self.replica {
            Some(replica) => format!("{} {}", replica.app, replica.replica),
            None => self.container.clone(),
        }
    }
}
