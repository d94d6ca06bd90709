//! A Swarm as the host of environments, through the API of one of its managers.
//!
//! Each app of each release is a service of its own, and a replica is a slot of it: rolling scales one service up and
//! the other down, a canary is a service of few tasks, and returning is scaling up what is still there. On which node
//! a task runs, and what becomes of the tasks of a lost node, is Swarm's to decide.

mod likeness;
mod looks;
mod memory;
mod mending;
mod service;
mod tasks;
mod usage;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bollard::{
    models::{NetworkCreateRequest, Service, ServiceSpec},
    query_parameters::{LogsOptionsBuilder, UpdateServiceOptionsBuilder},
};
use tokio::{sync::OnceCell, time::Instant};

use looks::{Looks, Seen};
pub(crate) use mending::Deviation;
use tasks::Slot;

use super::{
    Ending,
    docker::{
        APP, DockerTarget, ENVIRONMENT, EnvironmentNames, Instance, Placement, RELEASE, Replica, TargetError,
        check_secrets, last_lines, of_environment,
    },
};
use crate::{
    coordinator::{ContainerLog, LogStream, RegistryCredential, SecretValue},
    engine::{Engine, EngineError, labels as kinds},
    registry::{engine_login, pinned},
    targets::recent::Window,
};

/// The driver of networks over all nodes.
const OVERLAY: &str = "overlay";

/// How often a service is read again that others change at the same time.
const CONVERGE_TRIES: u32 = 20;
/// How often tasks are looked at that are waited for: Swarm tells of their changes in no other way.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often it is looked whether Swarm has chosen tasks to end: it takes a moment, and requests are on their way to them.
const CHOSEN_SOON: Duration = Duration::from_millis(20);
/// How much longer than its grace a task may take to end.
const END_WITHIN: Duration = Duration::from_secs(15);

/// An environment on a Swarm.
#[derive(Debug, Clone)]
pub struct SwarmTarget {
    engine: Engine,
    placement: Placement,
    registries: Vec<RegistryCredential>,
    secrets: Vec<SecretValue>,
    looks: Arc<Looks>,
    own_node: Arc<OnceCell<String>>,
}

impl SwarmTarget {
    /// The environment on the Swarm that this engine is a manager of.
    #[must_use]
    pub fn new(
        engine: Engine,
        placement: Placement,
        registries: Vec<RegistryCredential>,
        secrets: Vec<SecretValue>,
    ) -> Self {
        SwarmTarget { engine, placement, registries, secrets, looks: Arc::default(), own_node: Arc::default() }
    }

    /// This manager's own engine as the host of single containers in the environment.
    pub(crate) fn own_engine(&self) -> DockerTarget {
        let (registries, secrets) = (self.registries.clone(), self.secrets.clone());
        DockerTarget::new(self.engine.clone(), self.placement.clone(), registries, secrets)
    }

    /// How the environment's objects are called.
    #[must_use]
    pub fn names(&self) -> &EnvironmentNames {
        &self.placement.names
    }

    /// Whether the instance says that it is one of this environment's.
    #[must_use]
    pub fn is_of_environment(&self, instance: &Instance) -> bool {
        instance.says(kinds::KIND, kinds::KIND_RELEASE) && instance.says(ENVIRONMENT, &self.placement.environment)
    }

    /// Whether its service was made by this runner, whatever release it belongs to.
    #[must_use]
    pub fn is_own(&self, instance: &Instance) -> bool {
        instance.says(kinds::RUNNER, &self.placement.runner)
    }

    /// Whether it carries all that this replica's service does.
    #[must_use]
    pub fn is_ours(&self, instance: &Instance, replica: Replica<'_>) -> bool {
        self.is_of_environment(instance)
            && instance.says(RELEASE, &replica.release.release)
            && instance.says(APP, &replica.app.app)
    }

    /// The name of a replica: its service's, and its slot.
    #[must_use]
    pub fn replica_name(&self, replica: Replica<'_>) -> String {
        format!("{}.{}", self.service_name(replica), replica.number)
    }

    /// The name of the service that a replica is a slot of.
    #[must_use]
    pub fn service_name(&self, replica: Replica<'_>) -> String {
        self.names().service(&replica.app.app, replica.release.number)
    }

    /// Checks that the engine is a manager: nobody else may be asked for services.
    ///
    /// # Errors
    /// When it is not, or fails.
    pub async fn check_manager(&self) -> Result<(), TargetError> {
        let info = self.engine.info().await;
        let info = info.map_err(|failure| self.engine.error("tell whether it is in a Swarm", &failure))?;
        if info.swarm.and_then(|swarm| swarm.control_available).unwrap_or(false) {
            return Ok(());
        }
        Err(TargetError::NoManager { address: self.engine.address().to_owned() })
    }

    /// Makes the environment's network, over all nodes, unless it is there.
    ///
    /// # Errors
    /// When the engine fails, or the name is taken by a network of one node alone.
    pub async fn ensure_network(&self) -> Result<(), TargetError> {
        let name = self.names().network();
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some(OVERLAY.to_owned()),
            attachable: Some(true),
            labels: Some(of_environment(&self.placement.runner, &self.placement.environment)),
            ..NetworkCreateRequest::default()
        };
        match self.engine.ensure_network(request).await? {
            Some(driver) if driver != OVERLAY => Err(TargetError::OtherNetwork { name }),
            _ => Ok(()),
        }
    }

    /// Every replica of the environment, whichever release has it and whether or not it runs, in a stable order.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn instances(&self) -> Result<Vec<Instance>, TargetError> {
        Ok(self.look().await?.instances())
    }

    /// The replica as it stands; none if it has no service, or no such slot.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn find(&self, name: &str) -> Result<Option<Instance>, TargetError> {
        let Some((service, _)) = name.rsplit_once('.') else { return Ok(None) };
        let found = match self.seen().await?.instances_of(service) {
            Some(found) => found,
            // Somebody else's may have its name.
            None => match self.service(service).await? {
                Some(other) => other.instances(&self.nodes().await?),
                None => return Ok(None),
            },
        };
        Ok(found.into_iter().find(|instance| instance.name == name))
    }

    /// Has Swarm run a replica: makes the service, or gives it one more task. The task may not run yet when this returns.
    ///
    /// # Errors
    /// When the engine fails, or the name belongs to somebody else's service.
    pub async fn ensure_running(&self, replica: Replica<'_>) -> Result<Instance, TargetError> {
        let name = self.service_name(replica);
        check_secrets(&self.secrets, &name, replica.app)?;
        for _ in 0..CONVERGE_TRIES {
            let Some(seen) = self.service(&name).await? else {
                self.create(&name, replica).await?;
                continue;
            };
            let found = seen.instances(&self.nodes().await?);
            let Some(instance) = found.into_iter().find(|it| it.replica == replica.number) else {
                return Err(TargetError::Foreign { name });
            };
            if !self.is_ours(&instance, replica) {
                return Err(TargetError::Foreign { name });
            }
            let wanted = tasks_needed(tasks_of(&seen.service), &seen.slots, replica.number);
            if wanted == tasks_of(&seen.service) || self.scale(&name, &seen.service, wanted).await? {
                return Ok(instance);
            }
        }
        Err(TargetError::Unstable { name, state: "changed by others again and again".to_owned() })
    }

    /// Lets Swarm take away as many tasks as there are instances here: all of a service, or some that it chooses.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn scale_down(&self, leaving: &[Instance]) -> Result<(), TargetError> {
        for (name, slots_leaving) in by_service(leaving) {
            let mut tries = 0;
            while let Some(Seen { service, slots }) = self.service(&name).await? {
                let stays = |number: &&u32| !slots_leaving.contains(*number);
                let staying = slots.iter().filter(|(_, slot)| slot.wanted().is_some()).map(|(number, _)| number);
                let staying = i64::try_from(staying.filter(stays).count()).unwrap_or(i64::MAX);
                if staying >= tasks_of(&service) || self.scale(&name, &service, staying).await? {
                    self.wait_until_chosen(&name, staying).await?;
                    break;
                }
                tries += 1;
                if tries > CONVERGE_TRIES {
                    let state = "changed by others again and again".to_owned();
                    return Err(TargetError::Unstable { name, state });
                }
            }
        }
        Ok(())
    }

    /// Waits until Swarm has chosen which tasks go on.
    async fn wait_until_chosen(&self, name: &str, staying: i64) -> Result<(), TargetError> {
        let deadline = Instant::now() + END_WITHIN;
        while let Some(Seen { slots, .. }) = self.service(name).await? {
            let wanted = slots.values().filter(|slot| slot.wanted().is_some()).count();
            if i64::try_from(wanted).unwrap_or(i64::MAX) <= staying || Instant::now() > deadline {
                break;
            }
            tokio::time::sleep(CHOSEN_SOON).await;
        }
        Ok(())
    }

    /// Waits until the tasks have ended that Swarm was to take away from these services, as far as it can know.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn wait_until_ended(&self, of: &[Instance], grace: Duration) -> Result<(), TargetError> {
        let deadline = Instant::now() + grace + END_WITHIN;
        for name in by_service(of).into_keys() {
            while let Some(Seen { slots, .. }) = self.service(&name).await? {
                let nodes = self.nodes().await?;
                if !slots.values().any(|slot| slot.is_ending(&nodes)) || Instant::now() > deadline {
                    break;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Removes the services of these instances; those that are gone already are fine.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn remove_all(&self, of: &[Instance]) -> Result<(), TargetError> {
        for name in by_service(of).into_keys() {
            if let Err(failure) = self.engine.delete_service(&name).await {
                let error = self.engine.error(format!("remove the service {name}"), &failure);
                if !error.is_not_found() {
                    return Err(error.into());
                }
            }
        }
        self.look_anew().await;
        Ok(())
    }

    /// Whether a node still fetches the replica's image.
    pub(crate) async fn is_fetching(&self, name: &str) -> Result<bool, TargetError> {
        Ok(self.seen().await?.slot(name).is_some_and(|slot| slot.is_fetching()))
    }

    /// Waits until a task of the replica ends by itself, and tells how. What ended before is of an earlier life of the slot.
    pub(crate) async fn ending(&self, name: &str) -> Result<Ending, TargetError> {
        let before = self.seen().await?.slot(name).map(|slot| slot.past()).unwrap_or_default();
        loop {
            let Some(slot) = self.seen().await?.slot(name) else {
                return Ok(Ending::Refused("its service was removed".to_owned()));
            };
            if let Some(ending) = slot.ending_after(&before) {
                return Ok(ending);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// How long the replica's task runs by now, as far as that was seen.
    pub(crate) async fn ran(&self, name: &str) -> Result<Duration, TargetError> {
        Ok(self.seen().await?.past(name).ran(Instant::now()))
    }

    /// How often tasks of the replica have ended by themselves, and with which exit code the last; none if it is gone.
    pub(crate) async fn ends(&self, name: &str) -> Result<Option<(i64, i64)>, TargetError> {
        let view = self.seen().await?;
        let past = view.past(name);
        Ok(view.slot(name).map(|_| (past.ends, past.exit_code)))
    }

    /// The last lines that the replica's newest container wrote, on whichever node; as many as could be had.
    pub async fn last_lines(&self, name: &str, count: usize) -> Vec<(LogStream, String)> {
        let Ok(view) = self.look().await else { return Vec::new() };
        let slot = view.slot(name).unwrap_or_default();
        let Some(task) = slot.spoke() else { return Vec::new() };
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&count.to_string()).build();
        let parts = self.engine.task_logs(task, Some(options));
        last_lines(parts, count).await
    }

    /// The lines of a window that the replica's newest container wrote; none before there was one.
    pub(crate) async fn recent_log(&self, instance: &Instance, window: Window) -> Result<ContainerLog, TargetError> {
        let view = self.seen().await?;
        let slot = view.slot(&instance.name).unwrap_or_default();
        let Some(task) = slot.spoke() else {
            return Ok(ContainerLog::Lines { lines: Vec::new(), is_cut: false });
        };
        let read = window.read(self.engine.task_logs(task, Some(window.options()))).await;
        Ok(read.map_err(|failure| self.engine.error(format!("read the log of {}", instance.name), &failure))?)
    }

    /// Whether this manager's engine holds exactly this image; its other nodes may.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn has_image(&self, image: &str, digest: &str) -> Result<bool, TargetError> {
        Ok(self.engine.has_image(&pinned(image, digest)).await?)
    }

    /// Whether the Swarm has more nodes than this one.
    ///
    /// # Errors
    /// When the engine fails.
    pub(crate) async fn has_other_nodes(&self) -> Result<bool, TargetError> {
        Ok(self.nodes().await?.count() > 1)
    }

    async fn create(&self, name: &str, replica: Replica<'_>) -> Result<(), TargetError> {
        let spec = service::spec(&self.placement, replica, &self.secrets, i64::from(replica.number));
        let login = engine_login(&replica.app.image, &self.registries);
        let created = self.engine.create_service(spec, login).await;
        self.look_anew().await;
        match created {
            Ok(_) => Ok(()),
            Err(failure) => {
                let error = self.engine.error(format!("create the service {name}"), &failure);
                // Somebody was faster: the next look decides whether it is ours.
                if error.is_conflict() { Ok(()) } else { Err(error.into()) }
            }
        }
    }

    /// Has the service run so many tasks; false where somebody has changed it meanwhile.
    async fn scale(&self, name: &str, service: &Service, tasks: i64) -> Result<bool, TargetError> {
        let Some(mut spec) = service.spec.clone() else { return Ok(false) };
        if let Some(replicated) = spec.mode.as_mut().and_then(|mode| mode.replicated.as_mut()) {
            replicated.replicas = Some(tasks);
        }
        self.update(name, service, spec, &format!("give {tasks} tasks to")).await
    }

    /// Has the service be this; false where somebody has changed it meanwhile. The nodes' login is the newest.
    async fn update(&self, name: &str, service: &Service, spec: ServiceSpec, what: &str) -> Result<bool, TargetError> {
        let version = service.version.as_ref().and_then(|version| version.index).unwrap_or_default();
        let container = spec.task_template.as_ref().and_then(|task| task.container_spec.as_ref());
        let image = container.and_then(|container| container.image.clone()).unwrap_or_default();
        let login = engine_login(image.split('@').next().unwrap_or_default(), &self.registries);
        let options =
            UpdateServiceOptionsBuilder::default().version(i32::try_from(version).unwrap_or(i32::MAX)).build();
        let updated = self.engine.update_service(name, spec, options, login).await;
        self.look_anew().await;
        match updated {
            Ok(_) => Ok(true),
            Err(failure) => match self.engine.error(format!("{what} the service {name}"), &failure) {
                error if error.is_not_found() => Ok(false),
                EngineError::Refused { message, .. } if message.contains("out of sequence") => Ok(false),
                error => Err(error.into()),
            },
        }
    }
}

/// How many tasks the service is to have so that this slot is among them: Swarm fills the lowest that are free. Before it
/// has made as many as it was asked for, nobody knows which are missing.
fn tasks_needed(asked: i64, slots: &BTreeMap<u32, Slot>, number: u32) -> i64 {
    let wanted: BTreeSet<u32> =
        slots.iter().filter(|(_, slot)| slot.wanted().is_some()).map(|(number, _)| *number).collect();
    if asked < i64::from(number) {
        i64::from(number)
    } else if i64::try_from(wanted.len()).unwrap_or(i64::MAX) >= asked && !wanted.contains(&number) {
        asked + 1
    } else {
        asked
    }
}

/// How many tasks the service was asked for.
fn tasks_of(service: &Service) -> i64 {
    let mode = service.spec.as_ref().and_then(|spec| spec.mode.as_ref());
    mode.and_then(|mode| mode.replicated.as_ref()).and_then(|replicated| replicated.replicas).unwrap_or(0)
}

/// The instances' slots by the services that they are of.
fn by_service(instances: &[Instance]) -> BTreeMap<String, BTreeSet<u32>> {
    let mut services: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for instance in instances {
        if let Some(service) = instance.service() {
            services.entry(service.to_owned()).or_default().insert(instance.replica);
        }
    }
    services
}
