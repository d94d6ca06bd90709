//! What one socket serves: one build, and nothing of anybody else's.

use std::{collections::HashMap, sync::Arc};

use bollard::models::HostConfig;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, MutexGuard, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Stillness, images::ImageNames, names::Names, refusal::Refusal, upstream::Upstream};
use crate::{
    coordinator::RegistryCredential,
    engine::{Engine, labels, labels::Origin},
    registry::ImageRights,
    workspace::Workspace,
};

/// What a build's socket is made of.
#[derive(Debug)]
pub(crate) struct SocketRequest {
    /// The real engine.
    pub(crate) engine: Engine,
    /// The build.
    pub(crate) origin: Origin,
    /// The name of the build's network.
    pub(crate) network: String,
    /// The checkout, which steps find at `/workspace`.
    pub(crate) workspace: Workspace,
    /// What contains every container.
    pub(crate) containment: HostConfig,
    /// Whether its containers reach nothing but each other.
    pub(crate) is_closed: bool,
    /// The logins that images are pulled with.
    pub(crate) registries: Vec<RegistryCredential>,
    /// The images that the build may use.
    pub(crate) rights: Arc<ImageRights>,
    /// The images that the build knows by names of its own.
    pub(crate) images: ImageNames,
    /// Keeps the build still while a part of its workspace is mounted.
    pub(crate) stillness: Arc<Stillness>,
}

/// The state behind a socket.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) engine: Engine,
    pub(super) upstream: Upstream,
    pub(super) origin: Origin,
    pub(super) network: String,
    pub(super) workspace: Workspace,
    pub(super) containment: HostConfig,
    pub(super) is_closed: bool,
    pub(super) registries: Vec<RegistryCredential>,
    pub(super) rights: Arc<ImageRights>,
    pub(super) images: ImageNames,
    pub(super) stillness: Arc<Stillness>,
    pub(super) names: Names,
    /// Held while something is made, so that the count before it holds.
    pub(super) making: Mutex<()>,
    /// What goes on to its end also when the client has gone: what is made must be known before the build is cleaned.
    pub(super) tasks: TaskTracker,
    /// The connections that were handed over to streams.
    pub(super) streams: Arc<Semaphore>,
    /// Cancelled when the socket is closed.
    pub(super) closed: CancellationToken,
}

impl Scope {
    pub(super) fn new(request: SocketRequest) -> Self {
        let workspace = request.workspace.path().display().to_string();
        Scope {
            upstream: Upstream::new(request.engine.address()),
            names: Names::new(&request.origin.name(), &request.network, &workspace),
            engine: request.engine,
            origin: request.origin,
            network: request.network,
            workspace: request.workspace,
            containment: request.containment,
            is_closed: request.is_closed,
            registries: request.registries,
            rights: request.rights,
            images: request.images,
            stillness: request.stillness,
            making: Mutex::default(),
            tasks: TaskTracker::new(),
            streams: Arc::new(Semaphore::new(super::CONNECTIONS)),
            closed: CancellationToken::new(),
        }
    }

    /// The right to make something. Nothing is made any more once the socket is closed, as nobody would remove it.
    pub(super) async fn making(&self) -> Result<MutexGuard<'_, ()>, Refusal> {
        let making = self.making.lock().await;
        if self.closed.is_cancelled() {
            return Err(Refusal::forbidden("making anything once the build has ended"));
        }
        Ok(making)
    }

    /// The labels of what is made through the socket.
    pub(super) fn labels(&self, kind: &str) -> HashMap<String, String> {
        self.origin.scoped(kind)
    }

    /// A step's labels with those that make the object the build's. What a step says in Slipway's name is left out.
    pub(super) fn labelled(&self, mut asked: Map<String, Value>, kind: &str) -> Value {
        asked.retain(|name, value| value.is_string() && !labels::is_ours(name));
        asked.extend(self.labels(kind).into_iter().map(|(name, value)| (name, Value::String(value))));
        Value::Object(asked)
    }
}
