//! What is made for a build while its commit is fetched, and what becomes of it once the plan is known.
//!
//! The build's folder is there from the beginning on, empty, for the engine to mount. The commit is written beside it, where no
//! container sees it, and moved in when the plan is settled: what a container that was made early does in its folder reaches
//! neither the plan nor anything but itself.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use slipway_pipelines::plan::Plan;
use tokio_util::sync::CancellationToken;

use super::remembered::Remembered;
use crate::{
    engine::{Engine, labels::Origin},
    steps::{Beginning, Leftovers, Site, StepError},
    workspace::Workspace,
};

/// How long a build that has ended waits for what is still being made for it: nothing is made for a job that is over.
const SETTLE: Duration = Duration::from_secs(5);

/// What is being prepared for one build.
#[derive(Debug)]
pub(super) struct Preparation<'a> {
    site: &'a Site,
    /// Where the commit is written.
    tree: PathBuf,
    remembered: Remembered,
    /// How the last build began.
    expected: Beginning,
    unwanted: CancellationToken,
}

/// Where the commit of the build in this folder is written first.
pub(super) fn tree_of(folder: &Path) -> PathBuf {
    let mut name: OsString = folder.as_os_str().to_owned();
    name.push(".tree");
    PathBuf::from(name)
}

/// An empty folder for a build. What an earlier life of the runner left of it goes, and first of all every container that
/// it had prepared there.
pub(super) async fn folder(
    path: &Path,
    engine: &Engine,
    origin: &Origin,
    leftovers: &Leftovers,
) -> Result<Workspace, StepError> {
    if path.exists() {
        leftovers.remove_containers(engine, origin).await?;
        leftovers.remove_now(path).await;
    }
    leftovers.remove_now(&tree_of(path)).await;
    Ok(Workspace::make(path.to_owned())?)
}

impl<'a> Preparation<'a> {
    /// What builds like it began with is prepared if `is_fresh`: if its folder is filled by a commit, and by nothing that the
    /// steps of an earlier attempt left.
    pub(super) async fn of(site: &'a Site, remembered: Remembered, is_fresh: bool) -> Self {
        let expected = if is_fresh { remembered.beginning().await } else { Beginning::default() };
        let tree = tree_of(site.workspace().path());
        Preparation { site, tree, remembered, expected, unwanted: CancellationToken::new() }
    }

    /// Where the commit is to be written.
    pub(super) fn tree(&self) -> &Path {
        &self.tree
    }

    /// Does something, and beside it prepares what the build is expected to begin with.
    pub(super) async fn beside<T>(&self, doing: impl Future<Output = T>) -> T {
        let mut preparing = std::pin::pin!(self.site.prepare(&self.expected, &self.unwanted));
        let mut doing = std::pin::pin!(doing);
        tokio::select! {
            biased;
            done = &mut doing => {
                self.unwanted.cancel();
                // An engine that hangs is cleaned after it answers.
                drop(tokio::time::timeout(SETTLE, preparing).await);
                done
            }
            () = &mut preparing => doing.await,
        }
    }

    /// Lets what is prepared meet the plan: what does not serve it is gone when this returns, and the commit's files are in
    /// the build's folder.
    pub(super) async fn meet(&self, plan: &Plan) -> Result<(), StepError> {
        let beginning = Beginning::of(plan);
        if !self.expected.serves(&beginning) {
            self.unwanted.cancel();
            self.site.take_back(&self.expected).await;
        }
        if beginning != self.expected {
            self.remembered.note(&beginning).await;
        }
        let (workspace, tree) = (self.site.workspace().clone(), self.tree.clone());
        let moved = tokio::task::spawn_blocking(move || workspace.take_in(&tree)).await;
        moved.map_err(|_| StepError::Other("the commit's files were not moved: an internal error".to_owned()))??;
        self.site.plan_services(&plan.services);
        self.site.plan_images(plan);
        Ok(())
    }
}
