//! What a build takes of its runner's disk while its commands run: its checkout, and what its containers write beside it.

use std::{future::pending, time::Duration};

use bollard::query_parameters::ListContainersOptionsBuilder;
use tokio::{sync::Mutex, time::Instant};

use super::{Site, StepError};
use crate::engine::{EngineError, labels};

/// How long a command runs until the disk is measured, and how long until it is measured again.
const PAUSE: Duration = Duration::from_secs(5);
/// Measuring takes at most one part in so many of the time.
const SHARE: u32 = 10;
/// How long the engine may measure.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was measured last, and when: commands that run at once are measured together.
#[derive(Debug, Default)]
pub(super) struct DiskUse(Mutex<Option<(Instant, u64)>>);

impl Site {
    /// Waits until the build takes more of the disk than it may. An engine that cannot measure is asked again later.
    pub(crate) async fn disk_exceeded(&self) -> StepError {
        let Some(limit) = self.limits.disk else { return pending().await };
        let mut pause = PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            let begun = Instant::now();
            match self.disk_use(limit).await {
                Ok(bytes) if bytes > limit => return StepError::TooLarge { limit },
                Err(error @ StepError::Workspace(_)) => return error,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "what a build takes of the disk could not be measured"),
            }
            pause = PAUSE.max(begun.elapsed() * SHARE);
        }
    }

    async fn disk_use(&self, limit: u64) -> Result<u64, StepError> {
        let mut last = self.disk.0.lock().await;
        if let Some((at, bytes)) = *last
            && at.elapsed() < PAUSE
        {
            return Ok(bytes);
        }
        let workspace = self.workspace.clone();
        let weighed = tokio::task::spawn_blocking(move || workspace.weight(limit)).await;
        let tree = weighed.map_err(|error| StepError::Other(format!("measuring the checkout ended: {error}")))??;
        // Above the limit it does not matter by how much.
        let bytes = if tree > limit { tree } else { tree.saturating_add(self.written_in_containers().await?) };
        *last = Some((Instant::now(), bytes));
        Ok(bytes)
    }

    /// What the build's containers have written into themselves, in bytes: those of its steps, of its services, and those
    /// that steps made with an engine of their own.
    async fn written_in_containers(&self) -> Result<u64, StepError> {
        let doing = "measure the build's containers";
        let filter = labels::filter(&[(labels::RUNNER, &self.origin.runner), (labels::JOB, &self.origin.job)]);
        let options = ListContainersOptionsBuilder::default().all(true).size(true).filters(&filter).build();
        let listed = tokio::time::timeout(PATIENCE, self.engine.list_containers(Some(options))).await;
        let listed = listed.map_err(|_| EngineError::Unreachable {
            address: self.engine.address().to_owned(),
            cause: format!("it was still measuring the build's containers after {} s", PATIENCE.as_secs()),
        })?;
        let listed = listed.map_err(|error| self.engine.error(doing, &error))?;
        let sizes = listed.into_iter().filter_map(|container| u64::try_from(container.size_rw?).ok());
        Ok(sizes.fold(0, u64::saturating_add))
    }
}
