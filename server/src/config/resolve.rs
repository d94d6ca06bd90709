//! The file and what goes over it as one, with every default filled in and every value looked at.

use std::net::{Ipv4Addr, SocketAddr};

use slipway_runner::{AtShutdown, StorageLimits, logs::LogLimits};
use url::Url;

use super::{Config, ConfigError, Overrides, RunnerSettings, archive, file, login, mail, proxy};
use crate::{
    access::TrustedProxies,
    runners::{Label, check_labels},
    secrets::Secret,
};

/// GitHub sends no delivery that is larger ("Webhook events and payloads: payload cap").
const GITHUB_MAX_DELIVERY_BYTES: usize = 25 * 1024 * 1024;
/// Often enough to see what goes on, and seldom enough to cost nothing.
const MEASURE_SECONDS: u32 = 15;
/// A week.
const LONGEST_BUILD_MINUTES: u32 = 7 * 24 * 60;
/// A longer lease would only leave the jobs of a lost runner waiting.
const LONGEST_LEASE_SECONDS: u32 = 60;
/// More than any one process serves well.
const MOST_CONNECTIONS: usize = 100_000;

pub(super) fn resolve(file: file::File, over: Overrides) -> Result<Config, ConfigError> {
    let steps = over.steps.clone().or(file.runner.steps());
    let (step_hosts, steps) = (steps.hosts()?, steps.limits()?);
    let data_dir = over.data_dir.or(file.data_dir).unwrap_or_else(|| "slipway-data".into());
    let database = over
        .database
        .or(file.database)
        .unwrap_or_else(|| Secret::new(format!("sqlite:{}", data_dir.join("slipway.db").display())));
    if !["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| database.reveal().starts_with(scheme)) {
        return Err(ConfigError::Invalid {
            key: "database",
            value: "…".to_owned(),
            reason: "it starts with neither sqlite: nor postgres:".to_owned(),
        });
    }
    let capacity = over.runner_capacity.or(file.runner.capacity).unwrap_or(2);
    if capacity == 0 {
        return Err(ConfigError::Invalid {
            key: "runner.capacity",
            value: "0".to_owned(),
            reason: "a runner takes at least one job; to run none here, set runner.enabled to false".to_owned(),
        });
    }
    let builds_per_repository = over.builds_per_repository.or(file.builds_per_repository).unwrap_or(8);
    if builds_per_repository == 0 {
        return Err(ConfigError::Invalid {
            key: "builds_per_repository",
            value: "0".to_owned(),
            reason: "no build would ever begin; it is at least 1".to_owned(),
        });
    }
    let build_timeout_minutes = over.build_timeout_minutes.or(file.build_timeout_minutes).unwrap_or(120);
    if !(1..=LONGEST_BUILD_MINUTES).contains(&build_timeout_minutes) {
        return Err(ConfigError::Invalid {
            key: "build_timeout_minutes",
            value: build_timeout_minutes.to_string(),
            reason: format!("it is from 1 to {LONGEST_BUILD_MINUTES}, a week"),
        });
    }
    let step_log_bytes =
        over.runner_step_log_bytes.or(file.runner.step_log_bytes).unwrap_or(LogLimits::default().step_bytes);
    if step_log_bytes == 0 {
        return Err(ConfigError::Invalid {
            key: "runner.step_log_bytes",
            value: "0".to_owned(),
            reason: "no step's output would be kept; it is at least 1".to_owned(),
        });
    }
    let lease_seconds = over.lease_seconds.or(file.lease_seconds).unwrap_or(LONGEST_LEASE_SECONDS);
    if !(5..=LONGEST_LEASE_SECONDS).contains(&lease_seconds) {
        return Err(ConfigError::Invalid {
            key: "lease_seconds",
            value: lease_seconds.to_string(),
            reason: format!("it is from 5 to {LONGEST_LEASE_SECONDS}"),
        });
    }
    let mut labels = file.runner.labels.unwrap_or_default();
    labels.extend(over.runner_labels.into_iter().map(|Label(key, value)| (key, value)));
    check_labels(&labels).map_err(|reason| ConfigError::Invalid {
        key: "runner.labels",
        value: "…".to_owned(),
        reason,
    })?;
    let max_connections = over.max_connections.or(file.max_connections).unwrap_or(512);
    if !(1..=MOST_CONNECTIONS).contains(&max_connections) {
        return Err(ConfigError::Invalid {
            key: "max_connections",
            value: max_connections.to_string(),
            reason: format!("it is from 1 to {MOST_CONNECTIONS}"),
        });
    }
    if let Some((key, value, reason)) = file.retention.refusal() {
        return Err(ConfigError::Invalid { key, value: value.to_string(), reason: reason.to_owned() });
    }
    Ok(Config {
        retention: file.retention,
        archive: archive::resolve(
            file.archive,
            archive::Overrides {
                url: over.archive_url,
                endpoint: over.archive_endpoint,
                region: over.archive_region,
                access_key_id: over.archive_access_key_id,
                secret_access_key: over.archive_secret_access_key,
            },
        )?,
        logins: login::resolve(file.login, &over.login_secrets)?,
        mail: mail::resolve(over.mail_url.or(file.mail.url), over.mail_from.or(file.mail.from))?,
        listen: over.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 7878))),
        public_url: web_address("public_url", over.public_url.or(file.public_url))?,
        database,
        data_dir,
        secret_key: over.secret_key,
        secret_key_previous: over.secret_key_previous,
        secret_key_lost: over.secret_key_lost,
        public_read: over.public_read.or(file.public_read).unwrap_or(false),
        supersede: over.supersede.or(file.supersede).unwrap_or(true),
        builds_per_repository,
        build_timeout_minutes,
        lease_seconds,
        max_delivery_bytes: over.max_delivery_bytes.or(file.max_delivery_bytes).unwrap_or(GITHUB_MAX_DELIVERY_BYTES),
        max_connections,
        trusted_proxies: trusted_proxies(file.trusted_proxies.into_iter().flatten().chain(over.trusted_proxies))?,
        log: over.log.or(file.log).unwrap_or_default(),
        log_filter: over.log_filter.or(file.log_filter).unwrap_or_else(|| "info".to_owned()),
        runner: RunnerSettings {
            enabled: over.runner_enabled.or(file.runner.enabled).unwrap_or(true),
            name: over.runner_name.or(file.runner.name).unwrap_or_else(|| "embedded".to_owned()),
            capacity,
            docker_host: over.runner_docker_host.or(file.runner.docker_host).map(engine_address).transpose()?,
            at_shutdown: AtShutdown::default(),
            labels,
            builds_only: over.runner_builds_only.or(file.runner.builds_only).unwrap_or(false),
            internal_hosts: [file.runner.internal_hosts.unwrap_or_default(), over.runner_internal_hosts].concat(),
            failed_builds: over
                .runner_failed_builds
                .or(file.runner.failed_builds)
                .unwrap_or(StorageLimits::default().failed_builds),
            cache_bytes: over
                .runner_cache_bytes
                .or(file.runner.cache_bytes)
                .unwrap_or(StorageLimits::default().caches_bytes),
            build_cache_bytes: over.runner_build_cache_bytes.or(file.runner.build_cache_bytes),
            step_log_bytes,
            measure_seconds: over.runner_measure_seconds.or(file.runner.measure_seconds).unwrap_or(MEASURE_SECONDS),
            steps,
            step_hosts,
        },
        proxy: proxy::resolve(
            file.proxy,
            proxy::Overrides {
                caddy_admin: over.proxy_caddy_admin,
                switch_admin: over.proxy_switch_admin,
                switch_socket: over.proxy_switch_socket,
                listen: over.proxy_listen,
            },
        )?,
    })
}

/// The address of an engine in one of the forms that a runner understands.
fn engine_address(value: String) -> Result<String, ConfigError> {
    let is_known =
        ["unix:///", "tcp://", "http://"].iter().any(|form| value.len() > form.len() && value.starts_with(form));
    if is_known {
        return Ok(value);
    }
    let reason = "expected unix:///PATH, such as unix:///var/run/docker.sock, or tcp://HOST:PORT".to_owned();
    Err(ConfigError::Invalid { key: "runner.docker_host", value, reason })
}

fn trusted_proxies(written: impl Iterator<Item = String>) -> Result<TrustedProxies, ConfigError> {
    let mut proxies = TrustedProxies::default();
    for value in written {
        proxies = proxies.with(&value).map_err(|error| ConfigError::Invalid {
            key: "trusted_proxies",
            value,
            reason: error.to_string(),
        })?;
    }
    Ok(proxies)
}

/// An address that starts with `http://` or `https://` and names a host.
pub(super) fn web_address(key: &'static str, value: Option<String>) -> Result<Option<Url>, ConfigError> {
    let Some(value) = value else { return Ok(None) };
    let invalid = |reason: String| ConfigError::Invalid { key, value: value.clone(), reason };
    let url = Url::parse(&value).map_err(|error| invalid(format!("{error}; expected http://host or https://host")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(invalid("expected http://host or https://host".to_owned()));
    }
    if url.query().is_some() || url.fragment().is_some() || url.path() != "/" {
        return Err(invalid("expected an address without a path".to_owned()));
    }
    Ok(Some(url))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn resolved(text: &str, over: Overrides) -> Result<Config, ConfigError> {
        resolve(file::parse("slipway.toml", text).unwrap(), over)
    }

    #[test]
    fn defaults_need_no_file() {
        let config = resolved("", Overrides::default()).unwrap();
        assert_eq!(config.database.reveal(), "sqlite:slipway-data/slipway.db");
        assert!(!config.public_read && config.supersede && config.runner.enabled);
    }

    #[test]
    fn options_go_over_the_file() {
        let over = Overrides { public_read: Some(false), ..Overrides::default() };
        let config = resolved("public_read = true\nsupersede = false", over).unwrap();
        assert!(!config.public_read && !config.supersede);
    }

    #[test]
    fn values_that_cannot_work_are_refused_with_the_reason() {
        let said = |text| resolved(text, Overrides::default()).unwrap_err().to_string();
        assert!(said("database = \"mysql://root:pw@x/y\"").contains("neither sqlite: nor postgres:"));
        assert!(!said("database = \"mysql://root:pw@x/y\"").contains("pw"), "no password in a message");
        assert!(said("public_url = \"slipway.example\"").contains("expected http://host"));
        assert!(said("public_url = \"https://a.example/slipway\"").contains("without a path"));
        assert!(said("[runner]\ncapacity = 0").contains("at least one job"));
        assert!(said("[runner]\ndocker_host = \"/var/run/docker.sock\"").contains("expected unix:///PATH"));
        assert!(
            said("trusted_proxies = [\"10.0.0.1\", \"0.0.0.0/0\"]").contains("name the network of the proxy alone")
        );
        assert!(said("[runner]\nstep_log_bytes = 0").contains("no step's output would be kept"));
    }
}
