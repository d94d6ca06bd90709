//! The containers in which a build's commands run.

mod beginning;
mod blueprint;
mod container;
mod contents;
mod digest;
mod disk;
mod engine_socket;
mod error;
mod fetching;
mod found;
mod guard;
mod handing;
mod leftovers;
mod limits;
mod mounts;
mod network;
mod output;
mod patience;
mod provisions;
mod relay;
mod services;
mod shell;
mod stillness;
mod warm;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

pub(crate) use beginning::Beginning;
use blueprint::Blueprint;
use bollard::query_parameters::TagImageOptionsBuilder;
use container::ContainerGuard;
use disk::DiskUse;
use tokio::sync::{OnceCell, RwLock};

pub(crate) use container::ContainerCommand;
pub(crate) use error::StepError;
pub(crate) use leftovers::Leftovers;
pub(crate) use limits::kept_output;
pub use limits::{StepLimits, StepNetwork};
pub(crate) use network::{BuildNetwork, NETWORK_OPTIONS, NO_ADDRESS, interface};
pub(crate) use output::pump_again;
pub(crate) use patience::Patience;
pub(crate) use provisions::Provisions;
pub(crate) use relay::Relay;
pub(crate) use services::ServiceStart;
use services::Services;
pub(crate) use warm::ShellCommand;
use warm::WarmContainers;

use crate::{
    coordinator::RegistryCredential,
    engine::{
        Engine, EngineError,
        labels::Origin,
        scoped_socket::{ImageNames, ScopedSocket, Stillness},
    },
    inside::Inside,
    registry::ImageRights,
    workspace::Workspace,
};

/// What a build's containers share: the engine, the workspace, the network, the limits.
#[derive(Debug)]
pub(crate) struct Site {
    engine: Engine,
    origin: Origin,
    caches: String,
    is_apart: bool,
    workspace: Workspace,
    limits: StepLimits,
    registries: Vec<RegistryCredential>,
    rights: Arc<ImageRights>,
    leftovers: Leftovers,
    network: Arc<BuildNetwork>,
    inside: Inside,
    warm: WarmContainers,
    services: Services,
    /// By step: containers that have ended, until the server knows how.
    ended: Mutex<HashMap<u32, ContainerGuard>>,
    kept_images: Mutex<Vec<String>>,
    /// The socket of the steps that ask for an engine, once there is one.
    socket: OnceCell<ScopedSocket>,
    socket_folder: PathBuf,
    /// The images by the names that steps with an engine know.
    image_names: ImageNames,
    /// Keeps the build still while such a step mounts a part of the workspace.
    stillness: Arc<Stillness>,
    /// Held for reading while a command runs, and for writing from the check of a mount of a part of the workspace until
    /// the engine has made it (see [`stillness`]).
    calm: RwLock<()>,
    disk: DiskUse,
}

/// What a site is made of.
#[derive(Debug)]
pub(crate) struct Grounds {
    /// The engine.
    pub(crate) engine: Engine,
    /// Whose the containers are.
    pub(crate) origin: Origin,
    /// Whose caches its steps and images use: see [`BuildWork::caches`](crate::coordinator::BuildWork::caches).
    pub(crate) caches: String,
    /// Whether the layers of its images are for it alone, and those of others not for it.
    pub(crate) is_apart: bool,
    /// Where the checked-out tree is, or will be.
    pub(crate) workspace: Workspace,
    /// The bounds of each step.
    pub(crate) limits: StepLimits,
    /// The logins that the build was given.
    pub(crate) registries: Vec<RegistryCredential>,
    /// The images that it may use.
    pub(crate) rights: ImageRights,
    /// Where removals are done.
    pub(crate) leftovers: Leftovers,
    /// The build's network.
    pub(crate) network: BuildNetwork,
    /// The program that begins containers with secrets.
    pub(crate) inside: Inside,
    /// Where the socket of steps with an engine would be; made on first use, removed with the build.
    pub(crate) socket_folder: PathBuf,
}

impl Site {
    pub(crate) fn new(grounds: Grounds) -> Self {
        Site {
            engine: grounds.engine,
            origin: grounds.origin,
            caches: grounds.caches,
            is_apart: grounds.is_apart,
            workspace: grounds.workspace,
            limits: grounds.limits,
            registries: grounds.registries,
            rights: Arc::new(grounds.rights),
            leftovers: grounds.leftovers,
            network: Arc::new(grounds.network),
            inside: grounds.inside,
            warm: WarmContainers::default(),
            services: Services::default(),
            ended: Mutex::default(),
            kept_images: Mutex::default(),
            socket: OnceCell::new(),
            socket_folder: grounds.socket_folder,
            image_names: ImageNames::default(),
            stillness: Arc::default(),
            calm: RwLock::new(()),
            disk: DiskUse::default(),
        }
    }

    /// The engine that the build runs on.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The checked-out tree.
    pub(crate) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// The logins that the build was given.
    pub(crate) fn registries(&self) -> &[RegistryCredential] {
        &self.registries
    }

    /// Whether the layers of the build's images are for it alone.
    pub(crate) fn is_apart(&self) -> bool {
        self.is_apart
    }

    /// Whose caches the build uses.
    pub(crate) fn caches(&self) -> &str {
        &self.caches
    }

    /// The bounds of a step.
    pub(crate) fn limits(&self) -> &StepLimits {
        &self.limits
    }

    /// Waits until the build's network is there, or is known not to come.
    pub(crate) async fn settled(&self) {
        self.network.settled().await;
    }

    /// What broke a step off, where it may be the engine that did: one that goes away ends what runs on it in ways that
    /// look like the command's own. Then nothing of the build is removed any more.
    pub(crate) async fn judged(&self, error: StepError) -> StepError {
        let is_lost = match &error {
            StepError::Cancelled | StepError::TooSlow(_) => false,
            StepError::EngineLost | StepError::Engine(EngineError::Unreachable { .. }) => true,
            // An engine that ends takes no more connections before it ends its containers.
            _ => Engine::connect(Some(self.engine.address())).await.is_err(),
        };
        if is_lost && self.leftovers.leave_job() { StepError::EngineLost } else { error }
    }

    /// Keeps the ended container of a step until [`Site::let_go`]: a later life of the runner finds in it how it ended.
    fn keep(&self, step: u32, container: ContainerGuard) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).insert(step, container);
    }

    /// Removes, in the background, the container of a step whose end the server knows.
    pub(crate) fn let_go(&self, step: u32) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).remove(&step);
    }

    /// Gives a just-built image a name that lasts as long as the build: nobody prunes it meanwhile, and later Dockerfiles
    /// of the build can name it.
    pub(crate) async fn keep_image(&self, step: u32, id: &str) -> Result<String, StepError> {
        let local = self.origin.image(step);
        self.name_image(id, &local).await?;
        self.kept_images.lock().unwrap_or_else(PoisonError::into_inner).push(local.clone());
        Ok(local)
    }

    /// Lets the images of the build keep the names that last as long as it, for another attempt.
    pub(crate) fn leave_images(&self) {
        self.kept_images.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Lets steps with an engine find the image that the build has just made for an app, under the app's image name.
    pub(crate) fn tell_image(&self, image: &str, local: &str) {
        self.image_names.built(image, local);
    }

    /// Gives an image a name that stays.
    pub(crate) async fn name_image(&self, id: &str, name: &str) -> Result<(), StepError> {
        // A colon before the last slash belongs to the registry's port.
        let (repo, tag) = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).unwrap_or((name, "latest"));
        let options = TagImageOptionsBuilder::default().repo(repo).tag(tag).build();
        let tagged = self.engine.tag_image(id, Some(options)).await;
        Ok(tagged.map_err(|error| self.engine.error(format!("name the image {id} {name}"), &error))?)
    }
}

/// Removes everything that the build made on the engine, in the background.
impl Drop for Site {
    fn drop(&mut self) {
        self.warm.clear();
        self.ended.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        self.services.clear();
        let images = std::mem::take(&mut *self.kept_images.lock().unwrap_or_else(PoisonError::into_inner));
        let socket = self.socket.take().map(|socket| (socket.close(), std::mem::take(&mut self.socket_folder)));
        self.leftovers.clear(self.engine.clone(), self.origin.clone(), Arc::clone(&self.network), images, socket);
    }
}
