//! Removing what builds leave on the engine, off their critical path and never forgotten.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bollard::query_parameters::{
    KillContainerOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptions, ListNetworksOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptions,
};
use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::BuildNetwork;
use crate::engine::{
    Engine, EngineError,
    labels::{self, Earlier, Origin},
    scoped_socket,
};

/// How often a removal is tried, and how long it waits in between: an engine under load refuses some with a conflict.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
/// How long an engine that does not answer is waited for, and how often it is asked: what it stopped when it was
/// restarted is there again when it is.
const ENGINE_AWAY: Duration = Duration::from_secs(300);
const ENGINE_PAUSE: Duration = Duration::from_millis(500);
/// How many containers of a build are ended at once.
const AT_ONCE: usize = 8;

/// The removals under way in this process. Clones share their state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leftovers {
    removals: TaskTracker,
    left: Arc<AtomicBool>,
    /// The same of one job; none where nobody goes on with what is left.
    job_left: Option<Arc<AtomicBool>>,
}

impl Leftovers {
    /// Waits until every removal so far is done. No more may be begun meanwhile.
    pub(crate) async fn settle(&self, limit: Duration) {
        self.removals.close();
        if tokio::time::timeout(limit, self.removals.wait()).await.is_err() {
            tracing::warn!("some containers were not removed in time; the next start removes them");
        }
    }

    /// From now on nothing is removed that is not being removed already: the next life of the runner goes on with it.
    pub(crate) fn leave(&self) {
        self.left.store(true, Ordering::SeqCst);
    }

    /// Those of one job, which may be left for it to go on with.
    pub(crate) fn of_job(&self) -> Self {
        Leftovers { job_left: Some(Arc::default()), ..self.clone() }
    }

    /// From now on nothing of this job is removed, not even what was to be removed already; false where it could not go
    /// on with it.
    pub(super) fn leave_job(&self) -> bool {
        self.job_left.as_ref().inspect(|left| left.store(true, Ordering::SeqCst)).is_some()
    }

    fn is_job_left(&self) -> bool {
        self.job_left.as_ref().is_some_and(|left| left.load(Ordering::SeqCst))
    }

    /// Runs a removal in the background.
    pub(crate) fn spawn(&self, removal: impl Future<Output = ()> + Send + 'static) {
        if !self.left.load(Ordering::SeqCst) && !self.is_job_left() {
            self.removals.spawn(removal);
        }
    }

    /// Removes a folder in the background. A command that still runs may write into it for a moment.
    pub(crate) fn remove_folder(&self, path: PathBuf) {
        let this = self.clone();
        self.spawn(async move { this.remove_now(&path).await });
    }

    /// Removes a folder.
    pub(crate) async fn remove_now(&self, path: &Path) {
        for tries_left in (0..TRIES).rev() {
            match tokio::fs::remove_dir_all(path).await {
                Ok(()) => return,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
                Err(error) if tries_left == 0 => {
                    tracing::warn!(path = %path.display(), %error, "a folder was not removed; the next start tries again");
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Kills and removes a container now. That it is gone already is fine.
    pub(crate) async fn remove_container(&self, engine: &Engine, name: &str) {
        let options = || Some(RemoveContainerOptionsBuilder::default().force(true).v(true).build());
        retry(|| async {
            // An engine that was away may be back, and the job go on with the container.
            if self.is_job_left() {
                return Ok(());
            }
            let removed = engine.remove_container(name, options()).await;
            removed.map_err(|error| engine.error(format!("remove the container {name}"), &error))
        })
        .await;
    }

    /// Removes a network now. That it is gone already is fine.
    pub(super) async fn remove_network(&self, engine: &Engine, name: &str) {
        remove_network(engine, name).await;
    }

    /// Kills whatever of a build's containers runs: those of its steps, its services, and what steps started through
    /// their engine's socket. Removing them takes longer, and is done when the build has ended.
    pub(crate) async fn kill_containers(&self, engine: &Engine, origin: &Origin) {
        let found = containers(engine, &of_build(origin), false).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot kill");
            Vec::new()
        });
        let killing = found.iter().map(|id| async move {
            let options = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
            if let Err(error) = engine.kill_container(id, Some(options)).await {
                tracing::debug!(%error, %id, "a container was not killed; it has ended, or its removal ends it");
            }
        });
        stream::iter(killing).for_each_concurrent(AT_ONCE, |killed| killed).await;
    }

    /// Kills and removes the containers of a build's steps now.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub(crate) async fn remove_containers(&self, engine: &Engine, origin: &Origin) -> Result<(), EngineError> {
        let found = containers(engine, &of_build(origin), true).await?;
        let removing = found.iter().map(|id| self.remove_container(engine, id));
        stream::iter(removing).for_each_concurrent(AT_ONCE, |removed| removed).await;
        Ok(())
    }

    /// Removes in the background every container of a build, and then its network and the names of its images.
    ///
    /// `socket` is what waits for the last requests to the build's engine socket, and the socket's folder.
    pub(super) fn clear<F>(
        &self,
        engine: Engine,
        origin: Origin,
        network: Arc<BuildNetwork>,
        images: Vec<String>,
        socket: Option<(F, PathBuf)>,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let this = self.clone();
        self.spawn(async move {
            let folder = match socket {
                Some((closed, folder)) => {
                    closed.await;
                    Some(folder)
                }
                None => None,
            };
            if let Err(error) = this.remove_containers(&engine, &origin).await {
                tracing::warn!(%error, "cannot clean up");
            }
            if let Some(folder) = folder {
                scoped_socket::remove_of_build(&engine, &origin).await;
                this.remove_folder(folder);
            }
            // The last holder's end removes it, which the engine refuses while a container is on it.
            drop(network);
            for image in images {
                remove_image(&engine, &image).await;
            }
        });
    }

    /// Removes what a build left that does not go on, whichever life began it.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub(crate) async fn remove_build(&self, engine: &Engine, origin: &Origin) -> Result<(), EngineError> {
        self.remove_all(engine, Whose::Build(origin)).await?;
        scoped_socket::remove_of_build(engine, origin).await;
        Ok(())
    }

    /// Removes what earlier lives of this runner left of their builds.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub(crate) async fn remove_earlier(&self, engine: &Engine, earlier: &Earlier) -> Result<(), EngineError> {
        self.remove_all(engine, Whose::Earlier(earlier)).await?;
        scoped_socket::remove_earlier(engine, earlier).await
    }

    /// Removes containers, then networks, then the names of images.
    async fn remove_all(&self, engine: &Engine, whose: Whose<'_>) -> Result<(), EngineError> {
        for kind in [labels::KIND_STEP, labels::KIND_RELAY, labels::KIND_GUARD] {
            let options = ListContainersOptionsBuilder::default().all(true).filters(&whose.filter(kind)).build();
            let found = engine
                .list_containers(Some(options))
                .await
                .map_err(|error| engine.error("list the containers of earlier builds", &error))?;
            for container in found {
                if whose.has_left(container.labels.as_ref())
                    && let Some(id) = container.id
                {
                    self.remove_container(engine, &id).await;
                }
            }
        }
        let options = ListNetworksOptionsBuilder::default().filters(&whose.filter(labels::KIND_NETWORK)).build();
        let found = engine
            .list_networks(Some(options))
            .await
            .map_err(|error| engine.error("list the networks of earlier builds", &error))?;
        for network in found {
            if whose.has_left(network.labels.as_ref())
                && let Some(id) = network.id
            {
                remove_network(engine, &id).await;
            }
        }
        let found = engine
            .list_images(None::<ListImagesOptions>)
            .await
            .map_err(|error| engine.error("list the images of earlier builds", &error))?;
        for name in found.iter().flat_map(|image| &image.repo_tags) {
            if whose.has_left_image(name) {
                remove_image(engine, name).await;
            }
        }
        Ok(())
    }
}

/// Whose objects are removed.
#[derive(Debug, Clone, Copy)]
enum Whose<'a> {
    Build(&'a Origin),
    Earlier(&'a Earlier),
}

impl Whose<'_> {
    /// Finds objects of a kind that may be meant.
    fn filter(self, kind: &str) -> HashMap<String, Vec<String>> {
        match self {
            Whose::Build(origin) => {
                let attempt = origin.attempt.to_string();
                labels::filter(&[
                    (labels::KIND, kind),
                    (labels::RUNNER, &origin.runner),
                    (labels::JOB, &origin.job),
                    (labels::ATTEMPT, &attempt),
                ])
            }
            Whose::Earlier(earlier) => labels::filter(&[(labels::KIND, kind), (labels::RUNNER, &earlier.runner)]),
        }
    }

    fn has_left(self, labels: Option<&HashMap<String, String>>) -> bool {
        match self {
            Whose::Build(_) => true,
            Whose::Earlier(earlier) => earlier.left(labels),
        }
    }

    fn has_left_image(self, name: &str) -> bool {
        match self {
            Whose::Build(origin) => name.starts_with(&format!("{}:", origin.name())),
            Whose::Earlier(earlier) => earlier.left_image(name),
        }
    }
}

/// Finds the containers of a build.
fn of_build(origin: &Origin) -> HashMap<String, Vec<String>> {
    let attempt = origin.attempt.to_string();
    labels::filter(&[(labels::KIND, labels::KIND_STEP), (labels::JOB, &origin.job), (labels::ATTEMPT, &attempt)])
}

/// The ids of the containers that run, or of `all`.
async fn containers(
    engine: &Engine,
    filter: &HashMap<String, Vec<String>>,
    all: bool,
) -> Result<Vec<String>, EngineError> {
    let list = || async {
        let options = ListContainersOptionsBuilder::default().all(all).filters(filter).build();
        let found = engine.list_containers(Some(options)).await;
        found.map_err(|error| engine.error("list the build's containers", &error))
    };
    Ok(once_it_answers(list).await?.into_iter().filter_map(|container| container.id).collect())
}

/// Removes a network, found by its name or id.
pub(super) async fn remove_network(engine: &Engine, name: &str) {
    retry(|| async {
        let removed = engine.remove_network(name).await;
        removed.map_err(|error| engine.error(format!("remove the network {name}"), &error))
    })
    .await;
}

/// Takes a name away, and with the last name the image.
async fn remove_image(engine: &Engine, name: &str) {
    retry(|| async {
        let removed = engine.remove_image(name, None::<RemoveImageOptions>, None).await;
        removed.map(drop).map_err(|error| engine.error(format!("remove the image name {name}"), &error))
    })
    .await;
}

/// Asks the engine, and waits for one that is away.
async fn once_it_answers<T, C, F>(mut ask: C) -> Result<T, EngineError>
where
    C: FnMut() -> F,
    F: Future<Output = Result<T, EngineError>>,
{
    let give_up = Instant::now() + ENGINE_AWAY;
    loop {
        match ask().await {
            Err(EngineError::Unreachable { .. }) if Instant::now() < give_up => tokio::time::sleep(ENGINE_PAUSE).await,
            answer => return answer,
        }
    }
}

async fn retry<C, F>(mut remove: C)
where
    C: FnMut() -> F,
    F: Future<Output = Result<(), EngineError>>,
{
    for tries_left in (0..TRIES).rev() {
        match once_it_answers(&mut remove).await {
            Ok(()) => return,
            Err(error) if error.is_not_found() => return,
            Err(error) if tries_left == 0 => {
                tracing::warn!(%error, "a removal failed; the next start tries again");
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
