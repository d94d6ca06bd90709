//! Asks image registries what they hold, and finds the login that an image's host wants.
//!
//! Slipway trusts a digest only after the registry itself has confirmed it: after a push, and again before a release.

mod attach;
mod credentials;
mod error;
mod names;
mod rights;
mod signatures;
mod tag;

pub use attach::Attachment;
pub use credentials::{credential_for, engine_login};
pub use error::RegistryError;
pub use names::host;
pub(crate) use rights::{ImageRefused, ImageRights};
pub use signatures::Signatures;

use std::time::Duration;

use oci_client::{
    Client,
    client::{ClientConfig, ClientProtocol},
    secrets::RegistryAuth,
};
use tokio::sync::OnceCell;

use crate::{coordinator::RegistryCredential, tls};

/// How long a registry may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a registry may stay silent within an answer.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// How long one question may take in all, the fetching of a token included.
const QUESTION_LIMIT: Duration = Duration::from_secs(30);

/// A client of every registry that a job may meet, each with its own login.
pub struct Registry {
    credentials: Vec<RegistryCredential>,
    plain: OnceCell<Client>,
    encrypted: OnceCell<Client>,
}

impl Registry {
    /// A client that logs in with these credentials where a host asks for it, and is anonymous elsewhere.
    #[must_use]
    pub fn new(credentials: &[RegistryCredential]) -> Self {
        Registry { credentials: credentials.to_vec(), plain: OnceCell::new(), encrypted: OnceCell::new() }
    }

    /// The digest of the manifest that `reference` (`host/name:tag` or `host/name@sha256:…`) names, as the registry
    /// states it; none if the registry answers that it has no such image.
    ///
    /// Registries on this machine (127.0.0.0/8 and localhost) are asked over plain HTTP, as the engine does.
    ///
    /// # Errors
    /// When the name cannot be read, the registry does not answer, or it refuses the login.
    pub async fn digest(&self, reference: &str) -> Result<Option<String>, RegistryError> {
        let image = names::parse(reference)?;
        let (host, credential) = self.login(reference)?;
        match self.ask(reference, async |client, auth| client.fetch_manifest_digest(&image, auth).await).await? {
            Ok(digest) => Ok(Some(digest)),
            Err(failure) => error::interpret(failure, &host, credential),
        }
    }

    /// Whether the registry holds `digest` under the image's name.
    ///
    /// # Errors
    /// As [`Registry::digest`].
    pub async fn exists(&self, image: &str, digest: &str) -> Result<bool, RegistryError> {
        Ok(self.digest(&pinned(image, digest)).await?.is_some())
    }

    /// The host that an image's name leads to, and the login for it.
    fn login(&self, reference: &str) -> Result<(String, Option<&RegistryCredential>), RegistryError> {
        let host = names::canonical_host(names::parse(reference)?.registry());
        Ok((host, credential_for(reference, &self.credentials)))
    }

    /// Asks the registry of `reference`, with the login for it, and waits no longer than a question may take.
    async fn ask<T>(
        &self,
        reference: &str,
        question: impl AsyncFnOnce(&Client, &RegistryAuth) -> oci_client::errors::Result<T>,
    ) -> Result<oci_client::errors::Result<T>, RegistryError> {
        let (host, credential) = self.login(reference)?;
        let client = self.client(&host).await?;
        let auth = credential.map_or(RegistryAuth::Anonymous, |login| {
            RegistryAuth::Basic(login.username.clone(), login.password.clone())
        });
        tokio::time::timeout(QUESTION_LIMIT, question(client, &auth)).await.map_err(|_| RegistryError::Unreachable {
            host,
            reason: format!("no answer within {} s", QUESTION_LIMIT.as_secs()),
        })
    }

    async fn client(&self, host: &str) -> Result<&Client, RegistryError> {
        let (cell, protocol) = if names::is_this_machine(host) {
            (&self.plain, ClientProtocol::Http)
        } else {
            (&self.encrypted, ClientProtocol::Https)
        };
        cell.get_or_try_init(|| async { connect(protocol) }).await
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

fn connect(protocol: ClientProtocol) -> Result<Client, RegistryError> {
    tls::provide();
    let config = ClientConfig {
        protocol,
        connect_timeout: Some(CONNECT_LIMIT),
        read_timeout: Some(SILENCE_LIMIT),
        // What is sent is small: one request takes the place of two, and more registries know it.
        use_monolithic_push: true,
        user_agent: concat!("slipway/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(|failure| RegistryError::Client { reason: failure.to_string() })
}

/// `image@digest`, as engines and registries read it.
#[must_use]
pub fn pinned(image: &str, digest: &str) -> String {
    format!("{image}@{digest}")
}
