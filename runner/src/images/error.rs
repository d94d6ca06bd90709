//! Why an image was not built or pushed.

use crate::{engine::EngineError, registry::RegistryError, workspace::WorkspaceError};

/// What kept an image from being built, pulled or pushed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImageError {
    /// There is no Dockerfile where captain.yml says.
    #[error("there is no Dockerfile at `{path}` in this commit: correct `build` of the app `{app}` in captain.yml")]
    NoDockerfile {
        /// Where it should be.
        path: String,
        /// The app.
        app: String,
    },
    /// There is no context where captain.yml says.
    #[error("there is no folder `{path}` in this commit to build the app `{app}` from")]
    NoContext {
        /// Where it should be.
        path: String,
        /// The app.
        app: String,
    },
    /// The context is larger than a build may send.
    #[error("the build context is larger than {limit}: leave out what the image does not need by a .dockerignore file")]
    ContextTooLarge {
        /// The limit in words.
        limit: String,
    },
    /// The Dockerfile could not be executed.
    #[error("the image could not be built: {0}")]
    Build(String),
    /// The registry could not be reached by the engine.
    #[error(
        "the registry {host} does not answer: {cause}. Check that it is running and that the Docker engine can reach it"
    )]
    RegistryDown {
        /// The registry.
        host: String,
        /// What the engine said.
        cause: String,
    },
    /// The registry answered the engine with a failure of its own.
    #[error("the registry {host} fails: {cause}. Its log says more")]
    RegistryFailing {
        /// The registry.
        host: String,
        /// What the engine said.
        cause: String,
    },
    /// The registry refused the login, or asked for one.
    #[error("{}", refused(host, username.as_deref(), cause))]
    LoginRefused {
        /// The registry.
        host: String,
        /// Who tried; none when no login is known.
        username: Option<String>,
        /// What the registry said.
        cause: String,
    },
    /// The push failed for another reason.
    #[error("{image} could not be pushed: {cause}")]
    Push {
        /// The image with its tag.
        image: String,
        /// What the engine said.
        cause: String,
    },
    /// The registry holds something else than what was pushed.
    #[error("the registry says that {image} is {found}, but {expected} was pushed: something else pushed the same tag")]
    OtherDigest {
        /// The image with its tag.
        image: String,
        /// What the registry said.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// The registry could not be asked.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Something in the checkout cannot be read.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
}

impl ImageError {
    /// Whether the same may succeed a little later without anyone changing a thing.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            ImageError::RegistryDown { .. } | ImageError::RegistryFailing { .. } => true,
            ImageError::Registry(error) => error.is_outage(),
            _ => false,
        }
    }
}

fn refused(host: &str, username: Option<&str>, cause: &str) -> String {
    match username {
        Some(username) => format!(
            "the registry {host} refused the login of `{username}`: {cause}. Correct the credential for {host} in Slipway"
        ),
        None => format!("the registry {host} asks for a login: {cause}. Add a credential for {host} to Slipway"),
    }
}
