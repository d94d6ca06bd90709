//! A container that a process on this machine starts for itself and reaches by the loopback address, as the demo does
//! with its registry. It belongs to no runner: a file that the process holds locked tells whether it is still wanted.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use bollard::{
    models::{ContainerCreateBody, ContainerInspectResponse, HostConfig, Mount, MountType, PortBinding},
    query_parameters::{
        CreateContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
        StartContainerOptions,
    },
};
use futures_util::TryStreamExt;

use super::{Engine, EngineError, labels};

/// What such a container is to be.
#[derive(Debug, Clone, Copy)]
pub struct Helper<'a> {
    /// Its name, which nobody else uses.
    pub name: &'a str,
    /// The image, which the engine holds.
    pub image: &'a str,
    /// The port that it listens on inside.
    pub port: u16,
    /// Its variables.
    pub env: &'a [(&'a str, &'a str)],
    /// Where its data lies inside, on a volume that goes with it.
    pub data: &'a str,
    /// The file that is locked as long as the container is wanted.
    pub lock: &'a Path,
}

impl Engine {
    /// Creates and starts it; the answer is where its port is published, on the loopback address. It may take a moment
    /// until somebody answers there.
    ///
    /// # Errors
    /// When the engine refuses. There may be a container then: [`Engine::remove_helper`] removes it by its name.
    pub async fn start_helper(&self, helper: Helper<'_>) -> Result<SocketAddr, EngineError> {
        let options = CreateContainerOptionsBuilder::default().name(helper.name).build();
        let created = self.create_container(Some(options), helper.container()).await;
        created.map_err(|error| self.error(format!("create the container {}", helper.name), &error))?;
        let started = self.start_container(helper.name, None::<StartContainerOptions>).await;
        started.map_err(|error| self.error(format!("start the container {}", helper.name), &error))?;
        let found = self.find_helper(helper.name).await?;
        if let Some(address) = published(&found, helper.port) {
            return Ok(address);
        }
        // One that has ended already has no port any more.
        let end = self.helper_end(helper.name).await?;
        Err(EngineError::Refused {
            doing: format!("publish the port of the container {}", helper.name),
            status: 0,
            message: end.unwrap_or_else(|| format!("none of this machine's leads to its port {}", helper.port)),
        })
    }

    /// Why the container does not run, with the last line that it wrote; none while it runs.
    ///
    /// # Errors
    /// When the engine fails, or the container is gone.
    pub async fn helper_end(&self, name: &str) -> Result<Option<String>, EngineError> {
        let state = self.find_helper(name).await?.state.unwrap_or_default();
        if state.running == Some(true) {
            return Ok(None);
        }
        let code = state.exit_code.unwrap_or_default();
        Ok(Some(format!("it ended with exit code {code}: {}", self.helper_says(name).await)))
    }

    /// The last line that the container wrote.
    pub async fn helper_says(&self, name: &str) -> String {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail("1").build();
        let line: Result<Vec<_>, _> = self.logs(name, Some(options)).try_collect().await;
        let text: String = line.unwrap_or_default().iter().map(ToString::to_string).collect();
        if text.trim().is_empty() { "it wrote nothing".to_owned() } else { text.trim().to_owned() }
    }

    /// Removes the container and its data, whatever state it is in; one that is gone is no error.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn remove_helper(&self, name: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let removed = self.remove_container(name, Some(options)).await;
        self.gone(removed, &format!("remove the container {name}"))
    }

    /// Every such container on the engine, with the file that is locked as long as it is wanted.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn helpers(&self) -> Result<Vec<(String, PathBuf)>, EngineError> {
        let filter = labels::filter(&[(labels::KIND, labels::KIND_HELPER)]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filter).build();
        let found = self.list_containers(Some(options)).await;
        let found = found.map_err(|error| self.error("list containers", &error))?;
        let known = found
            .into_iter()
            .filter_map(|container| Some((container.id?, PathBuf::from(container.labels?.remove(labels::LOCK)?))));
        Ok(known.collect())
    }

    async fn find_helper(&self, name: &str) -> Result<ContainerInspectResponse, EngineError> {
        let found = self.inspect_container(name, None).await;
        found.map_err(|error| self.error(format!("inspect the container {name}"), &error))
    }
}

impl Helper<'_> {
    fn container(&self) -> ContainerCreateBody {
        let port = inside(self.port);
        // Without a port of its own choice, the engine takes a free one.
        let anywhere = PortBinding { host_ip: Some(Ipv4Addr::LOCALHOST.to_string()), host_port: None };
        let data = Mount { typ: Some(MountType::VOLUME), target: Some(self.data.to_owned()), ..Mount::default() };
        let labels = [(labels::KIND, labels::KIND_HELPER.to_owned()), (labels::LOCK, self.lock.display().to_string())];
        ContainerCreateBody {
            image: Some(self.image.to_owned()),
            env: Some(self.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            labels: Some(labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            exposed_ports: Some(vec![port.clone()]),
            host_config: Some(HostConfig {
                port_bindings: Some(HashMap::from([(port, Some(vec![anywhere]))])),
                mounts: Some(vec![data]),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }
}

/// A port as the engine's API writes it.
fn inside(port: u16) -> String {
    format!("{port}/tcp")
}

fn published(found: &ContainerInspectResponse, port: u16) -> Option<SocketAddr> {
    let ports = found.network_settings.as_ref()?.ports.as_ref()?;
    let port = ports.get(&inside(port))?.as_ref()?.first()?.host_port.as_ref()?.parse().ok()?;
    Some((Ipv4Addr::LOCALHOST, port).into())
}
