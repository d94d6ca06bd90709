//! Bearing with a registry that fails for a moment.

use std::time::Duration;

use super::ImageError;
use crate::reporter::StepLog;

/// The pauses between the tries. Most outages of a registry are its restart, or a limit on the requests of one moment.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

/// Counts the tries of one push. What was sent before is in the registry: a further try sends only what is missing.
#[derive(Debug, Default)]
pub(super) struct Outage {
    tries: usize,
}

impl Outage {
    /// Waits until the next try, and tells the log of it.
    ///
    /// # Errors
    /// With what went wrong, when it does not pass by itself or was borne with often enough.
    pub(super) async fn bear(&mut self, error: ImageError, log: &StepLog) -> Result<(), ImageError> {
        let Some(pause) = PAUSES.get(self.tries).filter(|_| error.may_pass()) else { return Err(error) };
        self.tries += 1;
        log.say(format!("{error}; trying again in {} s", pause.as_secs())).await;
        tokio::time::sleep(*pause).await;
        Ok(())
    }
}
