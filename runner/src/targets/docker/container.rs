//! A replica's container as the engine is asked for it.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType,
    MountVolumeOptions, NetworkingConfig, RestartPolicy, RestartPolicyNameEnum,
};
use slipway_pipelines::release::{DEFAULT_PIDS, HealthCheck, Probe};

use super::{
    Placement,
    labels::{APP, PORT, RELEASE, REPLICA, of_environment},
};
use crate::{
    coordinator::{ReleaseContent, ReleasedApp, SecretValue},
    engine::{self, nanoseconds},
    registry::pinned,
};

/// One replica of one app of one release.
#[derive(Debug, Clone, Copy)]
pub struct Replica<'a> {
    /// The release.
    pub release: &'a ReleaseContent,
    /// Its app.
    pub app: &'a ReleasedApp,
    /// Which replica, from 1.
    pub number: u32,
}

impl Placement {
    /// The labels that tell this container from every other.
    pub(super) fn labels(&self, replica: Replica<'_>) -> HashMap<String, String> {
        let mut labels = of_environment(&self.runner, &self.environment);
        labels.insert(RELEASE.to_owned(), replica.release.release.clone());
        labels.insert(APP.to_owned(), replica.app.app.clone());
        labels.insert(REPLICA.to_owned(), replica.number.to_string());
        if let Some(port) = replica.app.run.port {
            labels.insert(PORT.to_owned(), port.to_string());
        }
        labels
    }

    /// The whole request. The engine restarts the container by itself only once it was healthy, so that one that
    /// fails at its start is seen with its exit code.
    ///
    /// Its secrets are not in it: [`super::telling`].
    pub(super) fn container(&self, replica: Replica<'_>) -> ContainerCreateBody {
        let run = &replica.app.run;
        let endpoint = EndpointSettings { aliases: Some(vec![replica.app.app.clone()]), ..EndpointSettings::default() };
        ContainerCreateBody {
            image: Some(pinned(&replica.app.image, &replica.app.digest)),
            cmd: run.command.clone(),
            healthcheck: health_command(&run.health),
            env: Some(variables(replica.app, &[])),
            labels: Some(self.labels(replica)),
            host_config: Some(HostConfig {
                network_mode: Some(self.names.network()),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                nano_cpus: run.resources.cpus.map(nano_cpus),
                memory: run.resources.memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
                mounts: Some(self.mounts(replica)),
                pids_limit: Some(i64::from(run.resources.pids.unwrap_or(DEFAULT_PIDS))),
                restart_policy: Some(restart_policy(RestartPolicyNameEnum::NO)),
                log_config: Some(bounded_log()),
                ..HostConfig::default()
            }),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(self.names.network(), endpoint)])),
            }),
            ..ContainerCreateBody::default()
        }
    }

    fn mounts(&self, replica: Replica<'_>) -> Vec<Mount> {
        let labels = of_environment(&self.runner, &self.environment);
        let mount = |name: &str, path: &str| Mount {
            typ: Some(MountType::VOLUME),
            source: Some(self.names.volume(name)),
            target: Some(path.to_owned()),
            volume_options: Some(MountVolumeOptions { labels: Some(labels.clone()), ..MountVolumeOptions::default() }),
            ..Mount::default()
        };
        replica.app.run.volumes.iter().map(|volume| mount(&volume.name, &volume.path)).collect()
    }
}

/// The container's variables. A secret comes before a plain variable of the same name.
pub(crate) fn variables(app: &ReleasedApp, secrets: &[SecretValue]) -> Vec<String> {
    let plain = app.run.env.iter().filter(|(name, _)| !app.run.secrets.contains(name));
    plain
        .map(|(name, value)| format!("{name}={value}"))
        .chain(app.secrets(secrets).map(|secret| format!("{}={}", secret.name, secret.value)))
        .collect()
}

pub(super) fn restart_policy(name: RestartPolicyNameEnum) -> RestartPolicy {
    RestartPolicy { name: Some(name), maximum_retry_count: None }
}

/// The engine counts CPUs in billionths.
#[allow(clippy::cast_possible_truncation, reason = "a number of CPUs that does not fit was refused with captain.yml")]
pub(crate) fn nano_cpus(cpus: f64) -> i64 {
    (cpus * 1e9) as i64
}

/// The command by which the engine tells how the app is, where that is how it is asked.
pub(crate) fn health_command(check: &HealthCheck) -> Option<HealthConfig> {
    let Probe::Command { command } = &check.probe else { return None };
    Some(HealthConfig {
        timeout: Some(nanoseconds(check.timeout_ms)),
        retries: Some(i64::from(check.retries)),
        ..engine::health_command(command, check.interval_ms, check.start_ms)
    })
}

/// What an app writes is kept in parts that are let go of, so that it never fills the host's disk: 100 MB by the `local`
/// driver's own measure. <https://docs.docker.com/engine/logging/drivers/local/>
pub(crate) fn bounded_log() -> HostConfigLogConfig {
    HostConfigLogConfig { typ: Some("local".to_owned()), config: None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use slipway_pipelines::release::{ReleaseSettings, Resources, RunSpec, Volume};

    use super::{Placement, Replica};
    use crate::{
        coordinator::{ReleaseContent, ReleasedApp},
        targets::docker::EnvironmentNames,
    };

    #[test]
    fn a_container_is_pinned_limited_labelled_and_without_new_privileges() {
        let settings = ReleaseSettings {
            port: Some(8080),
            env: [("LOG_LEVEL".to_owned(), "info".to_owned()), ("TOKEN".to_owned(), "shadowed".to_owned())].into(),
            secrets: vec!["TOKEN".to_owned()],
            resources: Some(Resources { cpus: Some(0.5), memory: Some(256), pids: None, ..Resources::default() }),
            volumes: Some(vec![Volume { name: "uploads".into(), path: "/data".into() }]),
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
        let body = placement.container(Replica { release: &release, app: &app, number: 2 });
        assert_eq!(body.image.unwrap(), "r.io/shop/web@sha256:abc");
        assert_eq!(body.env.unwrap(), ["LOG_LEVEL=info"], "a secret stands before a plain variable, and is told apart");
        let host = body.host_config.unwrap();
        assert_eq!((host.nano_cpus, host.memory, host.pids_limit), (Some(500_000_000), Some(256), Some(4_096)));
        assert_eq!(host.security_opt.unwrap(), ["no-new-privileges"]);
        assert_eq!(host.log_config.unwrap().typ.as_deref(), Some("local"), "a log of any length fits its host");
        assert_eq!(host.mounts.unwrap()[0].source.as_deref(), Some("slipway-env1-uploads"));
        let labels = body.labels.unwrap();
        for (key, value) in [
            ("slipway", "release"),
            ("slipway.runner", "runner"),
            ("slipway.environment", "ENV1"),
            ("slipway.release", "rel"),
            ("slipway.app", "web"),
            ("slipway.replica", "2"),
            ("slipway.port", "8080"),
        ] {
            assert_eq!(labels.get(key).map(String::as_str), Some(value), "{key}");
        }
        let endpoints = body.networking_config.unwrap().endpoints_config.unwrap();
        assert_eq!(endpoints["slipway-dev-env1"].aliases.as_deref(), Some(&["web".to_owned()][..]));
    }
}
