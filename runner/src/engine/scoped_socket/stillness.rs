//! Keeping a build still while the engine mounts a part of its workspace.
//!
//! The engine finds what it mounts by its path, and follows links on the way. A command of the build could put a link
//! there that leads to the host, between the check and the mount. The step that asks is itself such a command, so it is
//! frozen with all others: it waits for the answer anyway.

use std::path::Path;

use bollard::{models::ContainerInspectResponse, query_parameters::ListContainersOptionsBuilder};
use tokio::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{refusal::Refusal, scope::Scope};
use crate::{
    engine::{
        Engine, EngineError,
        labels::{self, Origin},
    },
    workspace::{Workspace, WorkspaceError},
};

/// What keeps two freezes apart, and a freeze and the beginning of a command.
#[derive(Debug, Default)]
pub(crate) struct Stillness {
    /// Held from the first freezing of a container to the last thawing.
    freezing: Mutex<()>,
    /// Held for reading while a container is started or attached to, and for writing while all must be still.
    starts: RwLock<()>,
}

impl Stillness {
    /// Keeps others from freezing and thawing.
    pub(crate) async fn freezing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.freezing.lock().await
    }

    /// The right to start something that may change the workspace.
    pub(crate) async fn start(&self) -> RwLockReadGuard<'_, ()> {
        self.starts.read().await
    }

    /// Waits for what is being started, and keeps everything else from starting.
    pub(crate) async fn still(&self) -> RwLockWriteGuard<'_, ()> {
        self.starts.write().await
    }
}

impl Scope {
    /// Does something that makes the engine mount what a container has, while nobody can change the workspace.
    pub(super) async fn mounting<T>(
        &self,
        container: &ContainerInspectResponse,
        doing: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let parts = self.parts(container);
        if parts.is_empty() {
            let _start = self.stillness.start().await;
            return doing.await;
        }
        let _freezing = self.stillness.freezing().await;
        let _still = self.stillness.still().await;
        let (frozen, failed) = freeze(&self.engine, &self.origin).await;
        let done = match failed.map_or(Ok(()), |error| Err(error.into())).and_then(|()| check(&self.workspace, &parts))
        {
            Ok(()) => doing.await,
            Err(refusal) => Err(refusal),
        };
        for id in frozen {
            // What has ended meanwhile needs no thawing.
            if let Err(error) = self.engine.unpause_container(&id).await {
                tracing::debug!(container = id, %error, "a container of the build was not resumed");
            }
        }
        done
    }

    /// Whether a container mounts the workspace or a part of it.
    pub(super) fn has_workspace(&self, container: &ContainerInspectResponse) -> bool {
        let root = self.workspace.path();
        let sources = container.mounts.iter().flatten().filter_map(|mount| mount.source.as_deref());
        sources.into_iter().any(|source| Path::new(source).starts_with(root))
    }

    /// The parts of the workspace that a container mounts, as paths within it; the whole is none.
    pub(super) fn parts(&self, container: &ContainerInspectResponse) -> Vec<String> {
        let root = self.workspace.path();
        let mounts = container.mounts.iter().flatten();
        mounts
            .filter_map(|mount| Path::new(mount.source.as_deref()?).strip_prefix(root).ok())
            .map(|part| part.to_string_lossy().into_owned())
            .filter(|part| !part.is_empty())
            .collect()
    }
}

/// Freezes every container of the build that runs, whoever made it. Returns those it froze, and what went wrong.
pub(crate) async fn freeze(engine: &Engine, origin: &Origin) -> (Vec<String>, Option<EngineError>) {
    let attempt = origin.attempt.to_string();
    // Not the build's relay, which has nothing of the workspace.
    let kind = (labels::KIND, labels::KIND_STEP);
    let mut filter = labels::filter(&[kind, (labels::JOB, &origin.job), (labels::ATTEMPT, &attempt)]);
    filter.insert("status".to_owned(), vec!["running".to_owned()]);
    let options = ListContainersOptionsBuilder::default().filters(&filter).build();
    let found = match engine.list_containers(Some(options)).await {
        Ok(found) => found,
        Err(error) => return (Vec::new(), Some(engine.error("list the build's containers", &error))),
    };
    let mut frozen = Vec::new();
    for id in found.into_iter().filter_map(|container| container.id) {
        match engine.pause_container(&id).await.map_err(|error| engine.error("freeze the build", &error)) {
            Ok(()) => frozen.push(id),
            // What does not run any more is as still as can be.
            Err(error) if error.is_conflict() || error.is_not_found() => {}
            Err(error) => return (frozen, Some(error)),
        }
    }
    (frozen, None)
}

/// Refuses parts that a link leads to or that are gone.
fn check(workspace: &Workspace, parts: &[String]) -> Result<(), Refusal> {
    for part in parts {
        mountable(workspace, part)?;
    }
    Ok(())
}

/// The host's path of a part of the workspace.
pub(super) fn mountable(workspace: &Workspace, part: &str) -> Result<String, Refusal> {
    let gone = || Refusal::bad(format!("`{part}` is to be mounted, and is not in the workspace"));
    match workspace.mountable(part) {
        Ok(Some(path)) => Ok(path.display().to_string()),
        Ok(None) => Err(gone()),
        Err(WorkspaceError::Outside { .. }) => Err(Refusal::forbidden(format!(
            "`{part}` of the workspace is reached through a symbolic link; only real files and folders can be mounted"
        ))),
        Err(error) => Err(Refusal::bad(error.to_string())),
    }
}
