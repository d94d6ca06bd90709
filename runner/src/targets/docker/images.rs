//! The images of releases on the engine, by digest and never by tag.

use super::{DockerTarget, TargetError};
use crate::registry::{engine_login, pinned};

impl DockerTarget {
    /// Whether the engine holds exactly this image.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn has_image(&self, image: &str, digest: &str) -> Result<bool, TargetError> {
        Ok(self.engine.has_image(&pinned(image, digest)).await?)
    }

    /// Fetches the image from its registry, with the login of its host.
    ///
    /// # Errors
    /// When the engine or the registry fails, or nothing arrives for five minutes.
    pub async fn pull(&self, image: &str, digest: &str) -> Result<(), TargetError> {
        Ok(self.engine.pull(&pinned(image, digest), engine_login(image, &self.registries)).await?)
    }
}
