//! One commit from its checkout to its images in a registry.

mod attach;
mod broken_off;
mod carry_out;
mod checkout_step;
mod command;
mod configuration;
mod declare;
mod execute;
mod graph;
mod image;
mod login;
mod look;
mod materials;
mod on_tree;
mod pinned;
mod preparation;
mod provenance;
mod remembered;
mod resumed;
mod sign;
mod step;
mod subject;
mod takeover;
mod unchanged;

use std::path::PathBuf;

pub(crate) use broken_off::BrokenOff;
pub(crate) use execute::execute;
pub(crate) use on_tree::{Given, on_tree};
pub(crate) use subject::Subject;

use crate::{
    checkout::Mirrors,
    engine::labels::Origin,
    inside::Inside,
    kept::{KeptBuilds, folders},
    steps::{Leftovers, Relay, StepLimits},
    storage::BuiltImages,
};

/// What the builds of one runner share.
#[derive(Debug, Clone)]
pub(crate) struct Workshop {
    /// The mirrors of every repository met so far.
    pub(crate) mirrors: Mirrors,
    /// Where the runner keeps its checkouts, by its lives.
    pub(crate) workspaces: PathBuf,
    /// The bounds of each step.
    pub(crate) limits: StepLimits,
    /// What is being removed in the background.
    pub(crate) leftovers: Leftovers,
    /// What failed builds left for another attempt.
    pub(crate) kept: KeptBuilds,
    /// The names that images of builds keep on the engine.
    pub(crate) built: BuiltImages,
    /// The program that goes into containers.
    pub(crate) inside: Inside,
    /// What steps reach that reach registries alone.
    pub(crate) relay: Relay,
}

impl Workshop {
    /// The folders of a build: its checkout, and that of its engine's socket.
    pub(crate) fn folders(&self, origin: &Origin) -> [PathBuf; 2] {
        folders(&self.workspaces, origin)
    }
}
