//! Handing secrets to a container whose description holds none of them.
//!
//! Its first process is the program that the runner brings along (see [`inside`](crate::inside)). That waits until it is
//! told the values on its standard input, and then becomes what the container is for.

use std::time::Duration;

use bollard::query_parameters::AttachContainerOptionsBuilder;
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

use super::{Blueprint, Site, StepError, container::ContainerGuard, mounts::bind};
use crate::{engine::EngineError, inside};

/// How long it may take until a container has taken its secrets.
const LIMIT: Duration = Duration::from_secs(30);

/// The names and values of what only one container's processes may know.
pub(super) type Secrets = [(String, String)];

/// The words that have something begin once its variables are told.
pub(super) fn begun_by_program(words: &[String]) -> Vec<String> {
    [inside::PLACE, inside::EXEC].into_iter().map(str::to_owned).chain(words.iter().cloned()).collect()
}

impl Site {
    /// What a container is made of whose first process waits to be told its secrets; without secrets, as it was.
    pub(super) async fn waiting(&self, mut blueprint: Blueprint, secrets: &Secrets) -> Result<Blueprint, StepError> {
        if secrets.is_empty() {
            return Ok(blueprint);
        }
        let image = &blueprint.image;
        let found = self.engine.inspect_image(image).await;
        let found = found.map_err(|error| self.engine.error(format!("inspect the image {image}"), &error))?;
        let config = found.config.unwrap_or_default();
        let words = inside::words(blueprint.entrypoint.take(), blueprint.command.take(), config);
        if words.is_empty() {
            return Err(StepError::Other(format!("the image {image} says no command, and neither does the step")));
        }
        let program = self.inside.path().map_err(|error| {
            StepError::Other(format!("the program that begins containers with secrets cannot be written: {error}"))
        })?;
        let mut words = begun_by_program(&words);
        blueprint.command = Some(words.split_off(1));
        blueprint.entrypoint = Some(words);
        blueprint.mounts.push(bind(program.display().to_string(), inside::PLACE, true));
        blueprint.has_input = true;
        Ok(blueprint)
    }

    /// Makes a container that waits to be told its secrets, or one as it was without any.
    pub(super) async fn create_waiting(
        &self,
        blueprint: Blueprint,
        secrets: &Secrets,
    ) -> Result<ContainerGuard, StepError> {
        let created = self.create(self.waiting(blueprint, secrets).await?).await;
        created.map_err(|error| self.explained(error, secrets))
    }

    /// What an engine says that cannot begin the program, with what must hold.
    pub(super) fn explained(&self, error: StepError, secrets: &Secrets) -> StepError {
        match error {
            StepError::Engine(EngineError::Refused { .. }) if !secrets.is_empty() => StepError::Other(format!(
                "{error}. A container with secrets begins with a program in {}: the engine must be on this machine, see \
                 that folder, and be able to execute what is in it (not mounted noexec)",
                self.inside.folder().display()
            )),
            error => error,
        }
    }

    /// Tells a container that was started its secrets.
    pub(super) async fn hand_over(&self, container: &ContainerGuard, secrets: &Secrets) -> Result<(), StepError> {
        if secrets.is_empty() {
            return Ok(());
        }
        // Not while the container is frozen, which the engine would refuse.
        let _beginning = self.stillness.start().await;
        self.hand_over_at_once(container, secrets).await
    }

    /// The same for whoever keeps the build still.
    pub(super) async fn hand_over_at_once(
        &self,
        container: &ContainerGuard,
        secrets: &Secrets,
    ) -> Result<(), StepError> {
        if secrets.is_empty() {
            return Ok(());
        }
        let told = inside::told(secrets).map_err(StepError::Other)?;
        let handing = async {
            let options = AttachContainerOptionsBuilder::default().stream(true).stdin(true).build();
            let attached = self.engine.attach_container(container.id(), Some(options)).await;
            let mut attached = attached.map_err(|error| self.engine.error("attach to the container", &error))?;
            let written = async {
                attached.input.write_all(told.as_bytes()).await?;
                attached.input.shutdown().await
            };
            written.await.map_err(|error| failed(&error.to_string()))?;
            // The engine hangs up when it has passed all of it on. The container's input stays open.
            while let Some(part) = attached.output.next().await {
                part.map_err(|error| self.engine.error("hand the secrets to the container", &error))?;
            }
            Ok(())
        };
        let handed = tokio::time::timeout(LIMIT, handing).await.unwrap_or_else(|_| Err(failed("it takes too long")));
        match handed {
            // What has ended took them, or ended for a reason of its own, which its exit code tells.
            Err(_) if !self.runs(container).await => Ok(()),
            handed => handed,
        }
    }

    /// Whether a container runs still, as far as the engine says.
    async fn runs(&self, container: &ContainerGuard) -> bool {
        let found = self.engine.inspect_container(container.id(), None).await.ok();
        found.and_then(|found| found.state?.running).unwrap_or(true)
    }

    /// Tells the same to a container that an earlier life of the runner has started, and perhaps told. What has begun reads
    /// it no more, so that it may well not be taken.
    pub(super) async fn hand_over_again(&self, container: &ContainerGuard, secrets: &Secrets) {
        if let Err(error) = self.hand_over(container, secrets).await {
            tracing::warn!(%error, "a container did not take its secrets once more, and may wait for them");
        }
    }
}

fn failed(why: &str) -> StepError {
    StepError::Other(format!("the secrets could not be handed to the container: {why}"))
}
