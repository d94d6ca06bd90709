//! The network that a build's containers share.

use std::{collections::HashMap, time::Duration};

use bollard::{models::NetworkCreateRequest, query_parameters::ListNetworksOptionsBuilder};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use super::{Leftovers, Relay, StepError, StepNetwork, digest::digest, guard, leftovers::remove_network};
use crate::engine::{Engine, EngineError, labels::Origin};

/// How long a build that ends waits for its network's making before it leaves the network to the next start's cleaning.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a build that ends early waits for its network's making.
const SETTLE: Duration = Duration::from_secs(5);

/// The name of the network's interface on the engine's machine. The [guard] knows the interfaces of builds by how their names
/// begin; such a name has at most 15 characters.
const BRIDGE: &str = "com.docker.network.bridge.name";
pub(super) const BRIDGES: &str = "slw";
const BRIDGE_BYTES: usize = 6;
/// Leaves that interface without an address: the engine's machine is not reached by it either.
pub(crate) const NO_ADDRESS: &str = "com.docker.network.bridge.inhibit_ipv4";
/// What Slipway sets on the networks of builds, whoever asks for them.
pub(crate) const NETWORK_OPTIONS: [&str; 2] = [BRIDGE, NO_ADDRESS];

/// A build's network. It is being made from the beginning on, beside the checkout: making one takes longer than a small
/// checkout, and nearly every build needs it. It is removed in the background when this is dropped.
#[derive(Debug)]
pub(crate) struct BuildNetwork {
    engine: Engine,
    leftovers: Leftovers,
    /// The name of the container by which it leads out; none where there is none.
    relay: Option<String>,
    made: Shared<BoxFuture<'static, Result<String, EngineError>>>,
}

impl BuildNetwork {
    /// Begins to make the network of a build.
    pub(crate) fn begin(
        engine: Engine,
        origin: &Origin,
        leftovers: Leftovers,
        reach: StepNetwork,
        relay: Relay,
    ) -> Self {
        let name = origin.name();
        let mut options = HashMap::from([interface(&name)]);
        if reach.is_closed() {
            options.insert(NO_ADDRESS.to_owned(), "true".to_owned());
        }
        let request = NetworkCreateRequest {
            name,
            driver: Some("bridge".to_owned()),
            internal: Some(reach.is_closed()),
            options: Some(options),
            labels: Some(origin.network()),
            ..NetworkCreateRequest::default()
        };
        let relayed = reach == StepNetwork::Registries;
        let (at, of, removals) = (engine.clone(), origin.clone(), leftovers.clone());
        let making = async move {
            // Nothing is told a name of the network before what guards it is up.
            let guarding =
                async { if reach == StepNetwork::Open { guard::ensure(&at, &of, &removals).await } else { Ok(()) } };
            let (name, ()) = futures_util::try_join!(make(at.clone(), request), guarding)?;
            if relayed {
                relay.ensure(&at, &of).await?;
            }
            Ok(name)
        };
        let made = making.boxed().shared();
        // Driven on its own, so that it goes on while nobody waits for it.
        leftovers.spawn(made.clone().map(drop));
        BuildNetwork { engine, leftovers, relay: relayed.then(|| origin.relay_container()), made }
    }

    /// Waits until it is there, or is known not to come: nothing is made for a job that has ended.
    pub(crate) async fn settled(&self) {
        // What went wrong is told by whoever needs the network; an engine that hangs is cleaned after it answers.
        drop(tokio::time::timeout(SETTLE, self.made.clone()).await);
    }

    /// Its name, once it is there.
    pub(super) async fn name(&self) -> Result<String, StepError> {
        Ok(self.made.clone().await?)
    }
}

impl Drop for BuildNetwork {
    fn drop(&mut self) {
        let (engine, leftovers, made) = (self.engine.clone(), self.leftovers.clone(), self.made.clone());
        let relay = self.relay.take();
        self.leftovers.spawn(async move {
            let made = tokio::time::timeout(PATIENCE, made).await;
            if let Some(relay) = relay {
                leftovers.remove_container(&engine, &relay).await;
            }
            if let Ok(Ok(name)) = made {
                leftovers.remove_network(&engine, &name).await;
            }
        });
    }
}

/// What names the interface of a network that a build has, under an option of the engine's. It is of its own for each making:
/// the network that an earlier life asked for may come beside this one.
pub(crate) fn interface(network: &str) -> (String, String) {
    let own = digest(&[network, &ulid::Ulid::generate().to_string()], BRIDGE_BYTES);
    (BRIDGE.to_owned(), format!("{BRIDGES}{own}"))
}

/// Makes the network unless an earlier life of the runner did. The engine would make two of the same name, and then start
/// no container on either.
async fn make(engine: Engine, request: NetworkCreateRequest) -> Result<String, EngineError> {
    let name = request.name.clone();
    if named(&engine, &name).await?.is_empty() {
        let made = engine.create_network(request).await;
        made.map_err(|error| engine.error(format!("create the network {name}"), &error))?;
        // What the earlier life had asked for may have come meanwhile.
        for more in named(&engine, &name).await?.iter().skip(1) {
            remove_network(&engine, more).await;
        }
    }
    Ok(name)
}

/// The ids of the networks with this name, the oldest first.
async fn named(engine: &Engine, name: &str) -> Result<Vec<String>, EngineError> {
    let filter = HashMap::from([("name".to_owned(), vec![name.to_owned()])]);
    let options = ListNetworksOptionsBuilder::default().filters(&filter).build();
    let found = engine.list_networks(Some(options)).await;
    let mut found = found.map_err(|error| engine.error(format!("look for the network {name}"), &error))?;
    // The engine finds every name that holds this one.
    found.retain(|network| network.name.as_deref() == Some(name));
    found.sort_by_key(|network| network.created);
    Ok(found.into_iter().filter_map(|network| network.id).collect())
}
