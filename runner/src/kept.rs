//! What builds that failed leave for another attempt: the workspace as the steps left it, and names for the images that
//! were built. A small file for each says whose they are and what was planned; it outlives the process.
//!
//! A few are kept, for a while, and less than that when the disk is nearly full. Their containers and networks go with the
//! build, as ever.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use tokio::sync::Mutex as AsyncMutex;

use crate::{
    checkout::bytes_below,
    clock,
    engine::{Engine, labels::Origin},
    journal::{Entry, Journal},
    steps::Leftovers,
    storage::{Item, Kind, Space, StorageLimits, going},
};

/// What the failed builds of a runner left. Clones share their state.
#[derive(Debug, Clone)]
pub(crate) struct KeptBuilds {
    journal: Journal,
    runner: String,
    workspaces: PathBuf,
    leftovers: Leftovers,
    limits: StorageLimits,
    space: Arc<Space>,
    /// The jobs of those that somebody goes on from or removes.
    taken: Arc<Mutex<HashSet<String>>>,
    /// Held while the files change.
    turn: Arc<AsyncMutex<()>>,
}

/// The folders of a build below `workspaces`: its checkout, and that of its engine's socket.
pub(crate) fn folders(workspaces: &Path, origin: &Origin) -> [PathBuf; 2] {
    let life = workspaces.join(&origin.incarnation);
    [life.join(origin.name()), life.join(format!("{}.engine", origin.name()))]
}

/// What one failed build left, for nobody else until it is dropped.
#[derive(Debug)]
pub(crate) struct Taking {
    kept: KeptBuilds,
    entry: Entry,
}

impl Taking {
    /// What was noted of the build.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Whose folder and images they are; none of what is no build.
    pub(crate) fn origin(&self) -> Option<Origin> {
        self.entry.origin(&self.kept.runner)
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.kept.taken().remove(&self.entry.lease.job);
    }
}

impl KeptBuilds {
    /// What a journal of failed builds names, whose workspaces are below `workspaces`.
    pub(crate) fn new(
        journal: Journal,
        runner: &str,
        workspaces: PathBuf,
        leftovers: Leftovers,
        limits: StorageLimits,
        space: Arc<Space>,
    ) -> Self {
        let (runner, taken, turn) = (runner.to_owned(), Arc::default(), Arc::default());
        KeptBuilds { journal, runner, workspaces, leftovers, limits, space, taken, turn }
    }

    /// Whose folders and images are kept.
    pub(crate) fn origins(&self) -> Vec<Origin> {
        self.journal.kept().iter().filter_map(|entry| entry.origin(&self.runner)).collect()
    }

    /// Keeps what a build leaves that has failed: from now on its folder and its images are not to be removed. False, and
    /// they are, where the runner keeps none or has no room.
    pub(crate) async fn keep(&self, entry: &Entry) -> bool {
        if self.limits.failed_builds == 0 || entry.plan.is_none() || self.space.shortage().is_some() {
            return false;
        }
        let _turn = self.turn.lock().await;
        self.journal.keep(entry).await
    }

    /// Takes what a job's last attempt left here; none where nothing is, or somebody else has it.
    pub(crate) fn take(&self, job: &str) -> Option<Taking> {
        let entry = self.journal.find(job)?;
        self.taken().insert(job.to_owned()).then(|| Taking { kept: self.clone(), entry })
    }

    /// Removes in the background what is not needed any more.
    pub(crate) fn discard(&self, left: Taking, engine: &Engine) {
        let (this, engine) = (self.clone(), engine.clone());
        self.leftovers.spawn(async move {
            this.remove(left, &engine).await;
        });
    }

    /// Removes in the background what is too much or too old.
    pub(crate) fn shed(&self, engine: &Engine) {
        let (this, engine) = (self.clone(), engine.clone());
        self.leftovers.spawn(async move {
            for going in going(this.items().await, this.limits.bounds(Kind::FailedBuild)) {
                if let Some(left) = this.take(&going.name) {
                    this.remove(left, &engine).await;
                }
            }
        });
    }

    /// Everything that is kept, by the names of its jobs.
    pub(crate) async fn items(&self) -> Vec<Item> {
        let (this, entries) = (self.clone(), self.journal.kept());
        let items = move || entries.iter().map(|entry| this.item(entry)).collect();
        tokio::task::spawn_blocking(items).await.unwrap_or_default()
    }

    fn item(&self, entry: &Entry) -> Item {
        let written = self.journal.written(&entry.lease).unwrap_or(SystemTime::UNIX_EPOCH);
        let folder = entry.origin(&self.runner).map(|origin| folders(&self.workspaces, &origin)[0].clone());
        Item {
            name: entry.lease.job.clone(),
            bytes: folder.map_or(0, |folder| bytes_below(&folder)),
            unused: clock::now().duration_since(written).unwrap_or_default(),
            is_needed: self.taken().contains(&entry.lease.job),
        }
    }

    /// Removes what a build left; false where the engine does not let it. Its file goes last, so that what a kill leaves is
    /// tried again.
    pub(crate) async fn remove(&self, left: Taking, engine: &Engine) -> bool {
        if let Some(origin) = left.origin() {
            if let Err(error) = self.leftovers.remove_build(engine, &origin).await {
                tracing::warn!(%error, "what a failed build left is removed another time");
                return false;
            }
            for folder in folders(&self.workspaces, &origin) {
                self.leftovers.remove_now(&folder).await;
            }
        }
        let _turn = self.turn.lock().await;
        // A later attempt may have failed meanwhile and left something, too.
        if self.journal.find(&left.entry.lease.job).is_some_and(|entry| entry.attempt == left.entry.attempt) {
            self.journal.forget(&left.entry.lease);
        }
        true
    }

    fn taken(&self) -> MutexGuard<'_, HashSet<String>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
