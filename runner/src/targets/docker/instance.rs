//! A container of an environment as the engine describes it.

use std::collections::HashMap;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum, EndpointSettings,
};

use super::labels::{APP, PORT, RELEASE, REPLICA};

/// One container of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The engine's id of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The image as it was asked for; the engine's list may have another word for it.
    pub image: String,
    /// Whether it is in the environment's network.
    pub attached: bool,
    /// The names that it has there; none where the engine was not asked for them, as when it lists many.
    pub aliases: Option<Vec<String>>,
    /// The id of the release that made it.
    pub release: String,
    /// Its app.
    pub app: String,
    /// Which replica, from 1.
    pub replica: u32,
    /// What can be done with it.
    pub state: InstanceState,
    /// Where it takes connections: `address:port`, while it runs and if its app listens at all.
    pub upstream: Option<String>,
    /// Its address, in the environment's network or of its node, while it runs.
    pub address: Option<String>,
    /// Why it does not run, where the engine says so.
    pub waits: Option<String>,
    pub(super) labels: HashMap<String, String>,
}

/// What the engine calls a container.
struct Identity {
    id: String,
    name: String,
    image: String,
}

/// The engine's states, by what can be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// It runs.
    Running,
    /// A Swarm is about to run it: it never did, or has ended and is not given up.
    Coming,
    /// It was never started, or has ended.
    Startable,
    /// Somebody froze it.
    Paused,
    /// It can only be removed.
    Broken,
}

impl std::fmt::Display for InstanceState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            InstanceState::Running => "running",
            InstanceState::Coming => "about to run",
            InstanceState::Startable => "stopped",
            InstanceState::Paused => "paused",
            InstanceState::Broken => "being removed",
        })
    }
}

impl Instance {
    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == InstanceState::Running
    }

    /// Whether it runs, or will without anybody's doing.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.state, InstanceState::Running | InstanceState::Coming)
    }

    /// The slot of a Swarm's service, with the address of the node that its task runs on and the port that leads to it.
    pub(crate) fn of_task(
        id: String,
        name: String,
        image: String,
        replica: u32,
        state: InstanceState,
        (address, port): (Option<String>, Option<u16>),
        labels: HashMap<String, String>,
    ) -> Self {
        let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
        Instance {
            id,
            name,
            image,
            attached: true,
            aliases: None,
            release: label(RELEASE),
            app: label(APP),
            replica,
            state,
            upstream: address.as_ref().zip(port).map(|(address, port)| upstream(address, port)),
            address,
            waits: None,
            labels,
        }
    }

    /// With the reason why it does not run.
    pub(crate) fn waiting(self, waits: Option<String>) -> Self {
        Instance { waits, ..self }
    }

    /// The service that it is a slot of, on a Swarm.
    pub(crate) fn service(&self) -> Option<&str> {
        self.name.rsplit_once('.').map(|(service, _)| service)
    }

    /// Whether it carries this label.
    pub(crate) fn says(&self, key: &str, value: &str) -> bool {
        self.labels.get(key).is_some_and(|found| found == value)
    }

    /// An instance that no engine has seen, for the models of tests.
    #[cfg(test)]
    pub(crate) fn for_model(
        release: &str,
        app: &str,
        replica: u32,
        state: InstanceState,
        address: Option<String>,
        port: Option<u16>,
    ) -> Self {
        let upstream = address.as_ref().zip(port).map(|(address, port)| format!("{address}:{port}"));
        let name = format!("{app}-{release}-{replica}");
        Instance {
            id: name.clone(),
            name,
            image: String::new(),
            attached: true,
            aliases: None,
            release: release.to_owned(),
            app: app.to_owned(),
            replica,
            state,
            upstream,
            address,
            waits: None,
            labels: HashMap::new(),
        }
    }

    pub(super) fn from_summary(summary: ContainerSummary, network: &str) -> Option<Self> {
        let name = summary.names?.into_iter().next()?.trim_start_matches('/').to_owned();
        let state = match summary.state? {
            ContainerSummaryStateEnum::RUNNING
            | ContainerSummaryStateEnum::RESTARTING
            | ContainerSummaryStateEnum::STOPPING => InstanceState::Running,
            ContainerSummaryStateEnum::PAUSED => InstanceState::Paused,
            ContainerSummaryStateEnum::DEAD | ContainerSummaryStateEnum::REMOVING => InstanceState::Broken,
            _ => InstanceState::Startable,
        };
        let networks = summary.network_settings.and_then(|settings| settings.networks);
        let what = Identity { id: summary.id.unwrap_or_default(), name, image: summary.image.unwrap_or_default() };
        Some(Self::assemble(what, state, summary.labels.unwrap_or_default(), networks, network))
    }

    pub(super) fn from_inspection(name: &str, found: ContainerInspectResponse, network: &str) -> Self {
        let state = match found.state.and_then(|state| state.status) {
            Some(
                ContainerStateStatusEnum::RUNNING
                | ContainerStateStatusEnum::RESTARTING
                | ContainerStateStatusEnum::STOPPING,
            ) => InstanceState::Running,
            Some(ContainerStateStatusEnum::PAUSED) => InstanceState::Paused,
            Some(ContainerStateStatusEnum::DEAD | ContainerStateStatusEnum::REMOVING) => InstanceState::Broken,
            _ => InstanceState::Startable,
        };
        let config = found.config.unwrap_or_default();
        let networks = found.network_settings.and_then(|settings| settings.networks);
        let (id, image) = (found.id.unwrap_or_default(), config.image.unwrap_or_default());
        let what = Identity { id, name: name.to_owned(), image };
        let instance = Self::assemble(what, state, config.labels.unwrap_or_default(), networks, network);
        // Here the engine leaves nothing away: what is not said is not there.
        Instance { aliases: Some(instance.aliases.unwrap_or_default()), ..instance }
    }

    fn assemble(
        what: Identity,
        state: InstanceState,
        labels: HashMap<String, String>,
        networks: Option<HashMap<String, EndpointSettings>>,
        network: &str,
    ) -> Self {
        let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
        let endpoint = networks.and_then(|mut networks| networks.remove(network));
        let attached = endpoint.is_some();
        let aliases = endpoint.as_ref().and_then(|endpoint| endpoint.aliases.clone());
        let address = endpoint.and_then(|endpoint| endpoint.ip_address).filter(|address| !address.is_empty());
        let address = address.filter(|_| state == InstanceState::Running);
        let port = labels.get(PORT).and_then(|port| port.parse::<u16>().ok());
        let Identity { id, name, image } = what;
        Instance {
            id,
            name,
            image,
            attached,
            aliases,
            release: label(RELEASE),
            app: label(APP),
            replica: label(REPLICA).parse().unwrap_or(0),
            state,
            upstream: address.as_ref().zip(port).map(|(address, port)| upstream(address, port)),
            address,
            waits: None,
            labels,
        }
    }
}

/// Where a port of an address takes connections; an address of IPv6 is in brackets.
fn upstream(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
