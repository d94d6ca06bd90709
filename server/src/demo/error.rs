//! Why the demo did not come to its good end.

use slipway_runner::engine::EngineError;

use crate::{app::StartError, cli::ClientError, config::ConfigError};

/// Why the demo did not come to its good end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// One of the parts that the demo stands on did not start.
    #[error("{part} could not be started: {reason}")]
    Part {
        /// The program.
        part: &'static str,
        /// What it said.
        reason: String,
    },
    /// There is neither a registry's program nor its image.
    #[error(
        "there is no registry to push to: the program docker-registry is not installed, and {failure}. Either install \
         it (Debian: apt-get install docker-registry), or let the engine have the image (docker pull {image}; \
         --registry-image names another one)"
    )]
    NoRegistry {
        /// The image of the registry.
        image: String,
        /// Why the engine does not have it.
        failure: EngineError,
    },
    /// The folder holds the data of an earlier server.
    #[error("the folder holds the data of an earlier demo; name a new one with --folder")]
    UsedFolder,
    /// The demo's files could not be written.
    #[error("the demo's files could not be written: {0}")]
    Files(#[from] std::io::Error),
    /// The server cannot be configured.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The sample repository could not be written.
    #[error("the sample repository could not be written: {0}")]
    Sample(#[from] git2::Error),
    /// A request got no answer.
    #[error("a request failed: {0}")]
    Request(#[from] reqwest::Error),
    /// An address makes no sense.
    #[error("an address cannot be used: {0}")]
    Address(String),
    /// The API refused something that it should do.
    #[error(transparent)]
    Api(#[from] ClientError),
    /// Something that the story tells did not happen.
    #[error("expected {expected}, but saw {found}")]
    NotObserved {
        /// What should have happened.
        expected: String,
        /// What did.
        found: String,
    },
    /// The person pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// The engine cannot be reached, or refuses to clean up.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
