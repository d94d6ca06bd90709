//! Connecting to the engine, and what is said when it cannot be done.

use std::{ops::Deref, time::Duration};

use bollard::{API_DEFAULT_VERSION, Docker, errors::Error};

use crate::failure::root_cause;

/// Where an engine listens unless the configuration says otherwise.
pub const DEFAULT_SOCKET: &str = "unix:///var/run/docker.sock";

/// How long the engine may take until the headers of an answer, in seconds. Streams have no limit of their own here:
/// whoever reads one bounds it.
const ANSWER_TIMEOUT_S: u64 = 120;
/// How long the first question to an engine may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What went wrong between the runner and its engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Nobody answers.
    #[error("cannot reach the Docker engine at {address}: is it running? ({cause})")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What the attempt met.
        cause: String,
    },
    /// It answered, and did not do what it was asked.
    #[error("the Docker engine could not {doing}: {message}")]
    Refused {
        /// What it was asked, such as `start container slipway-…`.
        doing: String,
        /// The HTTP status of its answer; 0 for an error within a stream.
        status: u16,
        /// What it said.
        message: String,
    },
}

impl EngineError {
    /// Whether the engine said that what was named does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, EngineError::Refused { status: 404, .. })
    }

    /// Whether the engine said that what was asked for exists already, or contradicts its state.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, EngineError::Refused { status: 409, .. })
    }
}

/// A connection to one engine, at the API version that both sides know. Use it as bollard's client.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    address: String,
}

impl Deref for Engine {
    type Target = Docker;

    fn deref(&self) -> &Docker {
        &self.docker
    }
}

impl Engine {
    /// Connects to the engine at `host` (`unix:///path` or `tcp://host:port`; none means [`DEFAULT_SOCKET`]) and
    /// agrees on an API version.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] when nobody answers within 5 s.
    pub async fn connect(host: Option<&str>) -> Result<Self, EngineError> {
        let address = host.unwrap_or(DEFAULT_SOCKET).to_owned();
        let attempt = async {
            let docker = if address.starts_with("unix://") {
                Docker::connect_with_unix(&address, ANSWER_TIMEOUT_S, API_DEFAULT_VERSION)?
            } else {
                Docker::connect_with_http(&address, ANSWER_TIMEOUT_S, API_DEFAULT_VERSION)?
            };
            docker.negotiate_version().await
        };
        let unreachable = |cause: String| EngineError::Unreachable { address: address.clone(), cause };
        match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
            Ok(Ok(docker)) => Ok(Engine { docker, address }),
            Ok(Err(error)) => Err(unreachable(root_cause(&error))),
            Err(_) => Err(unreachable(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))),
        }
    }

    /// Where the engine is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Puts a failed call into words. `doing` completes "the Docker engine could not …".
    #[must_use]
    pub fn error(&self, doing: impl Into<String>, error: &Error) -> EngineError {
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                EngineError::Refused { doing: doing.into(), status: *status_code, message: message.trim().to_owned() }
            }
            Error::DockerStreamError { error } | Error::DockerContainerWaitError { error, .. } => {
                EngineError::Refused { doing: doing.into(), status: 0, message: error.trim().to_owned() }
            }
            Error::SocketNotFoundError(_)
            | Error::HyperLegacyError { .. }
            | Error::HyperResponseError { .. }
            | Error::RequestTimeoutError
            | Error::IOError { .. } => {
                EngineError::Unreachable { address: self.address.clone(), cause: root_cause(error) }
            }
            other => EngineError::Refused { doing: doing.into(), status: 0, message: root_cause(other) },
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[tokio::test]
    async fn a_missing_engine_is_named_with_a_remedy() {
        let error = Engine::connect(Some("unix:///nonexistent/docker.sock")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot reach the Docker engine at unix:///nonexistent/docker.sock: is it running? \
             (Socket not found: /nonexistent/docker.sock)"
        );
    }

    #[tokio::test]
    async fn a_closed_port_is_named_with_its_cause() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = Engine::connect(Some(&format!("tcp://{free}"))).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("tcp://{free}: is it running? (Connection refused")), "{text}");
    }
}
