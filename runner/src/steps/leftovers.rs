//! Removing what builds leave on the engine, off their critical path and never forgotten.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptions, ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptions,
};
use tokio_util::task::TaskTracker;

use super::BuildNetwork;
use crate::engine::{
    Engine, EngineError,
    labels::{self, Origin},
    scoped_socket,
};

/// How often a removal is tried, and how long it waits in between: an engine under load refuses some with a conflict.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// The removals under way in this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leftovers(TaskTracker);

impl Leftovers {
    /// Waits until every removal so far is done. No more may be begun meanwhile.
    pub(crate) async fn settle(&self, limit: Duration) {
        self.0.close();
        if tokio::time::timeout(limit, self.0.wait()).await.is_err() {
            tracing::warn!("some containers were not removed in time; the next start removes them");
        }
    }

    /// Runs a removal in the background.
    pub(crate) fn spawn(&self, removal: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(removal);
    }

    /// Removes a folder in the background. A command that still runs may write into it for a moment.
    pub(crate) fn remove_folder(&self, path: PathBuf) {
        self.spawn(async move {
            for tries_left in (0..TRIES).rev() {
                match tokio::fs::remove_dir_all(&path).await {
                    Ok(()) => return,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
                    Err(error) if tries_left == 0 => {
                        tracing::warn!(path = %path.display(), %error, "a folder was not removed; the next start tries again");
                    }
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        });
    }

    /// Kills and removes a container now. That it is gone already is fine.
    pub(crate) async fn remove_container(&self, engine: &Engine, name: &str) {
        let options = || Some(RemoveContainerOptionsBuilder::default().force(true).v(true).build());
        retry(|| async {
            let removed = engine.remove_container(name, options()).await;
            removed.map_err(|error| engine.error(format!("remove the container {name}"), &error))
        })
        .await;
    }

    /// Removes a network now. That it is gone already is fine.
    pub(super) async fn remove_network(&self, engine: &Engine, name: &str) {
        remove_network(engine, name).await;
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
            let attempt = origin.attempt.to_string();
            let of_build =
                [(labels::KIND, labels::KIND_STEP), (labels::JOB, &*origin.job), (labels::ATTEMPT, &*attempt)];
            for name in containers(&engine, &labels::filter(&of_build)).await {
                this.remove_container(&engine, &name).await;
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

    /// Removes what earlier lives of this runner left of their builds.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub(crate) async fn remove_earlier(&self, engine: &Engine, runner: &str, life: &str) -> Result<(), EngineError> {
        let mine = |kind| labels::filter(&[(labels::KIND, kind), (labels::RUNNER, runner)]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&mine(labels::KIND_STEP)).build();
        let found = engine
            .list_containers(Some(options))
            .await
            .map_err(|error| engine.error("list the containers of earlier builds", &error))?;
        for container in found {
            if is_earlier(container.labels.as_ref(), life)
                && let Some(id) = container.id
            {
                self.remove_container(engine, &id).await;
            }
        }
        let options = ListNetworksOptionsBuilder::default().filters(&mine(labels::KIND_NETWORK)).build();
        let found = engine
            .list_networks(Some(options))
            .await
            .map_err(|error| engine.error("list the networks of earlier builds", &error))?;
        for network in found {
            if is_earlier(network.labels.as_ref(), life)
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
            if labels::is_earlier_image(name, runner, life) {
                remove_image(engine, name).await;
            }
        }
        scoped_socket::remove_earlier(engine, runner, life).await?;
        Ok(())
    }
}

fn is_earlier(labels: Option<&HashMap<String, String>>, life: &str) -> bool {
    labels.and_then(|labels| labels.get(labels::INCARNATION)).is_none_or(|of| of != life)
}

async fn containers(engine: &Engine, filter: &HashMap<String, Vec<String>>) -> Vec<String> {
    let options = ListContainersOptionsBuilder::default().all(true).filters(filter).build();
    match engine.list_containers(Some(options)).await {
        Ok(found) => found.into_iter().filter_map(|container| container.id).collect(),
        Err(error) => {
            tracing::warn!(error = %engine.error("list the build's containers", &error), "cannot clean up");
            Vec::new()
        }
    }
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

async fn retry<C, F>(mut remove: C)
where
    C: FnMut() -> F,
    F: Future<Output = Result<(), EngineError>>,
{
    for tries_left in (0..TRIES).rev() {
        match remove().await {
            Ok(()) => return,
            Err(error) if error.is_not_found() => return,
            Err(error) if tries_left == 0 => {
                tracing::warn!(%error, "a removal failed; the next start tries again");
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
