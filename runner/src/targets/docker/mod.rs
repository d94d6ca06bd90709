//! One Docker engine as the host of environments.
//!
//! Containers are converged by name: what is there under the right name and labels is taken as it is, and only what is
//! missing is made. Running the same work again after a crash therefore ends in the same state.

mod alteration;
mod command;
mod container;
mod ending;
mod hands;
mod images;
mod instance;
mod labels;
mod names;
mod telling;
mod vitals;

use std::time::Duration;

use bollard::{
    models::{ContainerUpdateBody, NetworkCreateRequest, RestartPolicyNameEnum},
    query_parameters::{
        CreateContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
        StartContainerOptions, StopContainerOptionsBuilder,
    },
};

pub use command::{CommandState, Moment, ReleaseCommand};
pub use container::Replica;
pub use ending::runs;
pub use instance::{Instance, InstanceState};
pub use labels::{APP, COMMAND, ENVIRONMENT, PORT, RELEASE, REPLICA};
pub use names::EnvironmentNames;
pub use vitals::{Resident, Vitals, residents, vitals};

pub(crate) use container::{bounded_log, health_command, nano_cpus, variables};
pub(crate) use ending::last_lines;
pub(crate) use labels::of_environment;

use crate::{
    coordinator::{RegistryCredential, ReleasedApp, SecretValue},
    engine::{Engine, EngineError, labels as kinds},
};

/// The longest grace that one stop call carries: the engine answers it only when the container has stopped, and our line to it
/// does not wait for ever.
const LONGEST_GRACE: Duration = Duration::from_secs(100);
/// How often a container is looked at again when it changes under our hands.
const CONVERGE_TRIES: u32 = 4;

/// Whose objects are touched: everything made carries these, and nothing else is ever changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The runner's id.
    pub runner: String,
    /// The environment's id.
    pub environment: String,
    /// How its objects are called.
    pub names: EnvironmentNames,
}

/// An environment on one engine.
#[derive(Debug, Clone)]
pub struct DockerTarget {
    engine: Engine,
    placement: Placement,
    registries: Vec<RegistryCredential>,
    secrets: Vec<SecretValue>,
}

/// Why the engine's state could not be brought to what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Somebody else's container or service has the name.
    #[error("something named {name} is there that this release did not make. Remove or rename it, and release again")]
    Foreign {
        /// The name.
        name: String,
    },
    /// A container cannot be made, because a secret of it is not set any more.
    #[error("{name} needs the secret {secret}, which is not set")]
    NoSecret {
        /// The container's or service's name.
        name: String,
        /// The secret's name.
        secret: String,
    },
    /// A container cannot be told its secrets.
    #[error("the container {name} cannot be told its secrets: {why}")]
    Untold {
        /// The container's name.
        name: String,
        /// Why not, and what helps.
        why: String,
    },
    /// A container or service does not stay as it was put.
    #[error("{name} keeps changing under Slipway's hands: it is {state}. See what else manages it")]
    Unstable {
        /// The container's or service's name.
        name: String,
        /// The state that it was last found in.
        state: String,
    },
    /// The engine is no manager of a Swarm.
    #[error(
        "the Docker engine at {address} is no manager of a Swarm: make it one with `docker swarm init` or `docker node promote`, or have a runner beside a manager host the environment"
    )]
    NoManager {
        /// Where the engine is.
        address: String,
    },
    /// A network of one node alone has the name of the Swarm's.
    #[error("a network named {name} is there that does not reach over the Swarm's nodes. Remove it, and release again")]
    OtherNetwork {
        /// The network's name.
        name: String,
    },
}

/// What needs a secret that is not set must not be made.
pub(crate) fn check_secrets(secrets: &[SecretValue], name: &str, app: &ReleasedApp) -> Result<(), TargetError> {
    match app.missing_secrets(secrets).next() {
        Some(secret) => Err(TargetError::NoSecret { name: name.to_owned(), secret: secret.clone() }),
        None => Ok(()),
    }
}

impl DockerTarget {
    /// The environment on this engine; its containers find those of the secrets that they name in their variables.
    #[must_use]
    pub fn new(
        engine: Engine,
        placement: Placement,
        registries: Vec<RegistryCredential>,
        secrets: Vec<SecretValue>,
    ) -> Self {
        DockerTarget { engine, placement, registries, secrets }
    }

    /// How the environment's objects are called.
    #[must_use]
    pub fn names(&self) -> &EnvironmentNames {
        &self.placement.names
    }

    /// Whether the container says that it is one of this environment's.
    #[must_use]
    pub fn is_of_environment(&self, instance: &Instance) -> bool {
        let says = |key: &str, value: &str| instance.labels.get(key).is_some_and(|found| found == value);
        says(kinds::KIND, kinds::KIND_RELEASE) && says(ENVIRONMENT, &self.placement.environment)
    }

    /// Whether the container was made by this runner, whatever release it belongs to.
    #[must_use]
    pub fn is_own(&self, instance: &Instance) -> bool {
        instance.labels.get(kinds::RUNNER) == Some(&self.placement.runner)
    }

    /// Makes the environment's network unless it is there.
    ///
    /// # Errors
    /// When the engine fails, such as when it has no address range left.
    pub async fn ensure_network(&self) -> Result<(), TargetError> {
        let request = NetworkCreateRequest {
            name: self.names().network(),
            labels: Some(labels::of_environment(&self.placement.runner, &self.placement.environment)),
            ..NetworkCreateRequest::default()
        };
        self.engine.ensure_network(request).await?;
        Ok(())
    }

    /// Every container of the environment, whichever release made it and whether or not it runs, in a stable order.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn instances(&self) -> Result<Vec<Instance>, TargetError> {
        let filters = kinds::filter(&[(kinds::KIND, kinds::KIND_RELEASE), (ENVIRONMENT, &self.placement.environment)]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let listed = self.engine.list_containers(Some(options)).await;
        let listed = listed.map_err(|failure| self.engine.error("list the environment's containers", &failure))?;
        let network = self.names().network();
        let mut found: Vec<Instance> =
            listed.into_iter().filter_map(|summary| Instance::from_summary(summary, &network)).collect();
        found.sort_by(|a, b| (&a.app, &a.release, a.replica).cmp(&(&b.app, &b.release, b.replica)));
        Ok(found)
    }

    /// Brings a replica's container to run: makes it, starts it, or takes it as it is. One that was just started may
    /// have ended again when this returns; whether it stays is for its health check to say.
    ///
    /// # Errors
    /// When the engine fails, or the name belongs to somebody else's container.
    pub async fn ensure_running(&self, replica: Replica<'_>) -> Result<Instance, TargetError> {
        let name = self.container_name(replica);
        let mut seen = "missing".to_owned();
        for _ in 0..CONVERGE_TRIES {
            let Some(instance) = self.find(&name).await? else {
                self.create(&name, replica).await?;
                continue;
            };
            if !self.is_ours(&instance, replica) {
                return Err(TargetError::Foreign { name });
            }
            seen = instance.state.to_string();
            match instance.state {
                InstanceState::Running => return Ok(instance),
                InstanceState::Startable | InstanceState::Coming => {
                    self.start(&name, replica.app).await?;
                    if let Some(started) = self.find(&name).await? {
                        return Ok(started);
                    }
                }
                InstanceState::Paused => self.unpause(&name).await?,
                InstanceState::Broken => self.remove(&name).await?,
            }
        }
        Err(TargetError::Unstable { name, state: seen })
    }

    /// Lets the engine start the container again whenever it ends or the machine restarts, until it is stopped.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn keep_running(&self, name: &str) -> Result<(), TargetError> {
        let policy = container::restart_policy(RestartPolicyNameEnum::UNLESS_STOPPED);
        let update = ContainerUpdateBody { restart_policy: Some(policy), ..ContainerUpdateBody::default() };
        let updated = self.engine.update_container(name, update).await;
        Ok(updated.map_err(|failure| self.engine.error(format!("set the restart policy of {name}"), &failure))?)
    }

    /// Stops a container with its own signal, and by force when the grace is over. It stays stopped, also over a
    /// restart of the machine; one that is gone or stopped already is fine.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn stop(&self, name: &str, grace: Duration) -> Result<(), TargetError> {
        let mut grace = grace;
        if grace > LONGEST_GRACE {
            self.ask_to_end(name, grace).await?;
            grace = Duration::ZERO;
        }
        let seconds = grace.as_millis().div_ceil(1_000);
        let options = StopContainerOptionsBuilder::default().t(i32::try_from(seconds).unwrap_or(i32::MAX)).build();
        self.settled(self.engine.stop_container(name, Some(options)).await, "stop", name)
    }

    /// Removes a container by force, with its anonymous volumes; one that is gone already is fine.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn remove(&self, name: &str) -> Result<(), TargetError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.engine.remove_container(name, Some(options)).await {
            // Its removal has begun already.
            Err(failure) if self.engine.error("", &failure).is_conflict() => Ok(()),
            outcome => self.settled(outcome, "remove", name),
        }
    }

    /// The name of a replica's container.
    #[must_use]
    pub fn container_name(&self, replica: Replica<'_>) -> String {
        self.names().container(&replica.app.app, replica.release.number, replica.number)
    }

    /// The container as it stands now; none if there is none.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn find(&self, name: &str) -> Result<Option<Instance>, TargetError> {
        match self.engine.inspect_container(name, None).await {
            Ok(found) => Ok(Some(Instance::from_inspection(name, found, &self.names().network()))),
            Err(failure) => {
                let error = self.engine.error(format!("inspect the container {name}"), &failure);
                if error.is_not_found() { Ok(None) } else { Err(error.into()) }
            }
        }
    }

    /// Whether it carries all that this replica's container does.
    #[must_use]
    pub fn is_ours(&self, instance: &Instance, replica: Replica<'_>) -> bool {
        let wanted = self.placement.labels(replica);
        // The runner's id may change when a machine is set up again; what the container runs may not.
        [ENVIRONMENT, RELEASE, APP, REPLICA].iter().all(|key| instance.labels.get(*key) == wanted.get(*key))
    }

    async fn create(&self, name: &str, replica: Replica<'_>) -> Result<(), TargetError> {
        check_secrets(&self.secrets, name, replica.app)?;
        match self.try_create(name, replica).await {
            // Somebody was faster: the next look decides whether it is ours.
            Err(TargetError::Engine(error)) if error.is_conflict() => Ok(()),
            Err(TargetError::Engine(error)) if error.is_not_found() => {
                self.pull(&replica.app.image, &replica.app.digest).await?;
                self.try_create(name, replica).await
            }
            created => created,
        }
    }

    async fn try_create(&self, name: &str, replica: Replica<'_>) -> Result<(), TargetError> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let body = self.waiting(name, self.placement.container(replica), replica.app).await?;
        let created = self.engine.create_container(Some(options), body).await;
        Ok(created.map(drop).map_err(|failure| self.engine.error(format!("create the container {name}"), &failure))?)
    }

    /// Starts a container of this app, which is told its secrets before it runs for the first time.
    async fn start(&self, name: &str, app: &ReleasedApp) -> Result<(), TargetError> {
        self.tell(name, app).await?;
        let started = self.engine.start_container(name, None::<StartContainerOptions>).await;
        Ok(started.map_err(|failure| self.engine.error(format!("start the container {name}"), &failure))?)
    }

    async fn unpause(&self, name: &str) -> Result<(), TargetError> {
        let resumed = self.engine.unpause_container(name).await;
        Ok(resumed.map_err(|failure| self.engine.error(format!("resume the container {name}"), &failure))?)
    }

    fn settled(&self, outcome: Result<(), bollard::errors::Error>, verb: &str, name: &str) -> Result<(), TargetError> {
        let Err(failure) = outcome else { return Ok(()) };
        let error = self.engine.error(format!("{verb} the container {name}"), &failure);
        if error.is_not_found() { Ok(()) } else { Err(error.into()) }
    }
}
