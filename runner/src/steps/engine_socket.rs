//! The Docker engine that a step with `engine: true` gets: the build's own, behind a socket of the runner's.

use std::sync::Arc;

use bollard::models::{Mount, MountType};

use super::{Provisions, Site, StepError};
use crate::engine::scoped_socket::{IN_STEP, ScopedSocket, SocketRequest};

impl Site {
    /// Leads a step to the build's engine socket, which is opened for the first step that asks.
    pub(crate) async fn provide_engine(&self, provisions: &mut Provisions) -> Result<(), StepError> {
        let socket = self.socket.get_or_try_init(|| self.open_socket()).await?;
        // The classic builder is the one that the socket serves; newer clients ask for another unless told.
        let env = [("DOCKER_HOST", format!("unix://{IN_STEP}")), ("DOCKER_BUILDKIT", "0".to_owned())];
        let mount = Mount {
            typ: Some(MountType::BIND),
            source: Some(socket.path().display().to_string()),
            target: Some(IN_STEP.to_owned()),
            ..Mount::default()
        };
        provisions.env.extend(env.into_iter().map(|(name, value)| (name.to_owned(), value)));
        provisions.mounts.push(mount);
        Ok(())
    }

    async fn open_socket(&self) -> Result<ScopedSocket, StepError> {
        let request = SocketRequest {
            engine: self.engine.clone(),
            origin: self.origin.clone(),
            network: self.network.name().await?,
            workspace: self.workspace.clone(),
            containment: self.limits.host_config(),
            is_closed: self.limits.network.is_closed(),
            registries: self.registries.clone(),
            rights: Arc::clone(&self.rights),
            images: self.image_names.clone(),
            stillness: self.stillness.clone(),
        };
        ScopedSocket::open(request, &self.socket_folder).map_err(|error| {
            StepError::Other(format!(
                "the Docker engine for this step cannot be set up in {}: {error}",
                self.socket_folder.display()
            ))
        })
    }
}
