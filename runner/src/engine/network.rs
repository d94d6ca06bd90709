//! Networks that outlive what is in them.

use bollard::models::NetworkCreateRequest;

use super::{Engine, EngineError};

impl Engine {
    /// Makes this network unless one of its name is there; the driver of the one that was.
    ///
    /// # Errors
    /// When the engine fails, such as when it has no address range left.
    pub(crate) async fn ensure_network(&self, request: NetworkCreateRequest) -> Result<Option<String>, EngineError> {
        let name = request.name.clone();
        match self.inspect_network(&name, None).await {
            Ok(found) => return Ok(Some(found.driver.unwrap_or_default())),
            Err(failure) => {
                let error = self.error(format!("inspect the network {name}"), &failure);
                if !error.is_not_found() {
                    return Err(error);
                }
            }
        }
        match self.create_network(request).await {
            Ok(_) => Ok(None),
            Err(failure) => {
                let error = self.error(format!("create the network {name}"), &failure);
                if error.is_conflict() { Ok(None) } else { Err(error) }
            }
        }
    }
}
