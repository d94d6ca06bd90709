//! Waiting for something at the server, over its restarts.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::{Client, ClientError, Failure};

/// How often what is waited for is asked after.
const EVERY: Duration = Duration::from_millis(500);
/// How long a server may be away, such as for an upgrade.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

impl Client {
    /// Asks for what is at `path` below `/api/v1/` again and again until `is_so`, and answers with it. A server that is away
    /// meanwhile is waited for.
    ///
    /// # Errors
    /// What `is_so` fails with; or when the server refuses, or stays away.
    pub(super) async fn until(
        &self,
        path: &[&str],
        mut is_so: impl FnMut(&Value) -> Result<bool, Failure>,
    ) -> Result<Value, Failure> {
        let mut away: Option<Instant> = None;
        loop {
            match self.call(Method::GET, path, None::<&Value>).await {
                Ok(found) => {
                    away = None;
                    if is_so(&found)? {
                        return Ok(found);
                    }
                }
                Err(error) if is_away(&error) => {
                    if away.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                        return Err(error.into());
                    }
                    tracing::debug!(%error, "the server is away; waiting for it");
                }
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// Whether the server, or what stands before it, may answer otherwise in a while.
fn is_away(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } => true,
        ClientError::Refused { status, .. } => matches!(status, 502..=504),
        ClientError::NoToken(_) | ClientError::EmptyToken(_) | ClientError::Foreign { .. } => false,
    }
}
