//! The kinds of engines that host environments, and what the rollouts and the reconciler ask of either.

pub mod docker;
mod recent;
pub mod swarm;

use std::time::Duration;

use bollard::models::{ContainerState, ContainerStateStatusEnum};
use futures_util::future::join_all;
use slipway_pipelines::config::TargetKind;

use crate::{
    coordinator::{ContainerLog, LogStream, RegistryCredential, SecretValue},
    engine::Engine,
};
use docker::{DockerTarget, EnvironmentNames, Instance, Placement, Replica, TargetError, Vitals};
pub(crate) use recent::Window;
use swarm::SwarmTarget;

/// An environment on an engine of one kind.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// One engine: a replica is a container.
    Docker(DockerTarget),
    /// A Swarm: a replica is a slot of a service.
    Swarm(SwarmTarget),
}

/// How a replica ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With this exit code.
    Exit(i64),
    /// The engine did not run it, or ended it, and says why.
    Refused(String),
}

impl Target {
    /// The environment on an engine of this kind.
    pub(crate) fn new(
        kind: TargetKind,
        engine: Engine,
        placement: Placement,
        registries: Vec<RegistryCredential>,
        secrets: Vec<SecretValue>,
    ) -> Self {
        match kind {
            TargetKind::Docker => Target::Docker(DockerTarget::new(engine, placement, registries, secrets)),
            TargetKind::Swarm => Target::Swarm(SwarmTarget::new(engine, placement, registries, secrets)),
        }
    }

    /// The Swarm, where it is one: it says itself which replicas end, fetches images on its nodes, and puts right what
    /// does not run.
    pub(crate) fn as_swarm(&self) -> Option<&SwarmTarget> {
        match self {
            Target::Docker(_) => None,
            Target::Swarm(swarm) => Some(swarm),
        }
    }

    /// The engine that commands of releases run on: of a Swarm this manager's own, in the network that reaches over all
    /// nodes.
    pub(crate) fn for_commands(&self) -> DockerTarget {
        match self {
            Target::Docker(docker) => docker.clone(),
            Target::Swarm(swarm) => swarm.own_engine(),
        }
    }

    /// How the environment's objects are called.
    pub(crate) fn names(&self) -> &EnvironmentNames {
        match self {
            Target::Docker(docker) => docker.names(),
            Target::Swarm(swarm) => swarm.names(),
        }
    }

    /// Whether the instance says that it is one of this environment's.
    pub(crate) fn is_of_environment(&self, instance: &Instance) -> bool {
        match self {
            Target::Docker(docker) => docker.is_of_environment(instance),
            Target::Swarm(swarm) => swarm.is_of_environment(instance),
        }
    }

    /// Whether it was made by this runner, whatever release it belongs to.
    pub(crate) fn is_own(&self, instance: &Instance) -> bool {
        match self {
            Target::Docker(docker) => docker.is_own(instance),
            Target::Swarm(swarm) => swarm.is_own(instance),
        }
    }

    /// Whether it carries all that this replica does.
    pub(crate) fn is_ours(&self, instance: &Instance, replica: Replica<'_>) -> bool {
        match self {
            Target::Docker(docker) => docker.is_ours(instance, replica),
            Target::Swarm(swarm) => swarm.is_ours(instance, replica),
        }
    }

    /// The name of a replica.
    pub(crate) fn replica_name(&self, replica: Replica<'_>) -> String {
        match self {
            Target::Docker(docker) => docker.container_name(replica),
            Target::Swarm(swarm) => swarm.replica_name(replica),
        }
    }

    /// Makes the environment's network unless it is there.
    pub(crate) async fn ensure_network(&self) -> Result<(), TargetError> {
        match self {
            Target::Docker(docker) => Box::pin(docker.ensure_network()).await,
            Target::Swarm(swarm) => Box::pin(swarm.ensure_network()).await,
        }
    }

    /// Every replica of the environment, whichever release has it and whether or not it runs, in a stable order.
    pub(crate) async fn instances(&self) -> Result<Vec<Instance>, TargetError> {
        match self {
            Target::Docker(docker) => Box::pin(docker.instances()).await,
            Target::Swarm(swarm) => Box::pin(swarm.instances()).await,
        }
    }

    /// The replica as it stands now; none if there is none.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Instance>, TargetError> {
        match self {
            Target::Docker(docker) => Box::pin(docker.find(name)).await,
            Target::Swarm(swarm) => Box::pin(swarm.find(name)).await,
        }
    }

    /// Brings a replica to run, or has it brought there; whether it does and stays so is for its health check to say.
    pub(crate) async fn ensure_running(&self, replica: Replica<'_>) -> Result<Instance, TargetError> {
        match self {
            Target::Docker(docker) => Box::pin(docker.ensure_running(replica)).await,
            Target::Swarm(swarm) => Box::pin(swarm.ensure_running(replica)).await,
        }
    }

    /// Has the replica started again whenever it ends, which a Swarm does from the beginning.
    pub(crate) async fn keep_running(&self, name: &str) -> Result<(), TargetError> {
        match self {
            Target::Docker(docker) => Box::pin(docker.keep_running(name)).await,
            Target::Swarm(_) => Ok(()),
        }
    }

    /// Stops replicas side by side; each may end in its own time within the grace.
    pub(crate) async fn stop_all(&self, leaving: &[Instance], grace: Duration) -> Result<(), TargetError> {
        match self {
            Target::Docker(docker) => {
                let stops = leaving.iter().map(|instance| docker.stop(&instance.name, grace));
                join_all(stops).await.into_iter().collect()
            }
            Target::Swarm(swarm) => {
                Box::pin(swarm.scale_down(leaving)).await?;
                Box::pin(swarm.wait_until_ended(leaving, grace)).await
            }
        }
    }

    /// Removes replicas side by side; of a Swarm whole services, so that all of a release's replicas of an app are meant.
    pub(crate) async fn remove_all(&self, leaving: &[Instance]) -> Result<(), TargetError> {
        match self {
            Target::Docker(docker) => {
                let removals = leaving.iter().map(|instance| docker.remove(&instance.name));
                join_all(removals).await.into_iter().collect()
            }
            Target::Swarm(swarm) => Box::pin(swarm.remove_all(leaving)).await,
        }
    }

    /// Whether the replica's image is still being fetched: on a Swarm that is a node's to do, before it starts a task.
    pub(crate) async fn is_fetching(&self, name: &str) -> Result<bool, TargetError> {
        match self {
            Target::Docker(_) => Ok(false),
            Target::Swarm(swarm) => Box::pin(swarm.is_fetching(name)).await,
        }
    }

    /// Waits until the replica ends by itself, and tells how; at once if it has.
    pub(crate) async fn ending(&self, name: &str) -> Result<Ending, TargetError> {
        match self {
            Target::Docker(docker) => Box::pin(docker.exit_code(name)).await.map(Ending::Exit),
            Target::Swarm(swarm) => Box::pin(swarm.ending(name)).await,
        }
    }

    /// How long the replica's task runs by now, as far as that was seen; a container of one engine runs since it was started.
    pub(crate) async fn ran(&self, name: &str) -> Result<Duration, TargetError> {
        match self {
            Target::Docker(_) => Ok(Duration::MAX),
            Target::Swarm(swarm) => Box::pin(swarm.ran(name)).await,
        }
    }

    /// What the engine says of the replica's state; none if it is gone. Swarm calls a task running once its image's
    /// HEALTHCHECK has passed.
    pub(crate) async fn state(&self, name: &str) -> Result<Option<ContainerState>, TargetError> {
        match self {
            Target::Docker(docker) => Box::pin(docker.state(name)).await,
            Target::Swarm(swarm) => Ok(Box::pin(swarm.find(name)).await?.map(|instance| ContainerState {
                status: instance.is_running().then_some(ContainerStateStatusEnum::RUNNING),
                error: instance.waits,
                ..ContainerState::default()
            })),
        }
    }

    /// How the replica is doing now; none if it is gone.
    pub(crate) async fn vitals(&self, name: &str) -> Result<Option<Vitals>, TargetError> {
        match self {
            Target::Docker(docker) => Box::pin(docker.vitals(name)).await,
            Target::Swarm(swarm) => Box::pin(swarm.vitals(name)).await,
        }
    }

    /// The last lines that the replica wrote; as many as could be had.
    pub(crate) async fn last_lines(&self, name: &str, count: usize) -> Vec<(LogStream, String)> {
        match self {
            Target::Docker(docker) => Box::pin(docker.last_lines(name, count)).await,
            Target::Swarm(swarm) => Box::pin(swarm.last_lines(name, count)).await,
        }
    }

    /// The lines of a window that the replica wrote, on whichever node.
    pub(crate) async fn recent_log(&self, instance: &Instance, window: Window) -> Result<ContainerLog, TargetError> {
        match self {
            Target::Docker(docker) => Box::pin(docker.recent_log(instance, window)).await,
            Target::Swarm(swarm) => Box::pin(swarm.recent_log(instance, window)).await,
        }
    }

    /// Whether the engine holds exactly this image.
    pub(crate) async fn has_image(&self, image: &str, digest: &str) -> Result<bool, TargetError> {
        match self {
            Target::Docker(docker) => Box::pin(docker.has_image(image, digest)).await,
            Target::Swarm(swarm) => Box::pin(swarm.has_image(image, digest)).await,
        }
    }
}
