//! Fetching images from their registries.

use std::time::Duration;

use bollard::{auth::DockerCredentials, query_parameters::CreateImageOptionsBuilder};
use futures_util::TryStreamExt;

use super::{Engine, EngineError};

/// How long a pull may make no progress at all.
const SILENCE_LIMIT: Duration = Duration::from_secs(300);

impl Engine {
    /// Whether the engine holds an image of exactly this name.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn has_image(&self, reference: &str) -> Result<bool, EngineError> {
        match self.inspect_image(reference).await {
            Ok(_) => Ok(true),
            Err(failure) => {
                let error = self.error(format!("inspect the image {reference}"), &failure);
                if error.is_not_found() { Ok(false) } else { Err(error) }
            }
        }
    }

    /// Fetches an image, named with its tag or digest.
    ///
    /// # Errors
    /// When the engine or the registry fails, or nothing arrives for five minutes.
    pub async fn pull(&self, reference: &str, login: Option<DockerCredentials>) -> Result<(), EngineError> {
        let options = CreateImageOptionsBuilder::default().from_image(reference).build();
        let progress = self.create_image(Some(options), None, login);
        tokio::pin!(progress);
        let doing = format!("pull the image {reference}");
        loop {
            match tokio::time::timeout(SILENCE_LIMIT, progress.try_next()).await {
                Ok(Ok(Some(_))) => {}
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(failure)) => return Err(self.error(doing, &failure)),
                Err(_) => {
                    let message = format!("nothing arrived for {} s", SILENCE_LIMIT.as_secs());
                    return Err(EngineError::Refused { doing, status: 0, message });
                }
            }
        }
    }
}
