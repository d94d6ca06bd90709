//! What other hands did to an environment's containers, and how it is undone.

use bollard::{
    models::{EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest},
    query_parameters::RenameContainerOptionsBuilder,
};

use super::{DockerTarget, Instance, TargetError};

impl DockerTarget {
    /// Puts a container back into the environment's network, under its app's name.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn attach(&self, name: &str, app: &str) -> Result<(), TargetError> {
        let endpoint = EndpointSettings { aliases: Some(vec![app.to_owned()]), ..EndpointSettings::default() };
        let request = NetworkConnectRequest { container: name.to_owned(), endpoint_config: Some(endpoint) };
        match self.engine.connect_network(&self.names().network(), request).await {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.engine.error(format!("connect {name} to its network"), &failure).into()),
        }
    }

    /// Gives a replica's container another name, under which it goes on until nobody needs it any more: its own is free for
    /// the one that takes its place.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn relieve(&self, instance: &Instance) -> Result<(), TargetError> {
        let id: String = instance.id.chars().take(12).collect();
        let aside = format!("{}-leaving-{id}", instance.name);
        let options = RenameContainerOptionsBuilder::default().name(&aside).build();
        let renamed = self.engine.rename_container(&instance.id, options).await;
        self.settled(renamed, "rename", &instance.name)
    }

    /// Takes a container, by its name or its id, out of the environment's network.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn detach(&self, container: &str) -> Result<(), TargetError> {
        let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        let left = self.engine.disconnect_network(&self.names().network(), request).await;
        self.settled(left, "take out of the environment's network", container)
    }

    /// Gives a container that is not Slipway's another name, and takes it out of the environment's network, so that
    /// nobody takes it for the app. It is neither stopped nor removed: it is somebody else's.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn move_aside(&self, intruder: &Instance) -> Result<String, TargetError> {
        let id: String = intruder.id.chars().take(12).collect();
        let aside = format!("{}-foreign-{id}", intruder.name);
        if intruder.attached {
            self.detach(&intruder.id).await?;
        }
        let options = RenameContainerOptionsBuilder::default().name(&aside).build();
        let renamed = self.engine.rename_container(&intruder.id, options).await;
        self.settled(renamed, "rename", &intruder.name)?;
        Ok(aside)
    }

    /// How often the engine started the container again by itself, and how it ended last; none if it is gone.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn restarts(&self, name: &str) -> Result<Option<(i64, i64)>, TargetError> {
        match self.engine.inspect_container(name, None).await {
            Ok(found) => {
                let exit_code = found.state.and_then(|state| state.exit_code).unwrap_or(0);
                Ok(Some((found.restart_count.unwrap_or(0), exit_code)))
            }
            Err(failure) => {
                let error = self.engine.error(format!("inspect the container {name}"), &failure);
                if error.is_not_found() { Ok(None) } else { Err(error.into()) }
            }
        }
    }
}
