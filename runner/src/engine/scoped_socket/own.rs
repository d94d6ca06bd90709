//! Finding what a request names among what the build made through its socket. All else does not exist.

use std::collections::HashMap;

use bollard::{
    models::{ContainerInspectResponse, Network},
    query_parameters::{InspectContainerOptions, InspectNetworkOptions},
};

use super::{refusal::Refusal, scope::Scope};
use crate::engine::{EngineError, labels};

impl Scope {
    /// A container of the build's, by its name, its id, or the beginning of that.
    pub(super) async fn container(&self, asked: &str) -> Result<ContainerInspectResponse, Refusal> {
        let missing = || Refusal::missing("container", asked);
        if let Ok(real) = self.names.real(asked)
            && let Some(found) = self.look_for_container(&real).await?
        {
            return Ok(found);
        }
        if !is_hex(asked) {
            return Err(missing());
        }
        self.look_for_container(asked).await?.ok_or_else(missing)
    }

    async fn look_for_container(&self, real: &str) -> Result<Option<ContainerInspectResponse>, Refusal> {
        let found = self.engine.inspect_container(real, None::<InspectContainerOptions>).await;
        let found = there(found.map_err(|error| self.engine.error("look for the container", &error)))?;
        Ok(found.filter(|container| {
            self.is_own(container.config.as_ref().and_then(|config| config.labels.as_ref()), labels::KIND_STEP)
        }))
    }

    /// The full id of a container of the build's.
    pub(super) async fn container_id(&self, asked: &str) -> Result<String, Refusal> {
        let found = self.container(asked).await?;
        found.id.ok_or_else(|| Refusal::missing("container", asked))
    }

    /// A network that was made through the socket, by its name or its id.
    pub(super) async fn network(&self, asked: &str) -> Result<Network, Refusal> {
        let missing = || Refusal::missing("network", asked);
        if let Ok(real) = self.names.real(asked)
            && let Some(found) = self.look_for_network(&real).await?
        {
            return Ok(found);
        }
        if !is_hex(asked) {
            return Err(missing());
        }
        self.look_for_network(asked).await?.ok_or_else(missing)
    }

    async fn look_for_network(&self, real: &str) -> Result<Option<Network>, Refusal> {
        let found = self.engine.inspect_network(real, None::<InspectNetworkOptions>).await;
        let found = there(found.map_err(|error| self.engine.error("look for the network", &error)))?;
        let found =
            found.map(|found| Network { id: found.id, name: found.name, labels: found.labels, ..Network::default() });
        Ok(found.filter(|network| self.is_own(network.labels.as_ref(), labels::KIND_NETWORK)))
    }

    /// The engine's name of a network that a container may be on: the build's own under the names of the default one, or
    /// one that was made through the socket.
    pub(super) async fn joinable(&self, asked: &str) -> Result<String, Refusal> {
        match asked {
            "" | "default" | "bridge" => Ok(self.network.clone()),
            "host" => Err(Refusal::forbidden("the host's network is not for steps")),
            _ => {
                let found = self.network(asked).await?;
                found.name.ok_or_else(|| Refusal::missing("network", asked))
            }
        }
    }

    /// The engine's name of a volume that was made through the socket.
    pub(super) async fn volume(&self, asked: &str) -> Result<String, Refusal> {
        let missing = || Refusal::missing("volume", asked);
        let real = self.names.real(asked).map_err(|_| missing())?;
        let found = self.engine.inspect_volume(&real).await;
        let found = there(found.map_err(|error| self.engine.error("look for the volume", &error)))?;
        let own = found.filter(|volume| self.is_own(Some(&volume.labels), labels::KIND_VOLUME));
        own.map(|_| real).ok_or_else(missing)
    }

    /// The container's id of one of the build's commands in a running container.
    pub(super) async fn exec(&self, id: &str) -> Result<(), Refusal> {
        let missing = || Refusal::missing("exec instance", id);
        if !is_hex(id) {
            return Err(missing());
        }
        let found = self.engine.inspect_exec(id).await;
        let found = there(found.map_err(|error| self.engine.error("look for the command", &error)))?;
        let container = found.and_then(|exec| exec.container_id).ok_or_else(missing)?;
        self.container(&container).await.map(drop).map_err(|_| missing())
    }

    fn is_own(&self, found: Option<&HashMap<String, String>>, kind: &str) -> bool {
        found.is_some_and(|found| self.labels(kind).iter().all(|(name, value)| found.get(name) == Some(value)))
    }
}

/// What is not there is none, and no failure.
fn there<T>(found: Result<T, EngineError>) -> Result<Option<T>, Refusal> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a text can be an id or the beginning of one.
pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
