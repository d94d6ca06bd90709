//! The one way out of a network that leads nowhere: a proxy that lets through the hosts that the operator lists.

use std::{collections::HashMap, sync::Arc};

use bollard::{
    models::{ContainerCreateBody, EndpointSettings, HostConfig, NetworkConnectRequest, NetworkingConfig},
    query_parameters::CreateContainerOptionsBuilder,
};

use super::limits::kept_output;
use crate::{
    engine::{Engine, EngineError, labels::Origin},
    inside::{IN_IMAGE, Inside, RELAY},
};

/// Its name in the build's network, and its port.
const NAME: &str = "slipway-relay";
const PORT: u16 = 3128;
/// The network of the engine that leads out.
const OUT: &str = "bridge";
/// Its bounds: it holds 256 connections, each with two threads.
const MEMORY: i64 = 192 * 1024 * 1024;
const PIDS: i64 = 640;
/// Somebody who owns nothing.
const NOBODY: &str = "65534:65534";

/// What the containers of builds reach by it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Relay {
    hosts: Arc<[String]>,
}

impl Relay {
    /// One that leads to these: `host`, `host:port`, `*.domain`.
    pub(crate) fn to(hosts: &[String]) -> Self {
        Relay { hosts: hosts.into() }
    }

    /// Has it running in a build's network. Each part that an earlier life of the runner has done stays as it is.
    pub(super) async fn ensure(&self, engine: &Engine, origin: &Origin) -> Result<(), EngineError> {
        let name = origin.relay_container();
        let image = Inside::image(engine).await?;
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let made = engine.create_container(Some(options), self.describe(origin, image)).await;
        done(made.map(drop).map_err(|error| engine.error(format!("create the container {name}"), &error)))?;
        let joining = NetworkConnectRequest { container: name.clone(), ..NetworkConnectRequest::default() };
        let joined = engine.connect_network(OUT, joining).await;
        done(joined.map_err(|error| engine.error(format!("connect {name} with the network {OUT}"), &error)))?;
        let started = engine.start_container(&name, None).await;
        started.map_err(|error| engine.error(format!("start the container {name}"), &error))
    }

    fn describe(&self, origin: &Origin, image: String) -> ContainerCreateBody {
        let words = [IN_IMAGE, RELAY, NAME].into_iter().map(str::to_owned);
        let words = words.chain([PORT.to_string()]).chain(self.hosts.iter().cloned());
        let network = origin.name();
        let endpoint = EndpointSettings { aliases: Some(vec![NAME.to_owned()]), ..EndpointSettings::default() };
        ContainerCreateBody {
            image: Some(image),
            entrypoint: Some(words.collect()),
            user: Some(NOBODY.to_owned()),
            labels: Some(origin.relay()),
            host_config: Some(HostConfig {
                network_mode: Some(network.clone()),
                readonly_rootfs: Some(true),
                cap_drop: Some(vec!["ALL".to_owned()]),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                memory: Some(MEMORY),
                memory_swap: Some(MEMORY),
                pids_limit: Some(PIDS),
                log_config: Some(kept_output()),
                ..HostConfig::default()
            }),
            networking_config: Some(NetworkingConfig { endpoints_config: Some(HashMap::from([(network, endpoint)])) }),
            ..ContainerCreateBody::default()
        }
    }
}

/// What was done before is done.
fn done(result: Result<(), EngineError>) -> Result<(), EngineError> {
    match result {
        Err(error) if error.is_conflict() => Ok(()),
        // So does the engine refuse who is in a network already.
        Err(EngineError::Refused { status: 403, message, .. }) if message.contains("already exists") => Ok(()),
        result => result,
    }
}

/// The variables by which most programs find a proxy. `links` are names of the build's own, which are reached without.
pub(super) fn variables(links: &[String]) -> Vec<String> {
    let own = links.iter().filter_map(|link| link.split(':').nth(1));
    let without = ["localhost", "127.0.0.1", "::1"].into_iter().chain(own).collect::<Vec<_>>().join(",");
    let proxy = format!("http://{NAME}:{PORT}");
    let both = [("HTTP_PROXY", &proxy), ("HTTPS_PROXY", &proxy), ("NO_PROXY", &without)];
    both.iter()
        .flat_map(|(name, value)| [format!("{name}={value}"), format!("{}={value}", name.to_lowercase())])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_reached_without_the_relay() {
        let told = variables(&["slipway-x-1-db:db".to_owned(), "slipway-x-1-s2:cache".to_owned()]);
        assert!(told.contains(&"no_proxy=localhost,127.0.0.1,::1,db,cache".to_owned()), "{told:?}");
        assert!(told.contains(&"HTTPS_PROXY=http://slipway-relay:3128".to_owned()), "{told:?}");
        assert_eq!(told.len(), 6);
    }
}
