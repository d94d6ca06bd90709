//! Holding a build still while the engine mounts a part of its workspace.
//!
//! The engine finds what it mounts by its path, and follows links on the way. Between the check that a path holds none
//! and the mount, a process of the build could put one there that leads to the host; so none may run meanwhile.

use std::time::Duration;

use tokio::sync::RwLockReadGuard;

use super::{Site, StepError, container::ContainerGuard};
use crate::engine::scoped_socket::freeze;

/// How long a step that is broken off waits for its container's end.
const END_LIMIT: Duration = Duration::from_secs(15);

impl Site {
    /// Does something while no process of the build runs: commands are waited for, and what they left running in the
    /// background, or started through a socket of their own, is frozen. What is done may start a container only by
    /// [`Site::start_at_once`]. Returns with the right to run, so that nothing comes in between.
    pub(super) async fn in_stillness<T>(
        &self,
        doing: impl Future<Output = Result<T, StepError>>,
    ) -> Result<(T, RwLockReadGuard<'_, ()>), StepError> {
        let alone = self.calm.write().await;
        let _freezing = self.stillness.freezing().await;
        let _still = self.stillness.still().await;
        let (frozen, failed) = freeze(&self.engine, &self.origin).await;
        let done = match failed {
            Some(error) => Err(error.into()),
            None => doing.await,
        };
        let mut thawed = Ok(());
        for id in &frozen {
            thawed = thawed.and(self.thaw(id).await);
        }
        let done = done?;
        thawed?;
        Ok((done, alone.downgrade()))
    }

    /// Ends a container whose step was broken off, before anything else may happen to the workspace.
    pub(super) async fn end_at_once(&self, container: &ContainerGuard) {
        // The container's guard goes on trying where the engine is away.
        let _ = tokio::time::timeout(END_LIMIT, self.leftovers.remove_container(&self.engine, container.id())).await;
    }

    pub(super) async fn thaw(&self, id: &str) -> Result<(), StepError> {
        let resumed = self.engine.unpause_container(id).await;
        match resumed.map_err(|error| self.engine.error("resume the container", &error)) {
            Err(error) if !error.is_conflict() && !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }
}
