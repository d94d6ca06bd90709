//! An app of a release as a service, as Swarm is asked for it.

use std::collections::HashMap;

use bollard::models::{
    EndpointPortConfig, EndpointPortConfigProtocolEnum, EndpointPortConfigPublishModeEnum, EndpointSpec,
    EndpointSpecModeEnum, Limit, NetworkAttachmentConfig, ResourceObject, ServiceSpec, ServiceSpecMode,
    ServiceSpecModeReplicated, ServiceSpecUpdateConfig, ServiceSpecUpdateConfigFailureActionEnum,
    ServiceSpecUpdateConfigOrderEnum, TaskSpec, TaskSpecContainerSpec, TaskSpecContainerSpecPrivileges,
    TaskSpecLogDriver, TaskSpecPlacement, TaskSpecPlacementPreferences, TaskSpecPlacementSpread, TaskSpecResources,
    TaskSpecRestartPolicy, TaskSpecRestartPolicyConditionEnum,
};
use slipway_pipelines::release::{DEFAULT_PIDS, RunSpec};

use crate::{
    coordinator::SecretValue,
    registry::pinned,
    targets::docker::{
        APP, ENVIRONMENT, PORT, Placement, RELEASE, Replica, bounded_log, health_command, nano_cpus, of_environment,
        variables,
    },
};

/// How many slots the service has when all of its release runs.
pub(super) const REPLICAS: &str = "slipway.replicas";
/// How long Swarm waits before it starts a task in the place of one that ended, in nanoseconds.
const RESTART_AFTER_NS: i64 = 1_000_000_000;

/// The labels by which a run after a crash knows the service again.
pub(super) fn labels(placement: &Placement, replica: Replica<'_>) -> HashMap<String, String> {
    let mut labels = of_environment(&placement.runner, &placement.environment);
    labels.insert(RELEASE.to_owned(), replica.release.release.clone());
    labels.insert(APP.to_owned(), replica.app.app.clone());
    labels.insert(REPLICAS.to_owned(), replica.app.run.replicas.to_string());
    if let Some(port) = replica.app.run.port {
        labels.insert(PORT.to_owned(), port.to_string());
    }
    labels
}

/// The whole request, for so many tasks. Its name in the environment's network is the app's, by DNS alone: every
/// task's own address. Requests from outside take the port that the task's node publishes for it. What a release does not
/// ask for is said as well where other hands may change it, so that it is seen ([`super::likeness`]).
pub(super) fn spec(placement: &Placement, replica: Replica<'_>, secrets: &[SecretValue], tasks: i64) -> ServiceSpec {
    let (app, run) = (replica.app, &replica.app.run);
    let labels = labels(placement, replica);
    // What tells which container of a node belongs to what; the kind is the service's alone.
    let of_container = [ENVIRONMENT, RELEASE, APP];
    let of_container = of_container.iter().filter_map(|key| labels.get_key_value(*key));
    let container = TaskSpecContainerSpec {
        image: Some(pinned(&app.image, &app.digest)),
        labels: Some(of_container.map(|(key, value)| (key.clone(), value.clone())).collect()),
        args: run.command.clone(),
        health_check: health_command(&run.health),
        env: Some(variables(replica.app, secrets)),
        privileges: Some(TaskSpecContainerSpecPrivileges {
            no_new_privileges: Some(true),
            ..TaskSpecContainerSpecPrivileges::default()
        }),
        stop_grace_period: Some(nanoseconds(run.drain_ms)),
        command: Some(Vec::new()),
        user: Some(String::new()),
        dir: Some(String::new()),
        hosts: Some(Vec::new()),
        mounts: Some(Vec::new()),
        secrets: Some(Vec::new()),
        configs: Some(Vec::new()),
        capability_add: Some(Vec::new()),
        ..TaskSpecContainerSpec::default()
    };
    let network = NetworkAttachmentConfig {
        target: Some(placement.names.network()),
        aliases: Some(vec![app.app.clone()]),
        ..NetworkAttachmentConfig::default()
    };
    let log = bounded_log();
    let task = TaskSpec {
        container_spec: Some(container),
        resources: Some(resources(run)),
        restart_policy: Some(TaskSpecRestartPolicy {
            condition: Some(TaskSpecRestartPolicyConditionEnum::ANY),
            delay: Some(RESTART_AFTER_NS),
            max_attempts: Some(0),
            ..TaskSpecRestartPolicy::default()
        }),
        placement: Some(scheduling(run)),
        networks: Some(vec![network]),
        log_driver: Some(TaskSpecLogDriver { name: log.typ, options: log.config }),
        ..TaskSpec::default()
    };
    ServiceSpec {
        name: Some(placement.names.service(&app.app, replica.release.number)),
        labels: Some(labels),
        task_template: Some(task),
        mode: Some(ServiceSpecMode {
            replicated: Some(ServiceSpecModeReplicated { replicas: Some(tasks) }),
            ..ServiceSpecMode::default()
        }),
        endpoint_spec: Some(EndpointSpec {
            mode: Some(EndpointSpecModeEnum::DNSRR),
            ports: Some(run.port.map(published).into_iter().collect()),
        }),
        update_config: Some(changed_back()),
        ..ServiceSpec::default()
    }
}

/// How Swarm replaces tasks that other hands changed, once the service is as it was: one after the other, each once its
/// successor runs, and on to the last.
fn changed_back() -> ServiceSpecUpdateConfig {
    ServiceSpecUpdateConfig {
        parallelism: Some(1),
        order: Some(ServiceSpecUpdateConfigOrderEnum::START_FIRST),
        failure_action: Some(ServiceSpecUpdateConfigFailureActionEnum::CONTINUE),
        ..ServiceSpecUpdateConfig::default()
    }
}

/// A port of the node itself that leads to the task's, whichever is free: a version beside another needs its own.
fn published(port: u16) -> EndpointPortConfig {
    EndpointPortConfig {
        protocol: Some(EndpointPortConfigProtocolEnum::TCP),
        target_port: Some(i64::from(port)),
        publish_mode: Some(EndpointPortConfigPublishModeEnum::HOST),
        ..EndpointPortConfig::default()
    }
}

fn resources(run: &RunSpec) -> TaskSpecResources {
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let (limits, reserve) = (run.resources, run.resources.reserve);
    TaskSpecResources {
        limits: Some(Limit {
            nano_cpus: Some(limits.cpus.map_or(0, nano_cpus)),
            memory_bytes: Some(limits.memory.map_or(0, bytes)),
            pids: Some(i64::from(limits.pids.unwrap_or(DEFAULT_PIDS))),
        }),
        reservations: Some(ResourceObject {
            nano_cpus: Some(reserve.cpus.map_or(0, nano_cpus)),
            memory_bytes: Some(reserve.memory.map_or(0, bytes)),
            ..ResourceObject::default()
        }),
        ..TaskSpecResources::default()
    }
}

fn scheduling(run: &RunSpec) -> TaskSpecPlacement {
    let spread = |key: &String| TaskSpecPlacementPreferences {
        spread: Some(TaskSpecPlacementSpread { spread_descriptor: Some(key.clone()) }),
    };
    TaskSpecPlacement {
        constraints: Some(run.placement.constraints.clone()),
        preferences: Some(run.placement.preferences.iter().map(spread).collect()),
        ..TaskSpecPlacement::default()
    }
}

fn nanoseconds(ms: u64) -> i64 {
    i64::try_from(ms.saturating_mul(1_000_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use slipway_pipelines::release::{self, ReleaseSettings, Reservation, Resources};

    use super::*;
    use crate::{
        coordinator::{ReleaseContent, ReleasedApp},
        targets::docker::EnvironmentNames,
    };

    #[test]
    fn a_service_is_pinned_placed_limited_and_found_by_its_apps_name() {
        let reserve = Reservation { cpus: Some(0.25), memory: Some(64) };
        let settings = ReleaseSettings {
            port: Some(8080),
            replicas: Some(6),
            resources: Some(Resources { cpus: Some(0.5), memory: Some(256), pids: None, reserve }),
            placement: Some(release::Placement {
                constraints: vec!["node.role==worker".into()],
                preferences: vec!["node.labels.zone".into()],
            }),
            ..ReleaseSettings::default()
        };
        let app = ReleasedApp {
            app: "web".into(),
            image: "r.io/shop/web".into(),
            digest: "sha256:abc".into(),
            run: RunSpec::resolve(&[&settings]),
            build: None,
            secret_versions: std::collections::BTreeMap::new(),
        };
        let release = ReleaseContent { release: "rel".into(), number: 3, apps: vec![app.clone()] };
        let placement = Placement {
            runner: "runner".into(),
            environment: "ENV1".into(),
            names: EnvironmentNames::new("ENV1", "dev"),
        };
        let spec = spec(&placement, Replica { release: &release, app: &app, number: 1 }, &[], 2);
        assert_eq!(spec.name.as_deref(), Some("slipway-env1-web-r3"));
        assert_eq!(spec.mode.unwrap().replicated.unwrap().replicas, Some(2));
        assert_eq!(spec.labels.unwrap()[REPLICAS], "6");
        let endpoint = spec.endpoint_spec.unwrap();
        assert_eq!(endpoint.mode, Some(EndpointSpecModeEnum::DNSRR));
        assert_eq!(endpoint.ports.unwrap(), [published(8080)]);
        let task = spec.task_template.unwrap();
        assert_eq!(task.container_spec.unwrap().image.as_deref(), Some("r.io/shop/web@sha256:abc"));
        assert_eq!(task.networks.unwrap()[0].aliases.as_deref(), Some(&["web".to_owned()][..]));
        let (limits, reservations) =
            (task.resources.clone().unwrap().limits.unwrap(), task.resources.unwrap().reservations.unwrap());
        assert_eq!((limits.nano_cpus, limits.memory_bytes, limits.pids), (Some(500_000_000), Some(256), Some(4_096)));
        assert_eq!((reservations.nano_cpus, reservations.memory_bytes), (Some(250_000_000), Some(64)));
        let placed = task.placement.unwrap();
        assert_eq!(placed.constraints.unwrap(), ["node.role==worker"]);
        assert_eq!(placed.preferences.unwrap().len(), 1);
    }
}
