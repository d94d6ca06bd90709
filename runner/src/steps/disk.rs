//! What a build takes of its runner's disk while its commands run: its checkout, and what its containers write beside it.

use std::{future::pending, sync::Arc, time::Duration};

use bollard::query_parameters::ListContainersOptionsBuilder;
use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Site, StepError};
use crate::{
    engine::{EngineError, labels},
    workspace::WorkspaceError,
};

/// How long a build runs commands until the disk is measured, and how long until it is measured again.
const PAUSE: Duration = Duration::from_secs(5);
/// Measuring takes at most one part in so many of the time.
const SHARE: u32 = 10;
/// How long the engine may measure.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was measured last, and when to measure again: the same for all commands of a build, however short each is.
#[derive(Debug)]
pub(super) struct DiskUse(Arc<Mutex<Measured>>);

#[derive(Debug, Clone, Copy)]
struct Measured {
    bytes: u64,
    due: Instant,
}

impl Default for DiskUse {
    fn default() -> Self {
        DiskUse(Arc::new(Mutex::new(Measured { bytes: 0, due: Instant::now() + PAUSE })))
    }
}

impl Site {
    /// Whether the build takes no more of the disk than it may; measured where that is due.
    ///
    /// # Errors
    /// [`StepError::TooLarge`] where it does.
    pub(crate) async fn check_disk(&self) -> Result<(), StepError> {
        let Some(limit) = self.limits.disk else { return Ok(()) };
        self.measured(limit).await.map(drop)
    }

    /// Waits until the build takes more of the disk than it may.
    pub(crate) async fn disk_exceeded(&self) -> StepError {
        let Some(limit) = self.limits.disk else { return pending().await };
        loop {
            match self.measured(limit).await {
                Ok(measured) => tokio::time::sleep_until(measured.due).await,
                Err(error) => return error,
            }
        }
    }

    /// What was measured, unless it is too much. What cannot be measured now is measured again later.
    async fn measured(&self, limit: u64) -> Result<Measured, StepError> {
        let mut last = Arc::clone(&self.disk.0).lock_owned().await;
        let begun = Instant::now();
        if begun < last.due {
            return Ok(*last);
        }
        // Whoever waits for this may be dropped; then the walk ends, and nobody begins another beside it.
        let (workspace, stop) = (self.workspace.clone(), CancellationToken::new());
        let _stopping = stop.clone().drop_guard();
        let walk = tokio::task::spawn_blocking(move || {
            let tree = workspace.weight(limit, &stop);
            last.due = Instant::now() + PAUSE.max(begun.elapsed() * SHARE);
            (tree, last)
        });
        let Ok((tree, mut last)) = walk.await else {
            return Err(StepError::Other("measuring the checkout was broken off".to_owned()));
        };
        let tree = match tree {
            Err(error @ WorkspaceError::TooDeep { .. }) => return Err(error.into()),
            Err(error) => {
                tracing::debug!(%error, "a checkout could not be measured");
                return Ok(*last);
            }
            Ok(tree) => tree,
        };
        // Above the limit it does not matter by how much.
        let beside = if tree > limit { Ok(0) } else { self.written_in_containers().await };
        last.bytes = tree.saturating_add(beside.unwrap_or_else(|error| {
            tracing::debug!(%error, "what containers wrote could not be measured");
            0
        }));
        last.due = Instant::now() + PAUSE.max(begun.elapsed() * SHARE);
        if last.bytes > limit { Err(StepError::TooLarge { limit }) } else { Ok(*last) }
    }

    /// What the build's containers have written into themselves, in bytes: those of its steps, of its services, and those
    /// that steps made with an engine of their own.
    async fn written_in_containers(&self) -> Result<u64, EngineError> {
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
