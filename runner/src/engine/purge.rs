//! Taking a runner's traces off an engine when the runner is given up.

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder, RemoveVolumeOptionsBuilder,
};

use super::{Engine, EngineError, labels};

impl Engine {
    /// Removes everything that a runner made: the containers of steps and releases, networks, volumes with what is in
    /// them, and the images whose names begin with one of `registries` (`host:port`). The runner must not be running.
    ///
    /// # Errors
    /// When the engine cannot be asked or refuses a removal; what was removed by then stays removed.
    pub async fn purge(&self, runner: &str, registries: &[&str]) -> Result<(), EngineError> {
        self.purge_containers(runner).await?;
        self.purge_networks(runner).await?;
        self.purge_volumes(runner).await?;
        self.purge_images(registries).await
    }

    async fn purge_containers(&self, runner: &str) -> Result<(), EngineError> {
        let options =
            ListContainersOptionsBuilder::default().all(true).filters(&labels::filter(&[(labels::RUNNER, runner)]));
        let found = self.list_containers(Some(options.build())).await;
        for container in found.map_err(|error| self.error("list containers", &error))? {
            let id = container.id.unwrap_or_default();
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            let removed = self.remove_container(&id, Some(options)).await;
            self.gone(removed, &format!("remove the container {id}"))?;
        }
        Ok(())
    }

    async fn purge_networks(&self, runner: &str) -> Result<(), EngineError> {
        let options = ListNetworksOptionsBuilder::default().filters(&labels::filter(&[(labels::RUNNER, runner)]));
        let found = self.list_networks(Some(options.build())).await;
        for network in found.map_err(|error| self.error("list networks", &error))? {
            let name = network.name.unwrap_or_default();
            let removed = self.remove_network(&name).await;
            self.gone(removed, &format!("remove the network {name}"))?;
        }
        Ok(())
    }

    async fn purge_volumes(&self, runner: &str) -> Result<(), EngineError> {
        let options = ListVolumesOptionsBuilder::default().filters(&labels::filter(&[(labels::RUNNER, runner)]));
        let found = self.list_volumes(Some(options.build())).await;
        let found = found.map_err(|error| self.error("list volumes", &error))?;
        for volume in found.volumes.unwrap_or_default() {
            let options = RemoveVolumeOptionsBuilder::default().force(true).build();
            let removed = self.remove_volume(&volume.name, Some(options)).await;
            self.gone(removed, &format!("remove the volume {}", volume.name))?;
        }
        Ok(())
    }

    async fn purge_images(&self, registries: &[&str]) -> Result<(), EngineError> {
        let found = self.list_images(Some(ListImagesOptionsBuilder::default().build())).await;
        for image in found.map_err(|error| self.error("list images", &error))? {
            let names = image.repo_tags.into_iter().chain(image.repo_digests);
            let ours = names.filter(|name| registries.iter().any(|host| name.starts_with(&format!("{host}/"))));
            for name in ours {
                let options = RemoveImageOptionsBuilder::default().build();
                let removed = self.remove_image(&name, Some(options), None).await;
                self.gone(removed.map(drop), &format!("remove the image {name}"))?;
            }
        }
        Ok(())
    }

    /// What is gone already needs no removal.
    pub(super) fn gone(&self, removed: Result<(), bollard::errors::Error>, doing: &str) -> Result<(), EngineError> {
        match removed.map_err(|error| self.error(doing, &error)) {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }
}
