//! Images: from a folder of the checkout to an image, and from an engine to a registry.

mod apart;
mod buildkit;
mod context;
mod dockerignore;
mod error;
mod from;
mod inputs;
mod outage;
mod progress;
mod pull;
mod push;
mod reports;
mod session;

use async_trait::async_trait;
pub(crate) use buildkit::BuildKit;
pub(crate) use context::ContextLimits;
pub(crate) use error::ImageError;
pub(crate) use inputs::{dockerfile, input_key};
pub(crate) use pull::{ensure, ensure_silently};
pub(crate) use push::{Means, Pushed, push, sign_pushed, tag_pushed};
use slipway_pipelines::dockerfile::means;

use self::progress::Layers;
use crate::{coordinator::RegistryCredential, reporter::StepLog, workspace::Workspace};

/// An image to build.
#[derive(Clone)]
pub(crate) struct ImageRequest {
    /// Where everything is read from.
    pub(crate) workspace: Workspace,
    /// The app, for messages.
    pub(crate) app: String,
    /// The Dockerfile's path within the workspace.
    pub(crate) dockerfile: String,
    /// The context's folder within the workspace.
    pub(crate) context: String,
    /// The stage to build; none means the last.
    pub(crate) target: Option<String>,
    /// Build arguments.
    pub(crate) build_args: Vec<(String, String)>,
    /// What `RUN --mount=type=secret` may read, by name.
    pub(crate) secrets: Vec<(String, String)>,
    /// What the same build has made so far, for Dockerfiles that build on it.
    pub(crate) bases: Vec<Base>,
    /// Labels of the image.
    pub(crate) labels: Vec<(String, String)>,
    /// Whose `RUN --mount=type=cache` it may read and write; empty for the engine's own.
    pub(crate) caches: String,
    /// Whether it is a stranger's: its layers are then shared with nothing that has other `caches`.
    pub(crate) is_apart: bool,
    /// Logins for the registries of base images.
    pub(crate) registries: Vec<RegistryCredential>,
    /// Whether it is built without the layers that earlier builds left.
    pub(crate) is_fresh: bool,
    /// Whether the image carries BuildKit's account of its layers.
    pub(crate) tells_layers: bool,
    /// Images in a registry, by their digests, whose account is read.
    pub(crate) cache_from: Vec<String>,
}

impl ImageRequest {
    /// A request that asks for nothing yet.
    pub(crate) fn of(workspace: Workspace) -> Self {
        ImageRequest {
            workspace,
            app: String::new(),
            dockerfile: String::new(),
            context: String::new(),
            target: None,
            build_args: Vec::new(),
            secrets: Vec::new(),
            bases: Vec::new(),
            labels: Vec::new(),
            caches: String::new(),
            is_apart: false,
            registries: Vec::new(),
            is_fresh: false,
            tells_layers: false,
            cache_from: Vec::new(),
        }
    }
}

/// An image that a Dockerfile is given in place of what it names: one that the same build has made, or one that is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    /// The name without a tag; of one that is pinned, the name as the Dockerfile has it.
    pub(crate) image: String,
    /// The name with a tag or a digest under which the engine has exactly this image.
    pub(crate) local: String,
    /// Whether it is another's, pinned to the digest that it had in its registry.
    pub(crate) is_pinned: bool,
}

impl Base {
    /// Whether a Dockerfile means it by what it has `written`.
    pub(crate) fn is_meant_by(&self, written: &str) -> bool {
        if self.is_pinned { written == self.image } else { means(written, &self.image) }
    }
}

/// An image that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BuiltImage {
    /// Its id.
    pub(crate) id: String,
    /// What it was made of.
    pub(crate) layers: Layers,
    /// The images that were fetched for it, by their digests.
    pub(crate) fetched: Vec<String>,
}

/// Builds images. Dropping the future stops the build.
#[async_trait]
pub(crate) trait ImageBuilder: Send + Sync {
    /// Builds an image, and tells the log how it goes.
    async fn build(&self, request: ImageRequest, log: &StepLog) -> Result<BuiltImage, ImageError>;
}
