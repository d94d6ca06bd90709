//! A test's own environment on the engine: gone when the test ends, however it ends.

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions,
};
use slipway_runner::{
    engine::{Engine, labels},
    targets::docker::ENVIRONMENT,
};
use ulid::Ulid;

/// Removes everything that carries the environment's id when dropped: containers, networks, volumes; and the images
/// that were named.
#[derive(Debug)]
pub struct EnvironmentGuard {
    id: String,
    images: Vec<String>,
}

impl EnvironmentGuard {
    /// An environment with an id that nobody else has.
    #[must_use]
    pub fn new() -> Self {
        EnvironmentGuard { id: Ulid::generate().to_string(), images: Vec::new() }
    }

    /// The environment's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Has an image removed at the end as well.
    pub fn forget(&mut self, image: impl Into<String>) {
        self.images.push(image.into());
    }
}

impl Default for EnvironmentGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for EnvironmentGuard {
    fn drop(&mut self) {
        let (id, images) = (self.id.clone(), std::mem::take(&mut self.images));
        // A thread of its own: the test's runtime may be the one that is going down.
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(remove(&id, &images));
        });
        let _ = cleaning.join();
    }
}

async fn remove(id: &str, images: &[String]) {
    let Ok(engine) = Engine::connect(None).await else { return };
    let filters = labels::filter(&[(ENVIRONMENT, id)]);
    let all = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let force = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    for container in engine.list_containers(Some(all)).await.unwrap_or_default() {
        let _ = engine.remove_container(&container.id.unwrap_or_default(), Some(force.clone())).await;
    }
    let networks = ListNetworksOptionsBuilder::default().filters(&filters).build();
    for network in engine.list_networks(Some(networks)).await.unwrap_or_default() {
        let _ = engine.remove_network(&network.id.unwrap_or_default()).await;
    }
    let volumes = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let listed = engine.list_volumes(Some(volumes)).await.ok().and_then(|listed| listed.volumes);
    for volume in listed.unwrap_or_default() {
        let _ = engine.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await;
    }
    for image in images {
        crate::images::forget(&engine, image).await;
    }
}
