//! Containers that are about to be made.

use std::{collections::HashMap, time::Duration};

use bollard::models::{ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, Mount, NetworkingConfig};
use slipway_pipelines::config::ContainerRun;
use tokio::time::Instant;

use super::{Site, StepError, StepLimits, StepNetwork, container::ContainerGuard, relay};

/// How long a name is waited for that the engine has given away already, and how often it is tried.
const NAME_PATIENCE: Duration = Duration::from_secs(30);
const NAME_PAUSE: Duration = Duration::from_millis(50);

/// What a container is made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Blueprint {
    /// Its name.
    pub(super) name: String,
    /// What says whose it is.
    pub(super) labels: HashMap<String, String>,
    pub(super) image: String,
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) command: Option<Vec<String>>,
    pub(super) env: Vec<String>,
    pub(super) workdir: Option<String>,
    pub(super) user: Option<String>,
    pub(super) hostname: Option<String>,
    /// Its names for every container of the build.
    pub(super) aliases: Vec<String>,
    /// `container:alias`: names that only this container knows.
    pub(super) links: Vec<String>,
    pub(super) mounts: Vec<Mount>,
    /// Whether it is written to. Its input stays open when whoever writes goes.
    pub(super) has_input: bool,
    pub(super) wishes: Wishes,
    /// What the engine asks it from time to time, in place of what its image says.
    pub(super) health: Option<HealthConfig>,
}

/// What a `docker run` line asks for of its container's bounds.
#[derive(Debug, Clone, Default)]
pub(super) struct Wishes {
    memory: Option<u64>,
    nano_cpus: Option<u64>,
    shm_size: Option<u64>,
    tmpfs: HashMap<String, String>,
    hosts: Vec<String>,
    read_only: bool,
    init: bool,
}

impl Wishes {
    pub(super) fn of(run: &ContainerRun) -> Self {
        let options = |size: Option<u64>| size.map(|size| format!("size={size}")).unwrap_or_default();
        Wishes {
            memory: run.memory,
            nano_cpus: run.nano_cpus,
            shm_size: run.shm_size,
            tmpfs: run.tmpfs.iter().map(|folder| (folder.path.clone(), options(folder.size))).collect(),
            hosts: run.hosts.iter().map(|(name, address)| format!("{name}:{address}")).collect(),
            read_only: run.read_only,
            init: run.init,
        }
    }

    /// The runner's bounds, or tighter ones where those are asked for.
    fn within(self, limits: &StepLimits) -> HostConfig {
        let bounds = limits.host_config();
        let least = |limit: Option<i64>, asked: Option<u64>| {
            let asked = asked.map(|asked| i64::try_from(asked).unwrap_or(i64::MAX));
            limit.into_iter().chain(asked).min()
        };
        let memory = least(bounds.memory, self.memory);
        HostConfig {
            memory,
            memory_swap: memory,
            nano_cpus: least(bounds.nano_cpus, self.nano_cpus),
            shm_size: least(memory, self.shm_size).filter(|_| self.shm_size.is_some()),
            tmpfs: (!self.tmpfs.is_empty()).then_some(self.tmpfs),
            extra_hosts: (!self.hosts.is_empty()).then_some(self.hosts),
            readonly_rootfs: self.read_only.then_some(true),
            init: self.init.then_some(true),
            ..bounds
        }
    }
}

impl Site {
    /// The blueprint of a step's container; its services are known to it by their names.
    pub(super) fn blueprint(&self, index: u32, app: &str, image: &str) -> Blueprint {
        Blueprint {
            name: self.origin.container(index),
            labels: self.origin.step(index),
            image: image.to_owned(),
            links: self.services.links(&self.origin, app),
            ..Blueprint::default()
        }
    }

    /// Makes a container. One that an earlier, interrupted call left under the same name goes first; the engine may be
    /// about to make it still.
    pub(super) async fn create(&self, blueprint: Blueprint) -> Result<ContainerGuard, StepError> {
        let name = blueprint.name.clone();
        let body = self.describe(blueprint, self.network.name().await?);
        let options = || {
            let builder = bollard::query_parameters::CreateContainerOptionsBuilder::default();
            Some(builder.name(&name).build())
        };
        let doing = || format!("create the container {name}");
        let give_up = Instant::now() + NAME_PATIENCE;
        loop {
            let made = self.engine.create_container(options(), body.clone()).await;
            match made.map_err(|error| self.engine.error(doing(), &error)) {
                Ok(made) => return Ok(ContainerGuard::new(self, made.id)),
                Err(error) if error.is_conflict() && Instant::now() < give_up => {
                    self.leftovers.remove_container(&self.engine, &name).await;
                    tokio::time::sleep(NAME_PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn describe(&self, blueprint: Blueprint, network: String) -> ContainerCreateBody {
        let mut env = match self.limits.network {
            StepNetwork::Registries => relay::variables(&blueprint.links),
            StepNetwork::Open | StepNetwork::Unguarded | StepNetwork::None => Vec::new(),
        };
        env.extend(blueprint.env);
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        let endpoint = EndpointSettings {
            aliases: some(blueprint.aliases),
            links: some(blueprint.links),
            ..EndpointSettings::default()
        };
        ContainerCreateBody {
            image: Some(blueprint.image),
            entrypoint: blueprint.entrypoint,
            cmd: blueprint.command,
            env: Some(env),
            working_dir: blueprint.workdir,
            user: blueprint.user,
            hostname: blueprint.hostname,
            labels: Some(blueprint.labels),
            healthcheck: blueprint.health,
            open_stdin: Some(blueprint.has_input),
            stdin_once: Some(false),
            host_config: Some(HostConfig {
                mounts: Some(blueprint.mounts),
                network_mode: Some(network.clone()),
                ..blueprint.wishes.within(&self.limits)
            }),
            networking_config: Some(NetworkingConfig { endpoints_config: Some(HashMap::from([(network, endpoint)])) }),
            ..ContainerCreateBody::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_may_ask_for_less_than_the_runner_gives_and_never_for_more() {
        let limits = StepLimits { memory: 1_000, cpus: Some(1.0), ..StepLimits::default() };
        let asked = |memory, nano_cpus, shm_size| {
            let run = ContainerRun { memory, nano_cpus, shm_size, ..ContainerRun::default() };
            let config = Wishes::of(&run).within(&limits);
            assert_eq!(config.memory, config.memory_swap);
            (config.memory, config.nano_cpus, config.shm_size)
        };
        assert_eq!(asked(None, None, None), (Some(1_000), Some(1_000_000_000), None));
        assert_eq!(asked(Some(10), Some(5), Some(7)), (Some(10), Some(5), Some(7)));
        assert_eq!(asked(Some(9_999), Some(u64::MAX), Some(9_999)), (Some(1_000), Some(1_000_000_000), Some(1_000)));
    }
}
